"""Home: what waits, said so that nobody has to open it to know what it is about, and how things stand in numbers."""

import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karokar.kernel.clock import standing_at
from karokar.outbox.drain import drain_all
from karokar.verification import actions as verifications
from tests.factories import fleet, people
from tests.factories.booking import NOON, World, make_world, sign_in


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


@pytest.fixture
def _before_it_begins():
    with standing_at(NOON):
        yield


def buttons(html: str) -> list[tuple[str, str]]:
    """What can be done from the page at once: the address and the words of each button with a POST of its own."""
    forms = re.findall(r'<form method="post" action="([^"]+)".*?</form>', html, re.DOTALL)
    return [(address, words(html.partition(f'action="{address}"')[2].partition("</form>")[0])) for address in forms]


def do_from_home(client: FlaskClient, address: str) -> str:
    """Press the button that leads there, and return the page that follows."""
    form = client.get("/").text.partition(f'action="{address}"')[2].partition("</form>")[0]
    data = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form))
    answer = client.post(address, data={name: unescape(value) for name, value in data.items()})
    assert (answer.status_code, answer.location) == (303, "/"), answer.text[:500]
    return client.get("/").text


@pytest.mark.usefixtures("_before_it_begins")
def test_an_employee_accepts_from_home_and_stays_there(world: World, client: FlaskClient):
    world.assigned()
    drain_all()
    sign_in(client, world.employee)
    ((address, label),) = [one for one in buttons(client.get("/").text) if "/accept" in one[0]]
    assert "Accept" in label
    page = do_from_home(client, address)
    assert "Accepted. Your company has been told." in words(page)
    assert address not in page


@pytest.mark.usefixtures("_before_it_begins")
def test_a_draft_is_sent_from_home(world: World, client: FlaskClient):
    made = world.drafted()
    sign_in(client, world.company_admin)
    page = do_from_home(client, f"/booking/{made.id}/submit")
    assert "The request was sent." in words(page)
    assert made.reference not in words(page)


def test_what_takes_a_decision_says_so_and_leads_to_it(world: World, client: FlaskClient):
    made = world.requested()
    sign_in(client, world.vendor_admin)
    page = client.get("/").text
    assert re.search(rf'href="/booking/{made.id}/decide">Decide<', page)
    assert not [address for address, _label in buttons(page) if str(made.id) in address]


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
