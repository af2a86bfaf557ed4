"""Who may see a vehicle does not thereby see who books and drives it."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karokar.fleet import actions as fleet
from karokar.fleet import queries as vehicles
from karokar.identity import actions as identity
from karokar.kernel import clock
from karokar.kernel.actor import Actor
from tests.factories import booking as make
from tests.factories import people
from tests.factories.booking import World, hours
from tests.factories.browsing import text_of


@pytest.fixture
def world(app: Flask) -> World:
    return make.make_world()


def colleague_of(world: World, admin: Actor, permissions: list[str]) -> people.Somebody:
    """Somebody whose role an administrator composed of these permissions."""
    with world.acting(admin):
        role = identity.create_role(name="Workshop", permissions=permissions)
        invited = identity.invite_member(
            first_name="Wanda", last_name="Shop", email="wanda@workshop.example", role_id=role.id
        )
        return people.join(invited.id)


def pages(world: World, client: FlaskClient) -> dict[str, str]:
    """What the pages about the vehicle say while the booking is under way."""
    plate = vehicles.get_vehicle(world.vehicle).license_plate
    at = (world.start + hours(2)).strftime("%Y-%m-%dT%H:%M")
    with clock.standing_at(world.start + hours(3)):
        return {
            "who had it": text_of(client.get("/fleet/who-had-it", query_string={"plate": plate, "at": at})),
            "vehicle": text_of(client.get(f"/fleet/{world.vehicle}")),
            "timeline": text_of(client.get("/availability/timeline")),
        }


@pytest.mark.parametrize("side", ["vendor", "platform"])
@pytest.mark.parametrize("reads_bookings", [False, True])
def test_bookings_and_drivers_of_a_vehicle_are_for_whoever_reads_bookings(
    world: World, client: FlaskClient, side: str, reads_bookings: bool
) -> None:
    made = world.active()
    world.deliver(made.start + hours(1))
    admin = {"vendor": world.vendor_admin, "platform": world.platform_admin}[side]
    permissions = ["vehicle.read", *(["booking.read"] if reads_bookings else [])]
    colleague = colleague_of(world, admin, permissions)
    if side == "platform":
        people.enrol(colleague)
    people.sign_in(client, colleague)
    shown = pages(world, client)
    assert {name: made.reference in text for name, text in shown.items()} == dict.fromkeys(shown, reads_bookings)
    assert ("Emil Test" in shown["who had it"]) is reads_bookings


@pytest.mark.parametrize("side", ["vendor", "platform"])
@pytest.mark.parametrize("reads_bookings", [False, True])
def test_a_conflict_names_its_booking_to_whoever_reads_bookings(
    world: World, client: FlaskClient, side: str, reads_bookings: bool
) -> None:
    made = world.approved()
    with world.acting(world.vendor_admin):
        fleet.schedule_maintenance(world.vehicle, kind="REPAIR", start=made.start, end=made.end)
    world.deliver()
    admin = {"vendor": world.vendor_admin, "platform": world.platform_admin}[side]
    permissions = ["vehicle.read", "conflict.read", *(["booking.read"] if reads_bookings else [])]
    colleague = colleague_of(world, admin, permissions)
    if side == "platform":
        people.enrol(colleague)
    people.sign_in(client, colleague)
    (page,) = set(
        re.findall(r'href="(/availability/conflicts/[0-9a-f-]{36})"', client.get("/availability/conflicts").text)
    )
    shown = client.get(page).text
    assert (made.reference in shown) is reads_bookings
    assert (f"/booking/{made.id}" in shown) is reads_bookings
    assert "maintenance" in shown.lower(), "What is about the vehicle alone stays known."
