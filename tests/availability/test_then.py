"""The calendar as it stood at a moment, compared with what was seen live at that moment."""

import re
from datetime import datetime, timedelta

import pytest
from flask_migrate import downgrade, upgrade
from sqlalchemy import select

from karokar.availability import queries
from karokar.availability.models import AvailabilityBlock
from karokar.booking import actions as bookings
from karokar.booking import queries as booking_queries
from karokar.config import PROJECT
from karokar.fleet import actions as fleet
from karokar.fleet import queries as fleet_queries
from karokar.kernel import clock
from karokar.kernel.actor import acting_as
from karokar.kernel.db import Base, db
from tests.factories import booking as make
from tests.factories.booking import NOON, hours
from tests.factories.browsing import text_of

START, END = NOON - timedelta(days=2), NOON + timedelta(days=12)


class Album:
    """What was seen of the calendar, each time after everything was delivered: blocks, requests and open conflicts."""

    def __init__(self, world) -> None:
        self.world = world
        self.seen: dict[datetime, object] = {}

    def take(self, at: datetime) -> None:
        self.world.deliver(at)
        self.seen[at] = self.look()

    def look(self, at: datetime | None = None) -> object:
        world = self.world
        vehicles = [world.vehicle, world.own_vehicle]
        with acting_as(world.vendor_admin):
            blocks = queries.blocks(vehicles, START, END, at=at)
            return (
                # By when it ended a block is held against late returns; what is shown are its kind and times.
                {of: sorted((b.id, b.kind, b.start, b.end) for b in found) for of, found in blocks.items()},
                [row.id for row in booking_queries.requests_in_period(vehicles, START, END, at=at)],
                sorted(one.id for one in queries.open_conflicts(vehicle_ids=vehicles, at=at)),
                queries.vehicles_of_company(world.company, START, END, at=at),
                booking_queries.vehicles_requested_by(world.company, START, END, at=at),
            )


@pytest.fixture
def album(any_app):
    """A fortnight in which everything that can happen to a calendar happens, seen after every step."""
    world = make.make_world(buffer_minutes=30)
    for kind in ("VEHICLE_REGISTRATION", "VEHICLE_INSURANCE", "VEHICLE_FITNESS"):
        make.verified("Vehicle", world.vehicle, world.vendor, kind)
    album, at = Album(world), NOON
    album.take(at - hours(1))
    running = world.accepted()
    refused = world.requested(start=world.end + hours(30), end=world.end + hours(36))
    lapsing = world.requested(start=world.end + hours(40), end=world.end + hours(44))
    album.take(at := at + hours(1))
    with world.acting(world.vendor_admin, at := at + hours(1)):
        bookings.reject_booking(refused.id, "OTHER", "Not possible")
    album.take(at)
    with world.acting(world.vendor_admin, at := at + hours(1)):
        window = fleet.schedule_maintenance(
            world.vehicle, kind="TYRES", start=world.start + hours(2), end=world.end + hours(4)
        )
    album.take(at)
    with world.acting(world.vendor_admin, at := at + hours(1)):
        version = fleet_queries.get_window(window).version
        fleet.change_maintenance(
            window, version=version, kind="TYRES", start=world.end + hours(2), end=world.end + hours(9)
        )
    album.take(at)
    with world.acting(world.company_admin, at := at + hours(1)):
        bookings.cancel_booking(lapsing.id, "PLANS_CHANGED", "Not needed")
    album.take(at)
    with world.acting(world.vendor_admin, at := running.start):
        bookings.activate_booking(running.id, 10_000, 100)
    album.take(at)
    with world.acting(world.vendor_admin, at := at + hours(3)):
        # Written down an hour after the vehicle was back.
        bookings.complete_booking(running.id, 10_050, 60, returned_at=at - hours(1))
    album.take(at)
    with world.acting(world.vendor_admin, at := at + hours(1)):
        fleet.suspend_vehicle(world.vehicle, reason="DAMAGE")
    album.take(at)
    with world.acting(world.vendor_admin, at := at + hours(5)):
        fleet.activate_vehicle(world.vehicle)
    album.take(at)
    with world.acting(world.vendor_admin, at := at + hours(1)):
        fleet.cancel_maintenance(window, reason="Not needed")
    album.take(at)
    return album


def test_the_calendar_of_every_moment_is_the_one_that_was_seen_then(album):
    assert len({repr(seen) for seen in album.seen.values()}) == len(album.seen), "Each step is to be seen."
    for at, seen in album.seen.items():
        assert album.look(at) == seen, at
        assert album.look(at + timedelta(minutes=59)) == seen, at


def test_the_columns_that_tell_it_are_filled_from_the_recorded_facts_for_older_databases(album):
    def told():
        db.session.rollback()
        found = []
        for table in (AvailabilityBlock.__table__, Base.metadata.tables["bookings"]):
            rows = db.session.execute(select(table).order_by(table.c.id)).mappings()
            found += [dict(row) for row in rows]
        return found

    before = told()
    db.session.remove()
    downgrade(directory=str(PROJECT / "migrations"), revision="0015_other_company")
    upgrade(directory=str(PROJECT / "migrations"))
    assert told() == before


def test_the_page_shows_a_moment_read_only_and_says_so(album, any_client):
    first, *_, last = album.seen
    make.sign_in(any_client, album.world.vendor_admin)
    on = f"{album.world.start:%Y-%m-%d}"
    moments = list(album.seen)
    with clock.standing_at(last + hours(1)):
        then = any_client.get(f"/availability/timeline?on={on}&as_of={moments[3]:%Y-%m-%dT%H:%M:%SZ}")
        assert "As it was planned on" in text_of(then)
        assert text_of(then).count("Conflict: ") >= 1
        assert "Maintenance" in text_of(then)
        assert "/maintenance/new" not in then.text
        assert "As it was planned on" not in text_of(any_client.get(f"/availability/timeline?on={on}"))
        empty = text_of(any_client.get(f"/availability/timeline?on={on}&as_of={first:%Y-%m-%dT%H:%M:%SZ}"))
        assert "reserved" not in empty
        plate = fleet_queries.get_vehicle(album.world.vehicle).license_plate
        before_the_vehicle = first - timedelta(days=10)
        assert plate not in text_of(
            any_client.get(f"/availability/timeline?as_of={before_the_vehicle:%Y-%m-%dT%H:%M:%SZ}")
        )


@pytest.mark.parametrize(
    ("asked", "said"), [("never", "no time that can be understood"), ("2199-01-01T10:00", "still to come")]
)
def test_a_moment_that_is_none_shows_the_calendar_of_now_and_says_why(album, any_client, asked, said):
    make.sign_in(any_client, album.world.vendor_admin)
    with clock.standing_at(max(album.seen)):
        answer = any_client.get(f"/availability/timeline?as_of={asked}")
        assert answer.status_code == 200
        assert said in text_of(answer)
        assert "As it was planned on" not in text_of(answer)


def test_filtering_and_choosing_a_moment_leave_the_rest_of_the_address_alone(album, any_client):
    make.sign_in(any_client, album.world.vendor_admin)
    with clock.standing_at(max(album.seen)):
        page = any_client.get("/availability/timeline?span=month&on=2026-11-16&as_of=2026-11-17T10:00&city=Berlin").text
    forms = re.findall(r'<form method="get" class="kk-filters.*?</form>', page, flags=re.DOTALL)
    sent = [dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', form)) for form in forms]
    assert {"span": "month", "on": "2026-11-16", "as_of": "2026-11-17T10:00"} in sent
    assert {"span": "month", "on": "2026-11-16", "city": "Berlin"} in sent


def test_a_conflict_leads_to_the_calendar_in_which_it_was_found(any_app, any_client):
    world = make.make_world()
    booking = world.approved()
    with world.acting(world.vendor_admin):
        window = fleet.schedule_maintenance(world.vehicle, kind="REPAIR", start=booking.start, end=booking.end)
    world.deliver()
    with world.acting(world.vendor_admin, NOON + hours(1)):
        fleet.cancel_maintenance(window, reason="Not needed")
    world.deliver(NOON + hours(1))
    make.sign_in(any_client, world.vendor_admin)
    with acting_as(world.vendor_admin):
        (conflict,) = queries.list_conflicts().rows
    with clock.standing_at(NOON + hours(2)):
        page = any_client.get(f"/availability/conflicts/{conflict.id}").text
        link = re.search(r'href="(/availability/timeline\?[^"]*as_of=[^"]+)"', page)[1].replace("&amp;", "&")
        assert "Conflict: " in text_of(any_client.get(link))
