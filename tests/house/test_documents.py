"""What the documents point to is there."""

import pkgutil
import re
import subprocess

import pytest

from karokar.config import PROJECT
from karokar.supervisor.up import ACCOUNTS

DOCUMENTS = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])
# What was decided on a day speaks of the files of that day.
CURRENT = [path for path in DOCUMENTS if "decisions" not in path.parts]
PLACES = (PROJECT, PROJECT / "karokar")
LOGGERS = {"karokar.security"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_link_leads_somewhere(document):
    text = document.read_text(encoding="utf-8")
    links = [
        link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link and not link.startswith("mailto:")
    ]
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_readme_names_the_accounts_that_bin_up_prints():
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert [account for account, _ in ACCOUNTS if account not in text] == []


@pytest.mark.parametrize("program", ["setup", "up", "test"])
def test_the_readmes_commands_can_be_run(program):
    path = PROJECT / "bin" / program
    assert path.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_no_lock_holds_an_address_or_a_path():
    for lock in (PROJECT / "requirements").glob("*.txt"):
        text = lock.read_text(encoding="utf-8")
        assert re.search(r"https?://|file:|--index|--find-links|/(tmp|home|work|usr|opt)/", text) is None
        packages = re.findall(r"^[A-Za-z0-9._-]+(?:\[[^\]]*\])?==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
        assert packages
        assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []


@pytest.mark.parametrize("document", CURRENT, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_file_and_module_that_a_document_names_exists(document):
    text = document.read_text(encoding="utf-8")
    files = {name for name in re.findall(r"`([\w./-]+\.(?:py|js|css|html|toml))`", text) if "/" in name}
    names = set(re.findall(r"`(karokar(?:\.\w+)+)`", text)) - LOGGERS
    files -= set(re.findall(r"^Create `([^`]+)`", text, re.MULTILINE))  # the reader makes them
    assert {name for name in files if not any((place / name).exists() for place in PLACES)} == set()
    assert {name for name in names if not is_there(name)} == set()


def is_there(dotted: str) -> bool:
    """Whether a dotted name leads to a module or to something in one."""
    try:
        pkgutil.resolve_name(dotted)
    except (ImportError, AttributeError):
        return False
    return True
