"""What the list of bookings shows however its question is put to the database: periods, orders, parts of references."""

import itertools
from collections.abc import Iterator

import pytest
from flask import Flask

from karokar.booking import queries
from karokar.booking.queries import SORTS, BookingFilter
from karokar.kernel import clock
from karokar.kernel.actor import acting_as
from tests.factories import booking as make
from tests.factories.booking import NOON, World, hours


@pytest.fixture(autouse=True)
def _monday_noon() -> Iterator[None]:
    with clock.standing_at(NOON):
        yield


@pytest.fixture
def world(any_app: Flask) -> World:
    del any_app
    return make.make_world()


def listed(world: World, wanted: BookingFilter) -> list[str]:
    """The references of all pages of a list, two to the page."""
    found, cursor = [], None
    with acting_as(world.vendor_admin):
        while True:
            page = queries.list_bookings(wanted, cursor=cursor, size=2)
            found += [row.reference for row in page.rows]
            if page.next is None:
                assert sorted(found) == sorted(row.reference for row in queries.iterate_bookings(wanted))
                return found
            cursor = page.next


def test_a_period_shows_what_runs_somewhere_in_it(world: World) -> None:
    begin, end = NOON + hours(100), NOON + hours(200)
    of = {
        name: world.requested(start=NOON + hours(start), end=NOON + hours(stop)).reference
        for name, start, stop in (
            ("long over", 10, 20), ("over as it begins", 90, 100), ("into it", 50, 101), ("all of it", 20, 300),
            ("from its beginning", 100, 110), ("within", 150, 160), ("out of it", 199, 201), ("as it ends", 200, 210),
            ("long after", 400, 500),
        )
    }  # fmt: skip
    within = {"into it", "all of it", "from its beginning", "within", "out of it"}
    after = within | {"as it ends", "long after"}
    before = within | {"long over", "over as it begins"}
    for sort, sign, status in itertools.product(SORTS, ("", "-"), (None, "REQUESTED")):
        for period, names in (
            ({"from_": begin, "until": end}, within),
            ({"from_": begin}, after),
            ({"until": end}, before),
        ):
            shown = listed(world, BookingFilter(**period, sort=sign + sort, status=status))
            assert len(shown) == len(names)
            assert set(shown) == {of[name] for name in names}


def test_a_period_in_which_nothing_runs_shows_what_comes_after_or_was_before(world: World) -> None:
    first = world.requested(start=NOON + hours(10), end=NOON + hours(20)).reference
    second = world.requested(start=NOON + hours(400), end=NOON + hours(500)).reference
    assert listed(world, BookingFilter(from_=NOON + hours(200))) == [second]
    assert listed(world, BookingFilter(until=NOON + hours(200))) == [first]
    assert listed(world, BookingFilter(from_=NOON + hours(200), until=NOON + hours(300))) == []


def test_any_part_of_a_reference_finds_the_booking(world: World) -> None:
    made = world.requested()
    reference = made.reference
    for part in (
        reference,
        reference.lower(),
        reference[2:5],
        reference[3:8],
        reference[-3:],
        reference.replace("-", " "),
    ):
        assert listed(world, BookingFilter(text=part)) == [reference]
    assert listed(world, BookingFilter(text="%")) == []
