"""`bin/audit`: nothing found, something found, and nothing known are three different answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from karokar.config import PROJECT

ANSWER = """
import json, re, sys
lock = open(sys.argv[-1]).read()
packages = re.findall(r"(?m)^([a-z0-9._-]+)(?:\\[[^\\]]*\\])?==([^ ;\\\\]+)", lock)
answers = [{"name": name, "version": version, "vulns": []} for name, version in packages]
CHANGE
print(json.dumps({"dependencies": answers}))
"""


def audit(folder: Path, change: str = "", *options: str) -> tuple[int, str]:
    """Run it with a stand-in for the program that asks the package index."""
    (folder / "advisories.py").write_text(ANSWER.replace("CHANGE", change))
    program = f"{sys.executable} {folder / 'advisories.py'}"
    done = subprocess.run(
        [str(PROJECT / "bin/audit"), *options],
        env={**os.environ, "PIP_AUDIT": program},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_it_is_green_only_when_every_package_was_checked(tmp_path: Path):
    status, said = audit(tmp_path)
    assert status == 0, said
    assert "0 known vulnerabilities, 0 packages without data" in said


def test_a_known_vulnerability_is_named_with_the_version_that_mends_it(tmp_path: Path):
    found = json.dumps([{"id": "PYSEC-2026-1", "fix_versions": ["9.9"], "aliases": [], "description": ""}])
    status, said = audit(tmp_path, f"[each for each in answers if each['name'] == 'flask'][0]['vulns'] = {found}")
    assert status == 1
    assert "PYSEC-2026-1, mended in 9.9" in said


@pytest.mark.parametrize(
    "change",
    [
        "answers = []",
        "answers[0] = {'name': answers[0]['name'], 'skip_reason': 'not found on the index'}",
        "answers[0]['version'] = '0.0'",
        "print('<html>a proxy answers</html>'); sys.exit(0)",
        "sys.exit('no network')",
    ],
)
def test_without_data_it_says_so_and_fails(tmp_path: Path, change: str):
    status, said = audit(tmp_path, change)
    assert status == 2
    assert "No data is not safety" in said


def test_every_licence_of_what_is_locked_is_on_the_list(tmp_path: Path):
    status, said = audit(tmp_path, "", "--licences-only")
    assert status == 0, said
    assert "0 with a licence" in said


def test_the_notice_names_all_software_of_others_with_its_version_and_licence():
    done = subprocess.run([str(PROJECT / "bin/notice"), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
