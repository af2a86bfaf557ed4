"""docs/security.md names what is there: every requirement once, and only tests that exist."""

import re
from collections import Counter

import pytest

from karokar.config import PROJECT
from karokar.kernel.settings import SETTINGS

TEXT = (PROJECT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = re.findall(r"(?m)^\| (V\d+\.\d+\.\d+) \| ([^|]+) \| (.+) \|$", TEXT)
OF_LEVEL_2 = {
    "V1": 27, "V2": 11, "V3": 19, "V4": 10, "V5": 9, "V6": 35, "V7": 18, "V8": 7, "V9": 7, "V10": 29, "V11": 14, "V12": 9,
    "V13": 13, "V14": 9, "V15": 13, "V16": 16, "V17": 7,
}  # fmt: skip
"""How many requirements of levels 1 and 2 each chapter of version 5.0.0 has."""

ASKS_FOR_DOCUMENTS = {"V11.1.2", "V13.1.1", "V14.1.1", "V14.1.2", "V15.1.3", "V16.1.1"}
"""Requirements that something is written down, and nothing else: a document or section meets them."""
VARIABLES = {setting.name for setting in SETTINGS.values()}


def test_every_requirement_of_level_2_has_one_line():
    ids = [number for number, _state, _how in ROWS]
    assert len(ids) == len(set(ids))
    assert Counter(number.partition(".")[0] for number in ids) == OF_LEVEL_2


@pytest.mark.parametrize(("number", "state", "how"), ROWS, ids=[row[0] for row in ROWS])
def test_each_line_says_how_it_is_met_or_what_is_missing(number, state, how):
    assert state in {"met", "operator", "open", "n/a"}
    assert len(how) > 5
    if state == "met":
        proof = r"\]\(|Section “" if number in ASKS_FOR_DOCUMENTS else r"`tests/|`KAROKAR_\w+`"
        assert re.search(proof, how), f"{number} names no test, setting or section"
    for name in re.findall(r"`((?:KAROKAR|SECRET|DATABASE|REDIS)_\w+)", how):
        assert name in VARIABLES, f"{number} names {name}"
    for path in re.findall(r"`(bin/[\w-]+)`", how):
        assert (PROJECT / path).is_file(), f"{number} names {path}"
    for path in re.findall(r"`(tests/[\w/]+\.py)`", how):
        assert (PROJECT / path).is_file(), f"{number} names {path}"
    for path in re.findall(r"\]\(([\w./-]+)\)", how):
        assert (PROJECT / "docs" / path).exists(), f"{number} links to {path}"


def test_sections_that_a_line_names_stand_above_the_lines():
    before = TEXT.partition("## OWASP ASVS")[0]
    named = re.findall(r"Section “([^”]+)” (\w+)", "\n".join(how for _number, _state, how in ROWS))
    assert named
    for title, where in named:
        assert where == "above"
        assert re.search(rf"(?m)^##+ {re.escape(title)}$", before), title


def test_who_finds_something_is_told_how_to_report_it():
    text = (PROJECT / "SECURITY.md").read_text(encoding="utf-8")
    assert "privately" in text
    assert "(SECURITY.md)" in (PROJECT / "README.md").read_text(encoding="utf-8")
