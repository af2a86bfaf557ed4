"""How long a booking may be, when it has to end, and what a page shows of a long calendar."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from karokar.booking import actions
from karokar.booking.rules import new_reference
from karokar.fleet import actions as fleet
from karokar.kernel import clock
from karokar.kernel.errors import RuleBroken
from tests.factories import booking as make
from tests.factories.booking import NOON, World, hours
from tests.factories.browsing import send, text_of


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def sent_long_ago(world: World, **given: Any) -> UUID:
    """A request that was sent when there were no limits."""
    values = {"start": world.start, "end": world.end, "vehicle_id": world.vehicle, "submitted_at": NOON} | given
    return make.put(
        "bookings", reference=new_reference(), place="Berlin", place_time_zone="Europe/Berlin",
        vendor_organization_id=world.vendor, corporate_organization_id=world.company,
        requested_by=world.company_admin.user_id, round=0, status="REQUESTED", purpose="", note="", **values,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        (NOON + timedelta(days=60), NOON + timedelta(days=427), "A booking lasts 366 days at most"),
        (NOON - minutes(50), NOON - minutes(20), "The end has passed"),
        (NOON - minutes(50), NOON, "The end has passed"),
    ],
)
def test_a_request_beyond_the_limits_is_not_sent(
    world: World, client: FlaskClient, start: datetime, end: datetime, says: str
) -> None:
    with clock.standing_at(NOON):
        make.sign_in(client, world.company_admin)
        local = {
            "start": (start + hours(1)).strftime("%Y-%m-%dT%H:%M"),
            "end": (end + hours(1)).strftime("%Y-%m-%dT%H:%M"),
        }
        answer = send(client, f"/booking/new?vehicle_id={world.vehicle}", do="send", **local)
    assert answer.status_code == 422
    assert says in text_of(answer)
    assert make.db.session.scalar(make.select(make.Booking.id)) is None


def test_a_year_and_a_day_is_not_too_long_and_what_ends_in_a_minute_is_not_over(world: World) -> None:
    assert world.requested(end=world.start + timedelta(days=366)).status == "REQUESTED"
    assert world.requested(start=NOON - minutes(50), end=NOON + minutes(1)).status == "REQUESTED"


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [(NOON - minutes(50), NOON - minutes(20), "END_PASSED"), (NOON, NOON + timedelta(days=26_000), "PERIOD_TOO_LONG")],
)
def test_what_is_over_or_too_long_is_not_approved_and_the_page_says_so(
    world: World, client: FlaskClient, start: datetime, end: datetime, code: str
) -> None:
    made = sent_long_ago(world, start=start, end=end)
    with world.acting(world.vendor_admin):
        make.sign_in(client, world.vendor_admin)
        page = client.get(f"/booking/{made}/decide")
        with pytest.raises(RuleBroken) as refusal:
            actions.approve_booking(made)
    assert refusal.value.code == code
    assert refusal.value.sentence in text_of(page)
    assert f'action="/booking/{made}/approve"' not in page.text


def test_the_decision_page_shows_an_extract_of_a_long_and_busy_time(world: World, client: FlaskClient) -> None:
    made = sent_long_ago(world, end=world.start + timedelta(days=26_000))
    for number in range(100):
        start = world.start + hours(2 * number)
        sent_long_ago(world, start=start, end=start + hours(30))
    with clock.standing_at(NOON):
        make.sign_in(client, world.vendor_admin)
        page = client.get(f"/booking/{made}/decide")
    assert len(page.data) < 150_000
    assert "These are the first days of the period." in text_of(page)


def test_all_who_lose_are_counted_and_rejected_although_only_the_first_are_named(
    world: World, client: FlaskClient
) -> None:
    made = world.requested()
    others = [sent_long_ago(world) for _ in range(40)]
    with clock.standing_at(NOON):
        make.sign_in(client, world.vendor_admin)
        page = text_of(client.get(f"/booking/{made.id}/decide"))
    assert "40 other requests want the vehicle in this period" in page
    assert "and 10 more" in page
    with world.acting(world.vendor_admin):
        actions.approve_booking(made.id, reject_overlapping=True, reason="ALREADY_PROMISED", note="Sorry")
    assert {make.booking(one).status for one in others} == {"REJECTED"}


def test_maintenance_ends_ahead(world: World) -> None:
    with world.acting(world.vendor_admin):
        with pytest.raises(RuleBroken, match="END_IN_THE_PAST"):
            fleet.schedule_maintenance(world.vehicle, kind="SERVICE", start=NOON - hours(5), end=NOON)
        window = fleet.schedule_maintenance(world.vehicle, kind="SERVICE", start=NOON - hours(5), end=NOON + hours(1))
        with pytest.raises(RuleBroken, match="END_IN_THE_PAST"):
            fleet.change_maintenance(window, version=1, kind="SERVICE", start=NOON - hours(5), end=NOON - hours(1))


def test_an_assignment_ends_ahead(world: World) -> None:
    with pytest.raises(RuleBroken, match="END_PASSED"):
        world.direct(start=NOON - minutes(50), end=NOON - minutes(20))
    assert world.direct(start=NOON - minutes(50), end=NOON + minutes(20)).status == "PENDING"


def test_a_search_over_more_than_can_be_booked_is_told(world: World, client: FlaskClient) -> None:
    make.sign_in(client, world.company_admin)
    answer = client.get("/availability/?start=2027-01-01T09:00&end=2099-01-01T09:00")
    assert answer.status_code == 422
    assert "Choose a time within 366 days" in text_of(answer)


# --- minutes ------------------------------------------------------------------------------------------------------


def test_a_vehicle_comes_back_in_the_minute_in_which_it_went_out(world: World, client: FlaskClient) -> None:
    made = world.accepted()
    out = world.start + timedelta(seconds=40)
    with world.acting(world.vendor_admin, out):
        actions.activate_booking(made.id, 10_000, 100)
    with clock.standing_at(out + timedelta(minutes=10)):
        make.sign_in(client, world.vendor_admin)
        typed = (world.start + hours(1)).strftime("%Y-%m-%dT%H:%M")
        answer = send(client, f"/booking/{made.id}/complete", odometer="10001", fuel_percent="99", returned_at=typed)
    assert answer.status_code == 303, text_of(answer)
    assert make.booking(made.id).actual_end == out


def test_the_minute_before_the_handover_is_too_early_for_a_return(world: World) -> None:
    made = world.active()
    with world.acting(world.vendor_admin, world.end), pytest.raises(RuleBroken, match="RETURN_TIME_INVALID"):
        actions.complete_booking(made.id, 10_001, 99, returned_at=world.start - minutes(1))


def test_an_hour_ago_is_an_hour_ago_until_the_minute_is_over(world: World) -> None:
    made = world.drafted(start=NOON - hours(1), end=NOON + hours(1))
    with world.acting(world.company_admin, NOON + timedelta(seconds=59)):
        assert actions.submit_booking(made.id).status == "REQUESTED"
    with pytest.raises(RuleBroken, match="START_PASSED"), world.acting(world.company_admin, NOON + minutes(1)):
        actions.request_booking(world.vehicle, NOON - hours(1), NOON + hours(1))


def test_readings_of_one_minute_are_in_no_order(world: World) -> None:
    with world.acting(world.vendor_admin, NOON + timedelta(seconds=40)):
        fleet.record_odometer(world.vehicle, kilometres=10_010)
        fleet.record_odometer(world.vehicle, kilometres=10_020, read_at=NOON)
    table = make.Base.metadata.tables["odometer_readings"]
    assert list(make.db.session.scalars(make.select(table.c.mark))) == ["", ""]
