"""A projection's rows are what its events tell: checked without touching them, and made so."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, text, update

from karokar.availability import actions as availability
from karokar.availability import queries
from karokar.availability.models import AvailabilityBlock, AvailabilityConflict
from karokar.booking.models import Booking
from karokar.events.handlers import HANDLERS
from karokar.fleet import actions as fleet
from karokar.kernel import clock
from karokar.kernel.db import db, transaction
from karokar.kernel.ids import new_id
from karokar.outbox.models import EventRow
from karokar.outbox.monitoring.verify import verify
from tests.factories import booking as make
from tests.factories.booking import World

CALENDAR = "availability.keep_calendar"


@pytest.fixture
def world(any_app) -> World:
    """A booked vehicle whose conflict somebody has decided about, another that is free, and one that is out."""
    made = make.make_world()
    held = made.approved()
    with made.acting(made.vendor_admin):
        fleet.schedule_maintenance(made.vehicle, kind="REPAIR", start=held.start, end=held.end)
    made.deliver()
    with made.acting(made.vendor_admin):
        (conflict,) = queries.list_conflicts().rows
        availability.resolve_conflict(conflict.id, note="The workshop comes to us")
    made.active(
        vehicle_id=make.vehicle(made.vendor), start=made.start + timedelta(days=5), end=made.end + timedelta(days=5)
    )
    made.direct()
    made.deliver()
    db.session.rollback()
    return made


@pytest.fixture
def shell(any_app):
    def call(*args: str) -> tuple[int, str]:
        db.session.rollback()
        result = any_app.test_cli_runner().invoke(args=["events", "rebuild", *args])
        db.session.rollback()
        return result.exit_code, result.output

    return call


def rows_of(name: str) -> list[Any]:
    """All rows that the handler keeps, as they are."""
    db.session.rollback()
    found = [
        tuple(row)
        for column in HANDLERS[name].keeps
        for row in db.session.execute(select(column.property.columns[0].table))
    ]
    db.session.rollback()
    return sorted(found, key=str)


def spoil_blocks() -> None:
    """One row wrong, one missing, one that no event told of."""
    with transaction() as session:
        first, second = session.scalars(select(AvailabilityBlock).order_by(AvailabilityBlock.id).limit(2))
        session.execute(update(AvailabilityBlock).where(AvailabilityBlock.id == first.id).values(kind="SUSPENDED"))
        values = {column.name: getattr(second, column.name) for column in AvailabilityBlock.__table__.columns}
        session.execute(AvailabilityBlock.__table__.delete().where(AvailabilityBlock.id == second.id))
        session.execute(AvailabilityBlock.__table__.insert().values(**values | {"id": new_id()}))


def test_there_are_projections_that_can_be_rebuilt(app):
    assert CALENDAR in (name for name, handler in HANDLERS.items() if handler.keeps)


def test_what_was_kept_day_by_day_is_what_the_events_tell(world, shell):
    for name in (name for name, handler in HANDLERS.items() if handler.keeps):
        status, said = shell(name, "--check")
        assert (status, said.splitlines()[-1].split("; ")[1]) == (0, "no rows would change."), said


def test_rows_that_are_wrong_missing_or_too_many_are_found_and_corrected(world, shell):
    right = rows_of(CALENDAR)
    spoil_blocks()
    spoiled = rows_of(CALENDAR)
    status, said = shell(CALENDAR, "--check")
    assert status == 1
    for how in ("1 missing", "1 wrong", "1 too many"):
        assert f"availability_blocks: {how}" in said
    assert "3 rows would change." in said
    assert rows_of(CALENDAR) == spoiled != right
    assert shell(CALENDAR, "--apply")[0] == 0
    assert rows_of(CALENDAR) == right
    assert shell(CALENDAR, "--check")[0] == 0
    assert verify().problems == {}


def test_what_people_decided_about_conflicts_survives_a_rebuild(world, shell):
    def conflicts():
        db.session.rollback()
        found = db.session.execute(select(AvailabilityConflict.__table__)).all()
        db.session.rollback()
        return found

    before, told = conflicts(), events_told()
    with transaction() as session:
        session.execute(text("delete from availability_blocks"))
    assert shell(CALENDAR, "--apply")[0] == 0
    with clock.standing_at(make.NOON):
        availability.review_stale_calendars()
    world.deliver()
    assert [row.note for row in before] == ["The workshop comes to us"]
    assert conflicts() == before
    assert events_told() == told


def events_told() -> int:
    db.session.rollback()
    return len(db.session.scalars(select(EventRow.id)).all())


def test_a_check_holds_up_neither_writers_nor_deliveries(world, shell, any_app, monkeypatch):
    """In the middle of a check somebody books, and the calendar follows; the check sees neither."""
    done: list[Any] = []

    def book_and_deliver() -> None:
        with any_app.app_context():
            done.append(
                world.approved(
                    vehicle_id=world.vehicle, start=world.start + timedelta(days=20), end=world.end + timedelta(days=20)
                ).id
            )
            world.deliver()

    def poll(conn, cursor, statement, *_rest) -> None:
        if not done and "INSERT INTO availability_blocks" in statement:
            done.append(None)
            other = threading.Thread(target=book_and_deliver)
            other.start()
            other.join(20)
            assert not other.is_alive(), "somebody waits for the check"

    event.listen(db.engine, "after_cursor_execute", poll)
    try:
        assert shell(CALENDAR, "--check")[0] == 0
    finally:
        event.remove(db.engine, "after_cursor_execute", poll)
    assert len(done) == 2
    db.session.rollback()
    assert db.session.get_one(Booking, done[1]).status == "APPROVED"
    assert shell(CALENDAR, "--check")[0] == 0
