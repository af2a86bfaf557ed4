"""The tutorial, followed literally in a copy of the project: every file that it makes and every command that it gives."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from karokar.config import PROJECT

TUTORIAL = PROJECT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CREATE = re.compile(r"Create `([^`]+)`:\s*$")
APPEND = re.compile(r"At the end of `([^`]+)`, add:\s*$")
INSERT = re.compile(r"In `([^`]+)`, (above|below) the line `(.+)`, add:\s*$")
REPLACE = re.compile(r"In `([^`]+)`, replace:\s*$")
WITH = re.compile(r"^with:\s*$")


def follow(folder: Path) -> list[str]:
    """Do what the tutorial says, step by step, and return what was done. Fails at the first step that can't be done."""
    text = TUTORIAL.read_text(encoding="utf-8")
    done = []
    before = 0
    replaced: tuple[Path, str] | None = None
    for block in BLOCK.finditer(text):
        said = text[before : block.start()].rstrip().rsplit("\n\n", 1)[-1].replace("\n", " ").strip()
        before = block.end()
        language, mark, body = block.groups()
        if language == "console":
            if "no-test" not in mark:
                done += [run(folder, line.removeprefix("$ ")) for line in body.splitlines()]
        elif match := CREATE.search(said):
            path = folder / match[1]
            assert not path.exists(), path
            path.write_text(body, encoding="utf-8")
            done.append(f"create {match[1]}")
        elif match := APPEND.search(said):
            path = folder / match[1]
            path.write_text(path.read_text(encoding="utf-8") + body, encoding="utf-8")
            done.append(f"append to {match[1]}")
        elif match := INSERT.search(said):
            path = folder / match[1]
            line = f"{match[3]}\n"
            content = path.read_text(encoding="utf-8")
            assert content.count(f"\n{line}") >= 1, f"{match[1]} has no line {match[3]!r}"
            new = f"\n{body}{line}" if match[2] == "above" else f"\n{line}{body}"
            path.write_text(content.replace(f"\n{line}", new, 1), encoding="utf-8")
            done.append(f"insert into {match[1]}")
        elif match := REPLACE.search(said):
            replaced = folder / match[1], body
        elif WITH.match(said) and replaced:
            path, old = replaced
            content = path.read_text(encoding="utf-8")
            assert content.count(old) == 1, f"{path.name} does not hold {old!r} once"
            path.write_text(content.replace(old, body), encoding="utf-8")
            replaced = None
            done.append(f"replace in {path.name}")
        else:
            pytest.fail(f"Nobody says what to do with this block: {said!r}")
    return done


def run(folder: Path, command: str) -> str:
    if command.startswith(("bin/setup", "export ")):
        return command  # the copy uses the environment that this test runs in
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KAROKAR_", "DATABASE_URL", "PYTEST", "TEST_RUN_"))
        },
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "KAROKAR_DATA": str(folder / "var"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout[-6000:]}{done.stderr[-3000:]}"
    return command


@pytest.mark.slow
def test_the_tutorial_can_be_followed_to_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "karokar"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, listed):
        if (PROJECT / name).is_file() and "screenshots" not in name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    assert len(follow(folder)) > 25
