"""A company's own vehicles are on Today, in what is out, and in who had it, with the times that really were."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from karokar.assignment import actions as assignments
from karokar.fleet import queries as fleet
from karokar.kernel import clock
from tests.factories import booking as make
from tests.factories.booking import NOON, World, hours
from tests.factories.browsing import text_of


@pytest.fixture(autouse=True)
def _monday_noon() -> Iterator[None]:
    with clock.standing_at(NOON):
        yield


def given(world: World, start: timedelta, length: timedelta, *, out: bool = False) -> UUID:
    made = world.direct(start=NOON + start, end=NOON + start + length)
    with world.acting(world.employee):
        assignments.accept_assignment(made.id)
    if out:
        with world.acting(world.employee, NOON + start - hours(0.5)):
            assignments.start_assignment(made.id, 10_010, 80)
    return made.id


def test_today_lists_own_vehicles_that_go_out(world: World, as_company: FlaskClient) -> None:
    made = given(world, hours(2), hours(3))
    page = as_company.get("/booking/today")
    assert "Going out 1" in text_of(page)
    assert f'href="/assignment/{made}/start"' in page.text
    assert "A quiet day" not in text_of(page)


def test_today_says_that_an_own_vehicle_is_off_the_road(world: World, as_company: FlaskClient) -> None:
    made = given(world, hours(2), hours(3))
    make.change("vehicles", world.own_vehicle, status="SUSPENDED", suspended_by="OWNER")
    page = as_company.get("/booking/today")
    assert "Off the road" in text_of(page)
    assert f'href="/assignment/{made}/start"' not in page.text


@pytest.mark.parametrize(("length", "section"), [(hours(5), "Coming back 1"), (hours(1), "Late 1")])
def test_today_lists_own_vehicles_that_come_back_or_are_late(
    world: World, as_company: FlaskClient, length: timedelta, section: str
) -> None:
    made = given(world, -hours(0.5), length, out=True)
    with clock.standing_at(NOON + hours(2)):
        make.sign_in(as_company, world.company_admin)
        page = as_company.get("/booking/today")
        assert section in text_of(page)
        assert f'href="/assignment/{made}/complete"' in page.text
        assert "1 of your own at the moment" in text_of(page)
        assert "Own vehicles out" in text_of(as_company.get("/figures"))


def test_a_vendor_sees_nothing_of_them(world: World, as_vendor: FlaskClient) -> None:
    given(world, -hours(0.5), hours(5), out=True)
    assert "Own vehicle" not in text_of(as_vendor.get("/booking/today"))


def test_who_had_it_tells_when_an_own_vehicle_was_really_handed_over_and_returned(
    world: World, as_company: FlaskClient
) -> None:
    made = given(world, hours(0), hours(5), out=True)
    plate = fleet.get_vehicle(world.own_vehicle).license_plate
    asked = f"/fleet/who-had-it?plate={plate}&at=2026-11-16T12:40"
    with clock.standing_at(NOON + hours(1)):
        make.sign_in(as_company, world.company_admin)
        out = text_of(as_company.get(asked))
        assert "16 Nov 2026, 12:30 CET Still has it" in out
    with world.acting(world.employee, NOON + hours(3)):
        assignments.complete_assignment(made, 10_100, 40)
    with clock.standing_at(NOON + hours(4)):
        make.sign_in(as_company, world.company_admin)
        assert "16 Nov 2026, 12:30 CET 16 Nov 2026, 16:00 CET" in text_of(as_company.get(asked))


def test_today_offers_no_handover_of_an_own_vehicle_that_is_still_out(world: World, as_company: FlaskClient) -> None:
    given(world, -hours(0.5), hours(2), out=True)
    following = world.direct(world.colleague, start=NOON + hours(2), end=NOON + hours(4))
    with world.acting(world.colleague):
        assignments.accept_assignment(following.id)
    with clock.standing_at(NOON + hours(2)):
        make.sign_in(as_company, world.company_admin)
        page = as_company.get("/booking/today")
    assert "Vehicle still out" in text_of(page)
    assert f'href="/assignment/{following.id}/start"' not in page.text
