"""What docs/security.md promises about the code holds, and each breach of it is named."""

import contextlib
import re
import tomllib
from pathlib import Path

import pytest
from flask import Flask

from karokar.config import PROJECT
from karokar.kernel.db import Base
from tests.architecture import security_rules
from tests.architecture.conftest import Rule, unnoticed

BREACHES: dict[Rule, list[tuple[str, str, str]]] = {
    security_rules.regular_expressions_are_written_in_the_code: [
        ("karokar/booking/queries", "import re\ndef f(text):\n    return re.search(text, 'a')", "made at run time"),
        ("karokar/web/forms", "import re\ndef f(text):\n    return re.compile(f'{text}+')", "made at run time"),
        ("karokar/web/forms", "import re\ndef f(text):\n    return re.sub('^' + text, '', 'a')", "made at run time"),
    ],
    security_rules.formats_are_written_in_the_code: [
        ("karokar/notification/rules", "def f(row):\n    return row['text'].format(row)", "made at run time"),
        ("karokar/notification/rules", "def f(text):\n    return ('a' + text).format(1)", "made at run time"),
    ],
    security_rules.fields_are_taken_one_by_one: [
        ("karokar/booking/views", "from flask import request\ndef f(act):\n    act(**request.form)", "Name them"),
        ("karokar/booking/views", "from flask import request\ndef f(act):\n    act(**request.get_json())", "Name them"),
        ("karokar/booking/views", "def f(form, row):\n    form.populate_obj(row)", "Name the arguments"),
    ],
    security_rules.nobody_else_is_called: [
        ("karokar/booking/actions", "import urllib.request", "talks to others"),
        ("karokar/web/pages", "from http.client import HTTPSConnection", "talks to others"),
        ("karokar/kernel/clock", "import socket", "talks to others"),
    ],
    security_rules.cryptography_comes_from_well_kept_libraries: [
        ("karokar/booking/rules", "from cryptography.fernet import Fernet", "is used in"),
        ("karokar/booking/rules", "import random", "can be guessed"),
        ("karokar/booking/rules", "import hashlib\nhashlib.md5(b'')", "too weak"),
        ("karokar/booking/rules", "import jwt", "no library of this project"),
    ],
    security_rules.scripts_make_no_markup_of_text: [
        ("static/js/planted.js", "list.innerHTML = `<b>${name}</b>`;", "markup is made"),
        ("static/js/planted.js", "node.insertAdjacentHTML('beforeend', text);", "markup is made"),
        ("static/js/planted.js", "eval(text);", "text becomes code"),
        ("static/js/planted.js", "known.__proto__[name] = 1;", "text becomes code"),
    ],
    security_rules.pages_are_html_alone: [("templates/booking/planted.html", "<embed src='a'>", "no part of a page")],
}  # fmt: skip


@pytest.mark.parametrize("rule", security_rules.RULES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_what_is_promised(rule: Rule):
    assert rule(PROJECT) == []


@pytest.mark.parametrize("rule", security_rules.RULES, ids=lambda rule: rule.__name__)
def test_every_breach_is_reported(rule: Rule, copy_of_the_project: Path):
    assert BREACHES[rule]
    assert unnoticed(copy_of_the_project, rule, BREACHES[rule]) == []
    assert rule(copy_of_the_project) == []


@pytest.mark.parametrize("rule", security_rules.RULES, ids=lambda rule: rule.__name__)
def test_a_rule_that_finds_nothing_to_read_does_not_hold(rule: Rule, tmp_path: Path):
    (tmp_path / "karokar").mkdir()
    with contextlib.suppress(LookupError):
        assert rule(tmp_path) != []


# What tools check ------------------------------------------------------------------------------------------------------


def configured(tool: str) -> dict[str, object]:
    found: dict[str, object] = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][tool]
    return found


def test_the_linter_refuses_eval_weak_randomness_and_shells():
    lint = configured("ruff")["lint"]
    assert lint["select"] == ["ALL"]  # type: ignore[index]
    assert {"S102", "S301", "S307", "S311", "S324", "S602"} & set(lint["ignore"]) == set()  # type: ignore[index]


def test_types_are_checked_strictly():
    assert configured("mypy")["strict"] is True


def test_what_only_developers_need_is_not_installed_in_production():
    names = {
        re.split(r"[\[\s#=<>;]", line, maxsplit=1)[0].lower()
        for line in (PROJECT / "requirements/dev.in").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith(("#", "-"))
    }
    locked = set(
        re.findall(r"(?m)^([a-z0-9._-]+)(?:\[[^\]]*\])?==", (PROJECT / "requirements/base.txt").read_text("utf-8"))
    )
    assert len(names) > 5
    assert names & locked == set()


def test_there_are_no_hints_to_passwords_and_no_secret_questions(app: Flask):
    columns = [str(column) for table in Base.metadata.tables.values() for column in table.columns]
    assert columns
    assert [column for column in columns if re.search(r"hint|question|answer_hash", column.split(".")[1])] == []
