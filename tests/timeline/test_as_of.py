"""Any history, replayed from the recorded changes, gives at each of its moments what was there at that moment."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from karokar.booking import actions as bookings
from karokar.booking.models import Booking
from karokar.kernel.actor import SYSTEM
from karokar.kernel.db import db, primitive
from karokar.kernel.errors import DomainError
from karokar.outbox.reading.timeline import state_then
from tests.factories.booking import NOON, World, make_world

STEPS = ("edit", "submit", "approve", "reject", "assign", "reassign", "cancel")


def snapshot(booking_id: UUID) -> dict[str, Any]:
    """Every recorded column of the booking as it is now."""
    db.session.rollback()
    row = db.session.get(Booking, booking_id)
    assert row is not None
    columns = Booking.__table__.columns
    kept = [column.key for column in columns if not column.info.get("untracked") and not column.info.get("personal")]
    # An empty text is nothing.
    return {name: primitive(getattr(row, name)) if getattr(row, name) != "" else None for name in kept}


def do(world: World, step: str, booking_id: UUID, number: int) -> None:
    who = world.vendor_admin if step in {"approve", "reject"} else world.company_admin
    with world.acting(who, NOON + timedelta(minutes=number)):
        if step == "edit":
            bookings.edit_booking(
                booking_id, start=world.start, end=world.end + timedelta(hours=number), purpose=f"Purpose {number}"
            )
        elif step == "submit":
            bookings.submit_booking(booking_id)
        elif step == "approve":
            bookings.approve_booking(booking_id)
        elif step == "reject":
            bookings.reject_booking(booking_id, "ALREADY_PROMISED", "")
        elif step in {"assign", "reassign"}:
            someone = world.employee if step == "assign" else world.colleague
            bookings.assign_booking(booking_id, someone.user_id)
        else:
            bookings.cancel_booking(booking_id, "PLANS_CHANGED", f"Note {number}")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(STEPS), min_size=3, max_size=9))
def test_the_state_at_any_moment_is_what_was_seen_at_that_moment(app: Flask, steps: list[str]):
    world = make_world()
    made = world.drafted()
    booking_id = made.id
    live: list[tuple[datetime, dict[str, Any]]] = [(NOON, snapshot(booking_id))]
    for number, step in enumerate(steps, start=1):
        try:
            do(world, step, booking_id, number)
        except DomainError:
            db.session.rollback()
            continue
        live.append((NOON + timedelta(minutes=number), snapshot(booking_id)))
    for at, seen in live:
        then = state_then("Booking", booking_id, SYSTEM, at + timedelta(seconds=1))
        assert then is not None
        assert {name: then.fields.get(name) for name in seen} == seen
    assert state_then("Booking", booking_id, SYSTEM, NOON - timedelta(days=1)) is None
