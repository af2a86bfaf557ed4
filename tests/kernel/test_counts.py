"""A number stands with the right form of its noun."""

import re
from pathlib import Path

import pytest

from karokar.config import PROJECT
from karokar.kernel.text.normalization import count_of

PLURALS = "members|vehicles|bookings|deliveries|sessions|attempts|rows|permissions|conflicts|tokens|minutes|seats"
_COUNTED = re.compile(rf"\}}\}}(</span>)? (?:{PLURALS})\b")


@pytest.mark.parametrize(
    ("count", "nouns", "said"),
    [
        (0, ("vehicle",), "0 vehicles"),
        (1, ("vehicle",), "1 vehicle"),
        (1234, ("vehicle",), "1,234 vehicles"),
        (1, ("delivery", "deliveries"), "1 delivery"),
        (2, ("delivery", "deliveries"), "2 deliveries"),
    ],
)
def test_one_is_singular(count: int, nouns: tuple[str, ...], said: str) -> None:
    assert count_of(count, *nouns) == said


@pytest.mark.parametrize(
    "template", sorted((PROJECT / "templates").rglob("*.html")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_no_page_writes_a_plural_behind_a_number_whatever_it_is(template: Path) -> None:
    found = [line.strip() for line in template.read_text().splitlines() if _COUNTED.search(line)]
    # Limits are plural whatever they are set to.
    limits = ("== 1", " at most", "more than {{", "up to {{")
    assert [line for line in found if not any(limit in line for limit in limits)] == []
