"""Facts that come again change nothing, in whichever part: the calendar remembers what it has applied."""

import pytest
from sqlalchemy import select

from karokar.assignment import actions as assignments
from karokar.availability.handlers import REACTIONS, keep_calendar
from karokar.availability.models import AvailabilityBlock
from karokar.booking import actions as bookings
from karokar.events.base import Envelope
from karokar.events.contracts import codec
from karokar.fleet import actions as fleet
from karokar.fleet import queries as fleet_queries
from karokar.kernel.db import Base, db, transaction
from tests.factories import booking as make
from tests.factories.booking import hours


def blocks():
    db.session.rollback()
    columns = AvailabilityBlock.__table__.columns
    rows = db.session.execute(select(*columns).order_by(columns.id)).all()
    return [tuple(row) for row in rows]


def recorded():
    """Every recorded fact of the calendar, in order, as handlers are given it."""
    db.session.rollback()
    events = Base.metadata.tables["events"]
    wanted = [event.event_type for event in REACTIONS]
    columns = [column for column in events.columns if column.name != "xid"]  # PostgreSQL alone has it
    rows = db.session.execute(select(*columns).where(events.c.event_type.in_(wanted)).order_by(events.c.id)).all()
    return [
        Envelope(
            position=row.id,
            event_id=row.event_id,
            event=codec.decode(row.event_type, row.version, row.payload),
            aggregate_type=row.aggregate_type,
            aggregate_id=row.aggregate_id,
            aggregate_seq=row.aggregate_seq,
            occurred_at=row.occurred_at,
        )
        for row in rows
    ]


@pytest.fixture
def busy_life(any_app):
    """Bookings, assignments, maintenance and suspensions, ended in every way and still going on."""
    world = make.make_world(buffer_minutes=30)
    for kind in ("VEHICLE_REGISTRATION", "VEHICLE_INSURANCE", "VEHICLE_FITNESS"):
        make.verified("Vehicle", world.vehicle, world.vendor, kind)
    running = world.active()
    with world.acting(world.vendor_admin):
        window_id = fleet.schedule_maintenance(
            world.vehicle, kind="TYRES", start=world.end + hours(1), end=world.end + hours(4)
        )
    cancelled = world.approved(start=world.end + hours(5), end=world.end + hours(9))
    with world.acting(world.company_admin):
        bookings.cancel_booking(cancelled.id, "PLANS_CHANGED", "Not needed")
    with world.acting(world.vendor_admin):
        version = fleet_queries.get_window(window_id).version
        fleet.change_maintenance(
            window_id, version=version, kind="TYRES", start=world.end + hours(2), end=world.end + hours(9)
        )
    with world.acting(world.vendor_admin, world.start + hours(3)):
        bookings.complete_booking(running.id, 10_050, 60)
        fleet.suspend_vehicle(world.vehicle, reason="DAMAGE")
    with world.acting(world.platform_admin, world.start + hours(4)):
        fleet.suspend_vehicle(world.vehicle, reason="UNSAFE")
    with world.acting(world.platform_admin, world.start + hours(5)):
        fleet.activate_vehicle(world.vehicle)
    direct = world.direct(start=world.end + hours(20), end=None)
    with world.acting(world.company_admin):
        assignments.close_assignment(direct.id, "OTHER")
    world.direct(to=world.colleague, start=world.end + hours(30), end=None)
    world.deliver(world.end)
    return world


def test_delivering_everything_again_changes_nothing(busy_life):
    before = blocks()
    assert len(before) == 7
    with transaction():
        for envelope in recorded():
            keep_calendar(envelope)
    assert blocks() == before


def test_any_single_fact_that_comes_again_changes_nothing(busy_life):
    before = blocks()
    for envelope in recorded():
        with transaction():
            keep_calendar(envelope)
        assert blocks() == before, envelope.event


def test_a_calendar_built_anew_is_identical(busy_life):
    before = blocks()
    with transaction() as session:
        session.execute(AvailabilityBlock.__table__.delete())
    with transaction():
        for envelope in recorded():
            keep_calendar(envelope)
    assert blocks() == before
