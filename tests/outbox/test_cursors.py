"""Cursors lead back to their position for whom they were given to, and tell nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karokar.kernel.errors import RuleBroken
from karokar.outbox.reading.cursors import hide, reveal

POSITIONS = st.integers(0, 2**56 - 1)


@given(position=POSITIONS, secret=st.text(), reader=st.uuids().map(str))
def test_a_cursor_leads_back_to_its_position(position: int, secret: str, reader: str) -> None:
    assert reveal(hide(position, secret, reader), [secret], reader) == position
    assert reveal(hide(position, secret, reader), ["the key of today", secret], reader) == position


@given(position=POSITIONS, reader=st.uuids().map(str))
def test_a_cursor_of_another_organization_or_machine_is_refused(position: int, reader: str) -> None:
    cursor = hide(position, "secret", "somebody")
    for secret, other in (("secret", reader), ("another secret", "somebody")):
        with pytest.raises(RuleBroken, match="INVALID_CURSOR"):
            reveal(cursor, [secret], other)


@given(text=st.text(max_size=40))
def test_what_was_made_up_is_refused(text: str) -> None:
    with pytest.raises(RuleBroken, match="INVALID_CURSOR"):
        reveal(text, ["secret"], "somebody")


def test_neighbours_look_nothing_alike() -> None:
    cursors = [hide(position, "secret", "somebody") for position in range(1000)]
    assert len(set(cursors)) == 1000
    assert len({cursor[:3] for cursor in cursors}) > 900
