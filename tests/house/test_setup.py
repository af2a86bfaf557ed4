"""`bin/setup` costs nothing when nothing changed, and says in one line what a machine lacks."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from karokar.config import PROJECT


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The project's setup in a folder of its own, and a PATH on which there is no Python."""
    for name in ("bin", "requirements"):
        shutil.copytree(PROJECT / name, tmp_path / "project" / name)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "env", "dirname", "mkdir", "cat", "rm", "flock"):
        found = shutil.which(name)
        if found:
            (tools / name).symlink_to(found)
    return tmp_path


def setup(bare: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(bare / "project/bin/setup"), *options],
        env={"PATH": str(bare / "tools")},
        capture_output=True,
        text=True,
        check=False,
    )


def fake_python(bare: Path, script: str) -> None:
    path = bare / "tools" / "python3"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_a_python_it_says_which_one_it_needs(bare: Path):
    done = setup(bare)
    assert done.returncode == 1
    assert "needs Python 3.11" in done.stderr


def test_a_python_that_is_too_old_does_not_count(bare: Path):
    fake_python(bare, "exit 1")
    done = setup(bare)
    assert done.returncode == 1
    assert "needs Python 3.11" in done.stderr


def test_a_python_without_venv_is_named_with_what_to_install(bare: Path):
    fake_python(bare, 'case "$2" in *venv*) exit 1;; esac; exit 0')
    done = setup(bare)
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr


def test_an_unknown_option_is_refused(bare: Path):
    assert setup(bare, "--devel").returncode == 2


def test_it_does_nothing_when_nothing_changed(bare: Path):
    installed = bare / "project/.venv"
    (installed / "bin").mkdir(parents=True)
    (installed / "bin/python").symlink_to(PROJECT / ".venv/bin/python")
    lock = subprocess.run(
        ["sha256sum", str(PROJECT / "requirements/base.txt")], capture_output=True, text=True, check=True
    )
    (installed / ".installed-base").write_text(lock.stdout.split()[0] + "\n")
    done = setup(bare)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_installs_again_when_the_lock_changed(bare: Path):
    installed = bare / "project/.venv"
    (installed / "bin").mkdir(parents=True)
    (installed / "bin/python").symlink_to(PROJECT / ".venv/bin/python")
    (installed / ".installed-base").write_text("another\n")
    (bare / "project/requirements/base.txt").write_text("nothing-of-this-name==1.0 --hash=sha256:" + "0" * 64 + "\n")
    done = subprocess.run(
        [str(bare / "project/bin/setup")],
        env={"PATH": str(bare / "tools"), "PIP_NO_INDEX": "1", "HOME": os.environ["HOME"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "could not be installed" in done.stderr
    assert not (installed / ".installed-base").exists()
