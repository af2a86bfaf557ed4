"""An unlikely odometer reading is asked about wherever one is typed, and taken when it is sent again as it is."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karokar.assignment import actions as assignments
from karokar.fleet import actions as fleet
from karokar.fleet import queries
from karokar.kernel import clock
from tests.factories import booking as make
from tests.factories.booking import NOON, World
from tests.factories.browsing import follow, forms_of, text_of


@pytest.fixture
def world(app: Flask) -> Iterator[World]:
    world = make.make_world()
    for vehicle, who in ((world.vehicle, world.vendor_admin), (world.own_vehicle, world.company_admin)):
        with world.acting(who):
            fleet.record_odometer(vehicle, kilometres=64_920, read_at=NOON)
    with clock.standing_at(world.start):
        yield world


def handover(world: World) -> tuple[str, UUID]:
    return f"/booking/{world.accepted().id}/activate", world.vehicle


def return_(world: World) -> tuple[str, UUID]:
    made = world.accepted()
    with world.acting(world.vendor_admin, world.start):
        from karokar.booking import actions

        actions.activate_booking(made.id, 64_925, 90)
    world.deliver(world.start)
    return f"/booking/{made.id}/complete", world.vehicle


def own_handover(world: World) -> tuple[str, UUID]:
    made = world.direct()
    with world.acting(world.employee):
        assignments.accept_assignment(made.id)
    return f"/assignment/{made.id}/start", world.own_vehicle


def own_return(world: World) -> tuple[str, UUID]:
    page, vehicle = own_handover(world)
    made = UUID(page.split("/")[2])
    with world.acting(world.company_admin, world.start):
        assignments.start_assignment(made, 64_925, 90)
    world.deliver(world.start)
    return f"/assignment/{made}/complete", vehicle


PAGES = (handover, return_, own_handover, own_return)


@pytest.mark.parametrize("page_of", PAGES, ids=lambda one: one.__name__)
@pytest.mark.parametrize(
    ("typed", "asked"), [("6491", "6,491 km is less than"), ("649310", "649,310 km is unusually far")]
)
def test_a_mistyped_reading_is_asked_about_at_every_handover(
    world: World, client: FlaskClient, page_of, typed: str, asked: str
) -> None:
    page, vehicle = page_of(world)
    make.sign_in(client, world.company_admin)
    form = forms_of(client.get(page).text)[""] | {"fuel_percent": "80", "notes": "All is well"}
    first = client.post(page, data=form | {"odometer": typed})
    assert first.status_code == 422
    assert f"{asked}" in text_of(first)
    assert "Is that right?" in text_of(first)
    assert "Save anyway" in text_of(first)
    assert "All is well" in first.text, "Nothing typed is lost."
    again = forms_of(first.text)[""] | {"fuel_percent": "80"}
    other = client.post(page, data=again | {"odometer": "1"})
    assert "1 km is less than" in text_of(other), "The answer counts for the reading that was asked about only."
    assert "km" in follow(client, client.post(page, data=again | {"odometer": typed}))
    world.deliver(world.start)
    assert queries.get_vehicle(vehicle).odometer < 65_000, "What contradicts the log is kept and does not count."


@pytest.mark.parametrize("page_of", PAGES, ids=lambda one: one.__name__)
def test_a_likely_reading_is_taken_without_a_question(world: World, client: FlaskClient, page_of) -> None:
    page, vehicle = page_of(world)
    make.sign_in(client, world.company_admin)
    form = forms_of(client.get(page).text)[""]
    told = follow(client, client.post(page, data=form | {"odometer": "64931", "fuel_percent": "80"}))
    assert "64,931 km" in told
    world.deliver(world.start)
    assert queries.get_vehicle(vehicle).odometer == 64_931


def test_the_owner_is_asked_on_the_vehicles_page(world: World, client: FlaskClient) -> None:
    make.sign_in(client, world.vendor_admin)
    page, target = f"/fleet/{world.vehicle}", f"/fleet/{world.vehicle}/readings"
    form = forms_of(client.get(page).text)[target]
    asked = client.post(target, data=form | {"kilometres": "6491"})
    assert asked.status_code == 422
    assert "6,491 km is less than the 64,920 km recorded on" in text_of(asked)
    again = forms_of(asked.text)[target]
    assert "Out of order" in follow(client, client.post(target, data=again | {"kilometres": "6491"}))
    earlier = (world.start - timedelta(days=5)).strftime("%Y-%m-%dT%H:%M")
    later = client.post(target, data=form | {"kilometres": "70000", "read_at": earlier})
    assert "70,000 km is more than the 64,920 km recorded later" in text_of(later)


def test_an_unlikely_reading_is_asked_about_when_a_vehicle_is_registered(world: World, client: FlaskClient) -> None:
    make.sign_in(client, world.vendor_admin)
    facts = {
        "make": "Tata", "model": "Nexon", "year": "2025", "license_plate": "B-TN 1", "category": "COMPACT",
        "seats": "5", "city": "Berlin", "time_zone": "Europe/Berlin", "odometer": "1234567",
    }  # fmt: skip
    form = forms_of(client.get("/fleet/new").text)[""]
    asked = client.post("/fleet/new", data=form | facts)
    assert asked.status_code == 422
    assert "1,234,567 km is unusually far. Is that right?" in text_of(asked)
    assert "1,234,567" in follow(client, client.post("/fleet/new", data=forms_of(asked.text)[""] | facts))
