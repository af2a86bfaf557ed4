"""Home: what waits, said so that nobody has to open it to know what it is about, and how things stand in numbers."""

import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karokar.outbox.drain import drain_all
from karokar.verification import actions as verifications
from tests.factories import fleet, people
from tests.factories.booking import World, make_world, sign_in


@pytest.fixture
def world(app: Flask) -> World:
    return make_world()


def words(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def test_a_request_says_which_vehicle_for_whom_and_when(world: World, client: FlaskClient):
    made = world.requested()
    sign_in(client, world.vendor_admin)
    page = words(client.get("/").text)
    assert f"Answer the request {made.reference}" in page
    line = page.partition(made.reference)[2]
    vehicle = words(client.get(f"/fleet/{world.vehicle}").text)
    assert line.split(" · ")[0].strip() in vehicle, "the vehicle stands first"
    assert " to " in line, "and the period"


def test_figures_lead_to_what_they_count(world: World, client: FlaskClient):
    world.requested()
    sign_in(client, world.vendor_admin)
    assert 'hx-get="/figures"' in client.get("/").text, "they come after what waits"
    page = client.get("/figures", headers={"HX-Request": "true"}).text
    assert "<html" not in page
    assert re.search(r'href="/booking/\?status=REQUESTED"><b>1</b>Requests waiting', page)
    assert re.search(r'href="/booking/today"><b>0</b>Late', page)
    assert "Dead letters" not in page, "how events are delivered is the platform's business"


def test_an_employee_gets_no_figures_of_the_company(world: World, client: FlaskClient):
    world.requested()
    sign_in(client, world.employee)
    assert "/figures" not in client.get("/").text
    assert "kk-figures" not in client.get("/figures").text


def test_a_reviewer_sees_whose_document_waits(client: FlaskClient):
    vendor = people.make_vendor(name="Harbour Cars")
    vehicle_id = fleet.make_vehicle(vendor, status="PENDING")
    with people.acting(vendor.admin):
        verifications.request_verification(
            entity_type="Vehicle", entity_id=vehicle_id, kind="VEHICLE_INSURANCE", uploads=[people.pdf()]
        )
    drain_all()
    people.sign_in(client, people.platform_admin())
    page = words(client.get("/").text)
    assert "Harbour Cars" in page
    assert "Documents to review" in client.get("/figures").text
