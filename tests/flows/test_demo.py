"""The example data tells the whole story, through the real actions and the real delivery."""

from flask import Flask
from sqlalchemy import func, select

from karokar.assignment.models import Assignment
from karokar.booking.models import Booking
from karokar.booking.rules import Status
from karokar.fleet.models import Vehicle
from karokar.identity.models import User
from karokar.kernel.db import db
from karokar.organization.models import Organization
from karokar.outbox.models import DeferredDelivery


def test_the_example_shows_a_booking_in_every_state_and_loading_it_again_changes_nothing(any_app: Flask):
    command = any_app.test_cli_runner().invoke
    loaded = command(args=["demo", "load"])
    assert "is loaded" in loaded.output
    assert set(db.session.scalars(select(Booking.status))) == {status.value for status in Status}
    assert db.session.scalar(select(func.count()).select_from(Vehicle)) == 12
    assert set(db.session.scalars(select(Organization.type))) == {"PLATFORM", "VENDOR", "CORPORATE"}
    assert {"PENDING", "ACCEPTED", "ACTIVE", "COMPLETED", "CLOSED"} <= set(
        db.session.scalars(select(Assignment.status))
    )
    assert db.session.scalars(select(DeferredDelivery)).all() == []
    people = db.session.scalar(select(func.count()).select_from(User))
    db.session.rollback()
    assert "was not loaded" in command(args=["demo", "load"]).output
    assert db.session.scalar(select(func.count()).select_from(User)) == people
