"""What holds for a vehicle's calendar, without a database."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karokar.availability import rules
from karokar.availability.rules import CONFLICT_MACHINE, ConflictStatus, Span
from karokar.kernel.errors import StateConflict

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
hours = st.integers(0, 48)
sources = st.integers(1, 4)
ids = st.integers(1, 2**64).map(lambda number: UUID(int=number))


@st.composite
def spans(draw, source=sources):
    start = draw(hours)
    length = draw(st.one_of(st.none(), st.integers(0, 24)))
    end = None if length is None else NOON + timedelta(hours=start + length)
    return Span(draw(ids), ("Booking", UUID(int=draw(source))), NOON + timedelta(hours=start), end)


def shares_an_hour(first: Span, second: Span) -> bool:
    def taken(span: Span) -> set[int]:
        first_hour = int((span.start - NOON).total_seconds() // 3600)
        last_hour = 200 if span.end is None else int((span.end - NOON).total_seconds() // 3600)
        return set(range(first_hour, last_hour))

    return bool(taken(first) & taken(second))


@given(spans(), spans())
def test_two_blocks_overlap_exactly_where_they_share_time(first, second):
    empty = [span for span in (first, second) if span.end is not None and span.end <= span.start]
    found = rules.overlap(first, second)
    if not empty:
        assert (found is not None) == shares_an_hour(first, second)
        assert found == rules.overlap(second, first)


def test_blocks_that_touch_do_not_overlap():
    first = Span(UUID(int=1), ("Booking", UUID(int=1)), NOON, NOON + timedelta(hours=1))
    second = Span(UUID(int=2), ("Booking", UUID(int=2)), NOON + timedelta(hours=1), None)
    assert rules.overlap(first, second) is None


@given(st.lists(spans(), max_size=6, unique_by=lambda span: span.id), st.randoms())
def test_clashes_are_the_same_in_whichever_order_blocks_arrived(held, random):
    shuffled = list(held)
    random.shuffle(shuffled)
    assert rules.clashes(shuffled) == rules.clashes(held)


@given(st.lists(spans(source=st.just(7)), max_size=5, unique_by=lambda span: span.id))
def test_blocks_of_one_source_never_clash(held):
    assert rules.clashes(held) == []


@given(hours, st.one_of(st.none(), hours), hours)
def test_releasing_shortens_and_never_lengthens(start, length, released):
    begins = NOON + timedelta(hours=start)
    ends = None if length is None else begins + timedelta(hours=length)
    shortened = rules.shortened(begins, ends, NOON + timedelta(hours=released))
    assert begins <= shortened
    assert ends is None or shortened <= ends


def test_a_blocks_id_follows_from_what_made_it():
    source = UUID(int=5)
    assert rules.block_id("Booking", source, 3) == rules.block_id("Booking", source, 3)
    assert rules.block_id("Booking", source, 3) != rules.block_id("Booking", source, 4)


def test_a_conflicts_id_is_that_of_its_pair():
    assert rules.conflict_id(UUID(int=1), UUID(int=2)) == rules.conflict_id(UUID(int=2), UUID(int=1))


@pytest.mark.parametrize("status", list(ConflictStatus))
def test_a_conflict_moves_only_as_the_table_says(status):
    expected = {row.source: row.target for row in CONFLICT_MACHINE.rows}.get(status)
    if expected is None:
        with pytest.raises(StateConflict):
            CONFLICT_MACHINE.next(status, "resolve")
    else:
        assert CONFLICT_MACHINE.next(status, "resolve") is expected
