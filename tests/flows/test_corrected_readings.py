"""An odometer reading that was mistyped at a handover or return is corrected on the page of the booking or assignment."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karokar.assignment import actions as assignments
from karokar.assignment import queries as assignment_queries
from karokar.booking import actions as bookings
from karokar.booking import queries as booking_queries
from karokar.events.base import Envelope
from karokar.events.booking import BookingOdometerCorrected
from karokar.fleet import actions as fleet
from karokar.fleet import queries
from karokar.fleet.handlers import log_odometer
from karokar.kernel import clock
from karokar.kernel.db import db, transaction
from karokar.kernel.errors import NotFound, PermissionDenied, RuleBroken, StaleVersion
from karokar.kernel.ids import new_id
from tests.factories import booking as make
from tests.factories.booking import NOON, World, hours
from tests.factories.browsing import follow, forms_of, text_of


def make_known(world: World) -> World:
    for vehicle, who in ((world.vehicle, world.vendor_admin), (world.own_vehicle, world.company_admin)):
        with world.acting(who):
            fleet.record_odometer(vehicle, kilometres=64_920, read_at=NOON)
    return world


@pytest.fixture
def world(app: Flask) -> Iterator[World]:
    world = make_known(make.make_world())
    with clock.standing_at(world.start + hours(1)):
        yield world


def handed_over(world: World, odometer: int = 6_491) -> UUID:
    made = world.accepted()
    with world.acting(world.vendor_admin, world.start):
        bookings.activate_booking(made.id, odometer, 90)
    world.deliver(world.start)
    return made.id


def back(world: World, booking_id: UUID, odometer: int) -> None:
    with world.acting(world.vendor_admin, world.start + hours(5)):
        bookings.complete_booking(booking_id, odometer, 80)
    world.deliver(world.start + hours(5))


def received(world: World, odometer: int = 6_491) -> UUID:
    made = world.direct()
    with world.acting(world.employee):
        assignments.accept_assignment(made.id)
    with world.acting(world.employee, world.start):
        assignments.start_assignment(made.id, odometer, 90)
    world.deliver(world.start)
    return made.id


def known(vehicle: UUID) -> int:
    db.session.rollback()
    return queries.get_vehicle(vehicle).odometer


def log_of(world: World, vehicle: UUID, who=None) -> list[tuple[str, int, bool, str]]:
    db.session.rollback()
    with world.acting(who or world.vendor_admin):
        rows = queries.list_readings(vehicle)
    return sorted((row.source, row.kilometres, row.voided_at is not None, row.mark) for row in rows)


def correct(client: FlaskClient, page: str, odometer: str):
    return client.post(page, data=forms_of(client.get(page).text)[""] | {"odometer": odometer})


def test_a_mistyped_handover_is_corrected_on_the_booking_and_the_vehicle_follows(
    world: World, client: FlaskClient
) -> None:
    made = handed_over(world)
    make.sign_in(client, world.vendor_admin)
    page = f"/booking/{made}/handover/odometer"
    assert page in client.get(f"/booking/{made}").text
    told = follow(client, correct(client, page, "64931"))
    assert "Corrected." in told
    assert "does not count" not in told
    assert "From 6,491 to 64,931 km by" in told
    world.deliver(world.start + hours(1))
    assert known(world.vehicle) == 64_931
    assert log_of(world, world.vehicle) == [
        ("HANDOVER", 6_491, True, "OUT_OF_ORDER"),
        ("HANDOVER", 64_931, False, ""),
        ("MANUAL", 64_920, False, ""),
    ]
    assert "64,931 km" in text_of(client.get(f"/booking/{made}/sheet"))
    told = text_of(client.get(f"/timeline/Booking/{made}"))
    assert "corrected the odometer at the handover from 6,491 to 64,931 km" in told
    make.sign_in(client, world.company_admin)
    page_of_company = text_of(client.get(f"/booking/{made}"))
    vendor = world.vendor_admin.organization_name
    assert f"From 6,491 to 64,931 km by {vendor}" in page_of_company, "People of others appear by organization."
    assert f"{world.vendor_admin.name} Test" not in page_of_company
    assert f"{vendor} corrected the odometer at the handover" in text_of(client.get(f"/timeline/Booking/{made}"))


def test_a_mistyped_reading_of_an_own_vehicle_is_corrected_on_the_assignment(world: World, client: FlaskClient) -> None:
    made = received(world)
    make.sign_in(client, world.employee)
    page = f"/assignment/{made}/handover/odometer"
    assert page in client.get(f"/assignment/{made}").text
    told = follow(client, correct(client, page, "64931"))
    assert f"From 6,491 to 64,931 km by {world.employee.name} Test" in told
    world.deliver(world.start + hours(1))
    assert known(world.own_vehicle) == 64_931
    told = text_of(client.get(f"/timeline/Assignment/{made}"))
    assert "corrected the odometer at the handover from 6,491 to 64,931 km" in told


def test_a_correction_is_asked_about_like_a_handover_and_says_when_it_does_not_count(
    world: World, client: FlaskClient
) -> None:
    made = handed_over(world, 64_931)
    back(world, made, 65_000)
    make.sign_in(client, world.company_admin)
    page = f"/booking/{made}/handover/odometer"
    asked = correct(client, page, "70000")
    assert asked.status_code == 422
    assert "Is that right?" in text_of(asked)
    assert "Save anyway" in text_of(asked)
    again = forms_of(asked.text)[""] | {"odometer": "70000"}
    told = follow(client, client.post(page, data=again))
    assert "Out of order: it contradicts an earlier or later reading" in told
    world.deliver(world.start + hours(6))
    assert known(world.vehicle) == 65_000
    assert ("HANDOVER", 70_000, False, "OUT_OF_ORDER") in log_of(world, world.vehicle)


def test_a_reading_is_judged_as_if_the_wrong_one_had_not_been_taken(world: World, client: FlaskClient) -> None:
    made = handed_over(world, 65_900)
    back(world, made, 65_000)  # contradicts the wrong one, and is marked
    assert known(world.vehicle) == 65_900
    make.sign_in(client, world.vendor_admin)
    told = follow(client, correct(client, f"/booking/{made}/handover/odometer", "64931"))
    assert "does not count" not in told
    world.deliver(world.start + hours(6))
    assert known(world.vehicle) == 65_000
    assert ("RETURN", 65_000, False, "") in log_of(world, world.vehicle)


def test_a_return_is_corrected_any_number_of_times_after_the_trip_has_ended(world: World, client: FlaskClient) -> None:
    made = handed_over(world, 64_931)
    back(world, made, 6_500)
    make.sign_in(client, world.vendor_admin)
    page = f"/booking/{made}/return/odometer"
    with clock.standing_at(world.end + hours(500)):
        make.sign_in(client, world.vendor_admin)
        for odometer in ("65010", "65001", "65010"):
            assert "Corrected." in follow(client, correct(client, page, odometer))
            world.deliver(clock.now())
            assert known(world.vehicle) == int(odometer)
    live = [row for row in log_of(world, world.vehicle) if row[0] == "RETURN" and not row[2]]
    assert live == [("RETURN", 65_010, False, "")]


def test_the_same_reading_and_one_beyond_any_odometer_are_refused(world: World, client: FlaskClient) -> None:
    made = handed_over(world, 64_931)
    make.sign_in(client, world.vendor_admin)
    page = f"/booking/{made}/handover/odometer"
    same = correct(client, page, "64931")
    assert same.status_code == 422
    assert "recorded as 64,931 km already" in text_of(same)
    assert correct(client, page, "").status_code == 422
    beyond = correct(client, page, "5000001")
    assert beyond.status_code == 422
    assert "5,000,000 at most" in text_of(beyond)
    with world.acting(world.vendor_admin), pytest.raises(RuleBroken):
        bookings.correct_odometer(made, "OUT", 5_000_001)


def test_of_two_who_correct_at_once_the_second_sees_what_the_first_did(world: World, client: FlaskClient) -> None:
    made = handed_over(world)
    make.sign_in(client, world.vendor_admin)
    page = f"/booking/{made}/handover/odometer"
    opened = forms_of(client.get(page).text)[""]
    with world.acting(world.company_admin, world.start + hours(1)):
        bookings.correct_odometer(made, "OUT", 64_930)
    late = client.post(page, data=opened | {"odometer": "64931"})
    assert late.status_code == 409
    assert booking_queries.find_handovers(made)["OUT"].odometer == 64_930


def test_a_correction_opened_before_the_trip_ended_is_stale_after(world: World) -> None:
    made = received(world)
    version = make.assignment(made).version
    with world.acting(world.employee, world.start + hours(2)):
        assignments.complete_assignment(made, 65_000, 70)
    with world.acting(world.company_admin, world.start + hours(3)):
        with pytest.raises(StaleVersion):
            assignments.correct_odometer(made, "OUT", 64_931, version=version)
        assignments.correct_odometer(made, "OUT", 64_931)
    world.deliver(world.start + hours(3))
    found = assignment_queries.find_handovers(made)
    assert (found["OUT"].odometer, found["IN"].odometer) == (64_931, 65_000)
    assert known(world.own_vehicle) == 65_000


def test_only_who_may_hand_over_and_take_back_may_correct(world: World, client: FlaskClient) -> None:
    made = handed_over(world)
    make.sign_in(client, world.employee)
    assert "Correct the odometer" not in text_of(client.get(f"/booking/{made}"))
    assert client.get(f"/booking/{made}/handover/odometer").status_code == 403
    for who in (world.employee, world.platform_admin):
        with world.acting(who), pytest.raises((PermissionDenied, NotFound)):
            bookings.correct_odometer(made, "OUT", 64_931)


def test_only_the_company_and_the_employee_correct_readings_of_an_own_vehicle(world: World) -> None:
    own = received(world)
    for stranger in (world.colleague, world.vendor_admin):
        with world.acting(stranger), pytest.raises((PermissionDenied, NotFound)):
            assignments.correct_odometer(own, "OUT", 64_931)


def test_where_nothing_was_recorded_nothing_is_corrected(world: World, client: FlaskClient) -> None:
    made = handed_over(world)
    make.sign_in(client, world.vendor_admin)
    assert "No reading has been recorded" in follow(client, client.get(f"/booking/{made}/return/odometer"))
    with world.acting(world.vendor_admin), pytest.raises(NotFound):
        bookings.correct_odometer(made, "IN", 64_931)


def test_corrections_reach_the_log_once_and_in_order_however_often_they_are_told(any_app: Flask) -> None:
    world = make_known(make.make_world())
    made = handed_over(world)
    with world.acting(world.vendor_admin, world.start + hours(1)):
        bookings.correct_odometer(made, "OUT", 64_999)
        bookings.correct_odometer(made, "OUT", 64_931)
    world.deliver(world.start + hours(1))
    before = log_of(world, world.vehicle)
    told = [event for event in make.told(made) if isinstance(event, BookingOdometerCorrected)]
    assert [(event.former_odometer, event.odometer) for event in told] == [(6_491, 64_999), (64_999, 64_931)]
    again = Envelope(
        position=1,
        event_id=new_id(),
        event=told[-1],
        aggregate_type="Booking",
        aggregate_id=made,
        aggregate_seq=1,
        occurred_at=world.start,
    )
    with clock.standing_at(world.start + hours(1)):
        for _ in range(2):
            with transaction():
                log_odometer(again)
    live = [row for row in log_of(world, world.vehicle) if row[0] == "HANDOVER" and not row[2]]
    assert live == [("HANDOVER", 64_931, False, "")]
    assert len(log_of(world, world.vehicle)) == len(before) + 1
    assert known(world.vehicle) == 64_931


def test_a_reading_that_the_owner_voided_is_not_voided_again(world: World) -> None:
    made = handed_over(world)
    with world.acting(world.vendor_admin, world.start + hours(1)):
        wrong = next(row for row in queries.list_readings(world.vehicle) if row.kilometres == 6_491)
        fleet.void_odometer(world.vehicle, wrong.id, reason="Mistyped")
        bookings.correct_odometer(made, "OUT", 64_931)
    world.deliver(world.start + hours(1))
    assert known(world.vehicle) == 64_931


def test_a_retired_vehicles_log_is_corrected_too(world: World) -> None:
    made = handed_over(world, 64_931)
    back(world, made, 65_900)
    make.change("vehicles", world.vehicle, status="RETIRED")
    with world.acting(world.vendor_admin, world.start + hours(6)):
        bookings.correct_odometer(made, "IN", 65_000)
    world.deliver(world.start + hours(6))
    assert known(world.vehicle) == 65_000
