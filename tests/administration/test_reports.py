"""Reports are counted from events alone, once each, and each side reads its own."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from karokar.administration import handlers
from karokar.administration.models import DailyFact
from karokar.administration.queries import reports
from karokar.administration.queries.reports import Period
from karokar.events import assignment, booking, fleet
from karokar.events.base import Envelope
from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope, acting_as
from karokar.kernel.db import db, transaction
from karokar.kernel.ids import new_id

MONDAY = datetime(2026, 11, 16, 9, tzinfo=UTC)
PERIOD = Period(date(2026, 11, 16), date(2026, 11, 22))
VENDOR, CORPORATE, CAR = new_id(), new_id(), new_id()


def told(event, at, seq=1) -> Envelope:
    return Envelope(1, new_id(), event, event.aggregate_type, event.aggregate_id, seq, at, {})


def facts(**changes):
    return {
        "booking_id": new_id(),
        "reference": "B-4K7-29F",
        "vehicle_id": CAR,
        "vendor_organization_id": VENDOR,
        "corporate_organization_id": CORPORATE,
        "requested_by": new_id(),
        "start": MONDAY + timedelta(days=1),
        "end": MONDAY + timedelta(days=1, hours=10),
        **changes,
    }


def car(seq=1, at=MONDAY, **changes):
    values = {
        "vehicle_id": CAR,
        "organization_id": VENDOR,
        "ownership_type": "VENDOR_OWNED",
        "make": "Maruti",
        "model": "Ertiga",
        "year": 2024,
        "license_plate": "MH12AB1234",
        "category": "MPV",
        "seats": 7,
        "city": "Pune",
    }
    return told(fleet.VehicleCreated(**{**values, **changes}), at, seq)


def hear(envelope: Envelope) -> None:
    is_use = isinstance(envelope.event, booking.BookingActivated | booking.BookingCompleted)
    (handlers.know_use if is_use else handlers.count_day)(envelope)


def viewer(organization=VENDOR, scope=Scope.OWN) -> Actor:
    return Actor(user_id=new_id(), organization_id=organization, permissions={"report.read": scope})


@pytest.fixture
def history(any_app):
    """A vehicle, a booking that ran from Tuesday noon to Wednesday noon, a rejection, a request nobody answered."""
    used = facts()
    told_ones = [
        told(booking.BookingRequested(**used), MONDAY),
        told(booking.BookingApproved(**used, held_until=used["end"]), MONDAY + timedelta(hours=3), 2),
        told(
            booking.BookingActivated(
                **used, activated_at=MONDAY + timedelta(days=1, hours=3), odometer=10, fuel_percent=50
            ),
            MONDAY + timedelta(days=1, hours=3),
            3,
        ),
        told(
            booking.BookingCompleted(
                **used, actual_end=MONDAY + timedelta(days=2, hours=3), odometer=90, fuel_percent=40
            ),
            MONDAY + timedelta(days=2, hours=3),
            4,
        ),
    ]
    refused = facts()
    told_ones += [
        told(booking.BookingRequested(**refused), MONDAY),
        told(booking.BookingRejected(**refused, reason="MAINTENANCE"), MONDAY + timedelta(hours=1), 2),
    ]
    lost = facts()
    told_ones += [
        told(booking.BookingRequested(**lost), MONDAY),
        told(
            booking.BookingCancelled(**lost, reason="UNANSWERED", cancelled_at=MONDAY, former_status="REQUESTED"),
            MONDAY + timedelta(days=1),
            2,
        ),
    ]
    with transaction():
        handlers.know_vehicle(car())
        for envelope in told_ones:
            hear(envelope)
    with clock.standing_at(MONDAY + timedelta(days=30)):
        yield told_ones


@pytest.mark.parametrize(("first", "last", "hours"), [(16, 22, 24.0), (17, 17, 12.0), (18, 18, 12.0), (19, 22, 0.0)])
def test_use_is_counted_on_the_days_on_which_the_vehicle_was_out(history, first, last, hours):
    with acting_as(viewer()):
        assert reports.totals(Period(date(2026, 11, first), date(2026, 11, last))).used_h == hours


def test_days_are_those_of_the_organizations_zone(history):
    kolkata = Period(date(2026, 11, 17), date(2026, 11, 17), ZoneInfo("Asia/Kolkata"))
    with acting_as(viewer()):
        assert reports.totals(kolkata).used_h == 6.5, "Out since 17:30 there."


def test_what_is_out_now_counts_until_now(any_app):
    with transaction():
        handlers.know_vehicle(car())
        handlers.know_use(
            told(booking.BookingActivated(**facts(), activated_at=MONDAY, odometer=1, fuel_percent=1), MONDAY)
        )
    with acting_as(viewer()), clock.standing_at(MONDAY + timedelta(hours=5)):
        (row,) = reports.utilisation_by_vehicle(PERIOD)
        assert (row.used_h, row.there_h, row.percent) == (5.0, 5.0, 100.0)
    with acting_as(viewer()), clock.standing_at(MONDAY + timedelta(days=60)):
        assert reports.totals(Period(PERIOD.first, PERIOD.first)).used_h == 15.0, "To the end of the period."


def test_own_vehicles_count_when_they_are_assigned_directly(any_app):
    given = {
        "assignment_id": new_id(),
        "vehicle_id": CAR,
        "corporate_organization_id": CORPORATE,
        "employee_id": new_id(),
        "start": MONDAY,
    }
    begun = told(assignment.AssignmentActivated(**given, activated_at=MONDAY), MONDAY)
    back = MONDAY + timedelta(hours=8)
    with transaction():
        handlers.know_vehicle(car(organization_id=CORPORATE, ownership_type="CORPORATE_OWNED"))
        for envelope in (begun, told(assignment.AssignmentCompleted(**given, actual_end=back), back, 2), begun):
            handlers.know_use(envelope)
    with clock.standing_at(MONDAY + timedelta(days=30)):
        with acting_as(viewer(CORPORATE)):
            (row,) = reports.utilisation_by_vehicle(PERIOD)
            assert row.used_h == 8.0
        with acting_as(viewer(VENDOR)):
            assert reports.totals(PERIOD).used_h == 0.0


def test_utilisation_is_hours_used_of_hours_there(history):
    with acting_as(viewer()):
        (row,) = reports.utilisation_by_vehicle(PERIOD)
    assert (row.label, row.used_h, row.there_h) == ("Maruti Ertiga · MH12AB1234", 24.0, 7 * 24 - 9)
    assert reports.by_category([row], str)[0].percent == row.percent


def test_the_time_to_decide_runs_from_the_request(history):
    with acting_as(viewer()):
        (week,) = reports.decision_times(PERIOD)
    assert (week.label, week.count, week.average_h, week.longest_h) == ("16 Nov", 2, 2.0, 3.0)


def test_rejections_and_unmet_demand_have_reasons(history):
    with acting_as(viewer()):
        assert [(row.label, row.count) for row in reports.rejections_by_reason(PERIOD)] == [("Maintenance", 1)]
        found = {row.label: row.hours for row in reports.unmet_by_reason(PERIOD)}
    assert found == {"Maintenance": 10.0, "Unanswered": 10.0}


def test_hearing_everything_again_changes_nothing(history):
    before = db.session.scalars(select(DailyFact.id).order_by(DailyFact.id)).all()
    with transaction():
        handlers.know_vehicle(car())
        for envelope in history:
            hear(envelope)
    assert db.session.scalars(select(DailyFact.id).order_by(DailyFact.id)).all() == before


def test_an_older_fact_about_a_vehicle_does_not_undo_a_newer_one(history):
    with transaction():
        handlers.know_vehicle(car(seq=3, category="SUV"))
        handlers.know_vehicle(car(seq=2, category="SEDAN"))
    with acting_as(viewer()):
        assert reports.utilisation_by_vehicle(PERIOD)[0].category == "SUV"


@pytest.mark.parametrize(
    ("actor", "requested"),
    [
        (viewer(VENDOR), 3),
        (viewer(CORPORATE), 3),
        (viewer(new_id()), 0),
        (viewer(new_id(), Scope.ALL), 3),
        (Actor(user_id=new_id(), organization_id=VENDOR), 0),
    ],
    ids=["vendor", "corporate", "stranger", "platform", "without permission"],
)
def test_each_side_reads_its_own_and_the_platform_each_booking_once(history, actor, requested):
    with acting_as(actor):
        assert reports.totals(PERIOD).requested == requested


def test_a_period_is_never_the_wrong_way_round_nor_longer_than_a_year():
    assert Period.of(date(2026, 2, 1), date(2026, 1, 1)) == Period(date(2026, 1, 1), date(2026, 2, 1))
    assert Period.of(date(2020, 1, 1), date(2026, 1, 1)).days == 366
