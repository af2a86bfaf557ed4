"""Ended is not back: a vehicle that was not returned stays taken, somebody has it, and whoever comes next hears of it."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karokar.availability import free
from karokar.availability import queries as availability
from karokar.booking import actions
from karokar.fleet import actions as fleet
from karokar.fleet import queries as vehicles
from karokar.kernel import clock
from karokar.kernel.errors import DomainError, StateConflict
from tests.factories import booking as make
from tests.factories.booking import World, hours
from tests.factories.browsing import send, text_of

MONTH = timedelta(days=30)


@pytest.fixture
def world(any_app: Flask) -> World:
    return make.make_world()


def ended(world: World, reason: str = "NOT_RETURNED") -> make.Booking:
    """A booking that was ended an hour after its handover without bringing the vehicle back."""
    made = world.active()
    with world.acting(world.vendor_admin, made.start + hours(1)):
        actions.terminate_booking(made.id, reason, "Nobody answers the phone.")
    world.deliver(made.start + hours(1))
    return make.booking(made.id)


def is_free(world: World) -> bool:
    make.db.session.rollback()
    with clock.standing_at(world.end):
        return free.is_free(world.vehicle, world.end + MONTH, world.end + MONTH + hours(5))


@pytest.mark.parametrize("reason", ["NOT_RETURNED", "BREAKDOWN", "ACCIDENT"])
def test_what_did_not_come_back_stays_taken_until_its_return_is_noted(
    world: World, any_client: FlaskClient, reason: str
) -> None:
    made = ended(world, reason)
    assert not is_free(world)
    with world.acting(world.company_admin, world.end), pytest.raises(DomainError, match="VEHICLE_NOT_AVAILABLE"):
        actions.request_booking(world.vehicle, world.end + MONTH, world.end + MONTH + hours(5))
    with clock.standing_at(world.end):
        make.sign_in(any_client, world.vendor_admin)
        answer = send(any_client, f"/booking/{made.id}/complete", odometer="10900", fuel_percent="10", is_damaged="y",
                      notes="Found at the station")  # fmt: skip
    assert answer.status_code == 303, text_of(answer)
    world.deliver(world.end)
    assert is_free(world)
    back = make.booking(made.id)
    assert (back.status, back.returned_at) == ("TERMINATED", world.end)
    assert make.assignment_of(made.id).status == "COMPLETED"
    assert vehicles.get_vehicle(world.vehicle).odometer == 10_900
    with clock.standing_at(world.end):
        page = text_of(any_client.get(f"/booking/{made.id}"))
    assert "Found at the station" in page
    assert "The vehicle is not back" not in page


def test_what_was_ended_for_another_reason_is_free_at_once(world: World) -> None:
    ended(world, "NO_LONGER_NEEDED")
    assert is_free(world)


@pytest.mark.parametrize(("reason", "is_awaited"), [("BREAKDOWN", False), ("ACCIDENT", False), ("NOT_RETURNED", True)])
def test_a_lifted_suspension_brings_back_what_broke_down_and_nothing_that_is_missing(
    world: World, reason: str, is_awaited: bool
) -> None:
    for kind in vehicles.REQUIRED_DOCUMENTS:
        make.verified("Vehicle", world.vehicle, world.vendor, kind)
    made = ended(world, reason)
    with world.acting(world.vendor_admin, made.start + hours(2)):
        fleet.suspend_vehicle(world.vehicle, reason="DAMAGE")
    world.deliver(made.start + hours(2))
    with world.acting(world.vendor_admin, made.start + hours(2)):
        assert availability.open_conflicts() == []
    with world.acting(world.vendor_admin, made.start + hours(3)):
        fleet.activate_vehicle(world.vehicle)
    world.deliver(made.start + hours(3))
    assert make.booking(made.id).is_awaited is is_awaited
    assert is_free(world) is not is_awaited


def test_documents_that_are_renewed_do_not_bring_a_broken_vehicle_back(world: World) -> None:
    documents = [make.verified("Vehicle", world.vehicle, world.vendor, kind) for kind in vehicles.REQUIRED_DOCUMENTS]
    made = ended(world, "BREAKDOWN")
    make.change("verifications", documents[0], status="REVOKED")
    with clock.standing_at(world.end), make.acting_as(make.Actor(is_system=True)):
        fleet.suspend_for_documents(world.vehicle, reason="DOCUMENT_REVOKED")
    make.change("verifications", documents[0], status="APPROVED")
    with clock.standing_at(world.end), make.acting_as(make.Actor(is_system=True)):
        fleet.lift_document_suspension(world.vehicle)
    world.deliver(world.end)
    assert make.booking(made.id).is_awaited
    assert not is_free(world)


def test_the_holder_is_named_until_the_vehicle_is_back(world: World, any_client: FlaskClient) -> None:
    made = ended(world)
    plate = vehicles.get_vehicle(world.vehicle).license_plate
    for who, days in ((world.vendor_admin, 60), (world.company_admin, 60)):
        with clock.standing_at(made.end + timedelta(days=days)):
            make.sign_in(any_client, who)
            page = text_of(any_client.get("/fleet/who-had-it", query_string={"plate": plate, "at": "2026-12-24T12:00"}))
        assert made.reference in page
        assert "Emil Test" in page


def test_home_today_and_the_booking_say_so(world: World, any_client: FlaskClient) -> None:
    made = ended(world)
    for who in (world.vendor_admin, world.company_admin):
        with clock.standing_at(world.end + hours(30)):
            make.sign_in(any_client, who)
            home, today = text_of(any_client.get("/")), text_of(any_client.get("/booking/today"))
            page = text_of(any_client.get(f"/booking/{made.id}"))
        assert f"Take back {made.reference}" in home
        assert made.reference in today
        assert "Not back" in today
        assert "The vehicle is not back. It stays taken until its return is noted here" in page


def test_a_return_is_noted_once(world: World) -> None:
    made = ended(world)
    with world.acting(world.vendor_admin, world.end):
        actions.complete_booking(made.id, 10_900, 10)
        with pytest.raises(StateConflict, match="INVALID_BOOKING_TRANSITION"):
            actions.complete_booking(made.id, 10_900, 10)


def test_a_vehicle_that_never_came_back_can_leave_the_fleet(world: World) -> None:
    ended(world)
    with world.acting(world.vendor_admin, world.end):
        fleet.retire_vehicle(world.vehicle, reason="Stolen")
    assert vehicles.get_vehicle(world.vehicle).status == "RETIRED"


# --- the next booking ---------------------------------------------------------------------------------------------


def followed(world: World) -> tuple[make.Booking, make.Booking]:
    """A booking that is under way, and the next one of its vehicle."""
    late = world.active()
    return late, world.accepted(world.colleague, start=late.end + hours(1), end=late.end + hours(9))


def at(world: World, moment: make.datetime, *jobs: object) -> None:
    with clock.standing_at(moment):
        for job in jobs:
            job()
    world.deliver(moment)


def test_both_sides_of_the_next_booking_hear_that_the_vehicle_is_still_out(
    world: World, any_client: FlaskClient
) -> None:
    late, following = followed(world)
    soon = late.end + hours(0.5)
    at(world, soon, actions.notice_late_returns, actions.notice_delays, actions.notice_delays)
    told = [type(event).__name__ for event in make.told(following.id)]
    assert told.count("BookingDelayed") == 1
    for who in (world.vendor_admin, world.company_admin, world.colleague):
        with clock.standing_at(soon):
            make.sign_in(any_client, who)
            page = any_client.get(f"/booking/{following.id}")
        assert "The vehicle is still out: it was due back 19 Nov 2026, 13:00 CET." in text_of(page)
        assert "The handover is possible" not in text_of(page)
    for who in (world.vendor_admin, world.company_admin):
        with clock.standing_at(soon):
            make.sign_in(any_client, who)
            assert f"The vehicle is still out: {following.reference}" in text_of(any_client.get("/"))


def test_today_offers_no_handover_of_a_vehicle_that_is_still_out(world: World, any_client: FlaskClient) -> None:
    late, following = followed(world)
    soon = late.end + hours(0.5)
    at(world, soon, actions.notice_late_returns)
    with clock.standing_at(soon):
        make.sign_in(any_client, world.vendor_admin)
        page = any_client.get("/booking/today")
    assert "Vehicle still out" in text_of(page)
    assert f"/booking/{following.id}/activate" not in page.text
    with world.acting(world.vendor_admin, soon):
        actions.complete_booking(late.id, 64_980, 70)
    with clock.standing_at(soon):
        page = any_client.get("/booking/today")
    assert "Vehicle still out" not in text_of(page)
    assert f"/booking/{following.id}/activate" in page.text


def test_what_could_not_be_collected_because_the_vehicle_was_out_is_no_no_show(world: World) -> None:
    late, following = followed(world)
    at(world, following.start + hours(1), actions.notice_delays, actions.remind_of_handovers)
    assert "BookingReminded" not in [type(event).__name__ for event in make.told(following.id)]
    at(world, following.end, actions.cancel_no_shows)
    assert make.booking(following.id).reason == "VEHICLE_NOT_BACK"
    assert make.booking(late.id).status == "ACTIVE"


def test_a_missing_vehicle_ends_no_later_booking_as_a_no_show(world: World) -> None:
    late, following = followed(world)
    with world.acting(world.vendor_admin, late.end):
        actions.terminate_booking(late.id, "NOT_RETURNED", "Nobody answers.")
    at(world, following.end, actions.cancel_no_shows)
    assert make.booking(following.id).reason == "VEHICLE_NOT_BACK"


def test_a_vehicle_that_came_back_in_time_excuses_nobody(world: World) -> None:
    late, following = followed(world)
    with world.acting(world.vendor_admin, following.start + hours(0.5)):
        actions.complete_booking(late.id, 10_900, 10)
    at(world, following.end, actions.cancel_no_shows)
    assert make.booking(following.id).reason == "NO_SHOW"


def test_a_vehicle_off_the_road_makes_no_no_show_either(world: World) -> None:
    made = world.accepted()
    with world.acting(world.vendor_admin):
        fleet.suspend_vehicle(world.vehicle, reason="DAMAGE")
    at(world, made.end, actions.cancel_no_shows)
    assert make.booking(made.id).reason == "VEHICLE_OFF_THE_ROAD"


# --- off the road -------------------------------------------------------------------------------------------------


def test_every_page_says_that_a_promised_vehicle_is_off_the_road(world: World, any_client: FlaskClient) -> None:
    made = world.accepted()
    with world.acting(world.vendor_admin):
        fleet.suspend_vehicle(world.vehicle, reason="DAMAGE")
    world.deliver()
    assignment = make.assignment_of(made.id)
    pages = {
        f"/booking/{made.id}": (world.vendor_admin, world.company_admin, world.employee),
        f"/booking/{made.id}/sheet": (world.vendor_admin, world.company_admin, world.employee),
        f"/assignment/{assignment.id}": (world.company_admin, world.employee),
    }
    for url, readers in pages.items():
        for who in readers:
            with clock.standing_at(make.NOON):
                make.sign_in(any_client, who)
                page = any_client.get(url)
            assert "is off the road, so it can't be handed over." in text_of(page), (url, who.name)
            assert "kk-notice-bad" in page.text
            assert "The handover is possible" not in text_of(page)


def test_a_suspension_sends_each_person_one_mail_that_names_their_bookings(world: World) -> None:
    first = world.accepted()
    later = [world.approved(start=first.end + hours(9 * n), end=first.end + hours(9 * n + 5)) for n in (1, 2)]
    stranger = make.another_company()
    with world.acting(stranger):
        other = actions.request_booking(world.vehicle, first.end + hours(50), first.end + hours(60))
    with world.acting(world.vendor_admin):
        actions.approve_booking(other)
    world.deliver()
    table = make.Base.metadata.tables["notifications"]
    before = set(make.db.session.scalars(make.select(table.c.id)))
    with world.acting(world.vendor_admin):
        fleet.suspend_vehicle(world.vehicle, reason="DAMAGE")
    world.deliver()
    rows = make.db.session.execute(make.select(table).where(table.c.channel == "EMAIL")).all()
    mails = [row for row in rows if row.id not in before]
    named = {row.recipient_id: row.data.get("affected") for row in mails}
    assert len(mails) == len(named), "each gets one"
    ours = [first.reference, *(one.reference for one in later)]
    assert named == {
        world.vendor_admin.user_id: [*ours, make.booking(other).reference],
        world.company_admin.user_id: ours,
        world.employee.user_id: [first.reference],
        stranger.user_id: [make.booking(other).reference],
    }
    assert {row.template for row in mails} == {"VehicleSuspended"}
