"""No pattern of the code takes for ever, whatever is typed: every one of them is tried with long texts that nearly fit."""

import ast
import re
import threading
from collections.abc import Callable

import pytest

from karokar.config import PROJECT

LENGTH = 20_000
SEEDS = (
    "a",
    "A",
    "0",
    " ",
    ".",
    "-",
    "a.",
    "-a",
    "a ",
    "aA",
    "/",
    "<",
    "&",
    ",",
    "=",
    "\n",
    "é",
    "अ",
    "1.",
    "a@",
    "\u200b",
)
ENDS = ("", "!", "\x00", "@", "\n", ">")
PATIENCE = 20.0
"""Seconds: a pattern that backtracks takes years for such a text, any other one takes milliseconds."""


def patterns() -> dict[str, Callable[[str], object]]:
    """Every pattern that stands in the code, by where, as it is used there: the first argument of a function of `re`."""
    found = {}
    for path in sorted((PROJECT / "karokar").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
            ):
                found[f"{path.relative_to(PROJECT)}:{node.lineno}"] = used(node.func.attr, node.args[0].value)
    return found


def used(function: str, pattern: str) -> Callable[[str], object]:
    compiled = re.compile(pattern)
    if function in {"match", "fullmatch"}:
        return getattr(compiled, function)
    return lambda text: compiled.sub("", text)  # as often as the text allows, as search, split and findall at most do


@pytest.fixture(scope="module")
def all_patterns() -> dict[str, Callable[[str], object]]:
    found = patterns()
    assert len(found) > 12
    return found


def test_no_pattern_backtracks_for_ever(all_patterns: dict[str, Callable[[str], object]]):
    texts = [(seed * LENGTH)[:LENGTH] + end for seed in SEEDS for end in ENDS]
    slow = []
    for name, use in all_patterns.items():
        trying = threading.Thread(target=lambda use=use: [use(text) for text in texts], daemon=True)
        trying.start()
        trying.join(PATIENCE)
        if trying.is_alive():
            slow.append(name)
            break  # the thread holds the interpreter: nothing else can be tried beside it
    assert slow == []
