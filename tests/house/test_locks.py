"""A lock is installed as it stands, whatever its index has been given since.

The index of these tests is a folder.  For each locked package it holds a wheel of the locked version and one of a newer
version.  Packages require one another as the lock's `via` comments say, always through an extra: that is where pip's
resolver looks for the newest release, although every version and every hash is given.
"""

import hashlib
import json
import re
import shutil
import subprocess
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from packaging.markers import Marker

from karokar.config import PROJECT

NEWER = "9999.0"


@dataclass
class Locked:
    name: str
    version: str
    marker: str
    via: set[str]
    needs: list[str] = field(default_factory=list)

    @property
    def is_meant_for_this_machine(self) -> bool:
        return not self.marker or Marker(self.marker).evaluate()


def read_lock(lock: Path) -> list[Locked]:
    """Read the packages of a lock, and what each requires of the others."""
    pattern = r"^([\w.-]+)==(\S+)(?: ; ([^\\\n]+?))? \\$(?:\n    --hash\S+(?: \\)?)+(?:\n    # via (.+))?"
    packages = [
        Locked(name, version, marker, set(via.split(", ")))
        for name, version, marker, via in re.findall(pattern, lock.read_text(), flags=re.MULTILINE)
    ]
    for package in packages:
        for other in packages:
            if package.name in other.via and other.name != "pip":
                package.needs.append(
                    f"{other.name}[all]>={other.version}" + (f" ; {other.marker}" * bool(other.marker))
                )
    # pip itself does the work: a wheel of its name without code would end it.
    return [package for package in packages if package.name != "pip"]


def write_wheel(folder: Path, package: Locked, version: str) -> Path:
    """Write a wheel without code: a name, a version, and what it requires."""
    stem = re.sub(r"[-_.]+", "_", package.name)
    info = f"{stem}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {need}\n" for need in package.needs)
    path = folder / f"{stem}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {package.name}\nVersion: {version}\nProvides-Extra: all\n{needs}",
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


@dataclass
class Clone:
    """A project folder with nothing installed, and the index that its machine reaches."""

    folder: Path
    index: Path

    def set_up(self, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.folder / "bin/setup"), *options],
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHON": str(PROJECT / ".venv/bin/python"),
                "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(self.index),
                "PIP_NO_CACHE_DIR": "1",
                "PIP_CONFIG_FILE": "/dev/null",
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def offer(self, name: str, *, leave_out: str = "") -> list[Locked]:
        """Give the index what the lock names, and newer releases of all of it; write the lock with these wheels' hashes."""
        packages = read_lock(PROJECT / "requirements" / f"{name}.txt")
        lines = []
        for package in packages:
            wheel = write_wheel(self.index, package, package.version)
            write_wheel(self.index, package, NEWER)
            marker = f" ; {package.marker}" if package.marker else ""
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            if package.name != leave_out:
                lines.append(f"{package.name}=={package.version}{marker} --hash=sha256:{digest}\n")
        (self.folder / f"requirements/{name}.txt").write_text("".join(lines))
        return packages

    def installed(self, environment: str) -> dict[str, str]:
        done = subprocess.run(
            [str(self.folder / environment / "bin/python"), "-m", "pip", "list", "--format", "json"],
            capture_output=True,
            text=True,
            check=True,
        )
        return {re.sub(r"[-_.]+", "-", row["name"]).lower(): row["version"] for row in json.loads(done.stdout)}


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    for name in ("bin", "requirements"):
        shutil.copytree(PROJECT / name, tmp_path / "project" / name)
    (tmp_path / "index").mkdir()
    return Clone(tmp_path / "project", tmp_path / "index")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "environment"),
    [("base", [], ".venv"), ("dev", ["--dev"], ".venv"), ("bench", ["--bench"], "var/bench")],
)
def test_newer_releases_on_the_index_change_nothing(clone: Clone, name, options, environment):
    packages = clone.offer(name)
    done = clone.set_up(*options)
    assert done.returncode == 0, done.stderr
    expected = {package.name: package.version for package in packages if package.is_meant_for_this_machine}
    assert len(expected) > 20
    assert clone.installed(environment).items() >= expected.items()


@pytest.mark.slow
def test_a_lock_that_lacks_a_package_is_refused(clone: Clone):
    clone.offer("base", leave_out="markupsafe")
    done = clone.set_up()
    assert done.returncode == 1
    assert "markupsafe" in done.stderr.lower()
    assert not (clone.folder / ".venv/.installed-base").exists()
