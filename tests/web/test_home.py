"""Home: what waits, said so that nobody has to open it to know what it is about, and how things stand in numbers."""

import re
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karokar.kernel.clock import standing_at
from karokar.outbox.delivery.drain import drain_all
from karokar.verification import actions as verifications
from tests.factories import fleet, people
from tests.factories.booking import NOON, World, actor, make_world, member, person, sign_in


@pytest.fixture
def world(app: Flask) -> World:
    return make_world()


def words(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"</?bdi>", "", html))))


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


# --- later, or somebody else ------------------------------------------------------------------------------------------


def note_beside(client: FlaskClient, title: str, label: str) -> str:
    """Press one of the buttons that note something beside what waits, and return the page that follows."""
    html = client.get("/").text
    assert title in html
    forms = re.findall(r'<form method="post" action="(/waiting)"(.*?)</form>', html, re.DOTALL)
    address, form = next((address, form) for address, form in forms if label in words(form))
    data = {name: unescape(value) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', form)}
    return client.post(address, data=data, follow_redirects=True).text


def waits(html: str) -> str:
    """What home says above what was put aside."""
    return words(html).partition("Put aside:")[0]


@pytest.mark.usefixtures("_before_it_begins")
def test_what_was_put_aside_comes_back_in_the_morning_or_when_somebody_wants_it(world: World, client: FlaskClient):
    made = world.requested()
    sign_in(client, world.vendor_admin)
    page = note_beside(client, made.reference, "Until tomorrow morning")
    assert "17 Nov 2026, 08:00" in words(page)
    assert f"Answer the request {made.reference}" not in waits(page)
    assert "Nothing else waits for you" in waits(page)
    assert f"Answer the request {made.reference}" in words(page).partition("Put aside: 1")[2]
    with standing_at(NOON + timedelta(days=1)):
        sign_in(client, world.vendor_admin)
        assert f"Answer the request {made.reference}" in waits(client.get("/").text)
    sign_in(client, world.vendor_admin)
    page = note_beside(client, made.reference, "Bring it back")
    assert f"Answer the request {made.reference}" in waits(page)


@pytest.mark.usefixtures("_before_it_begins")
def test_what_is_due_comes_back_whatever_was_chosen(world: World, client: FlaskClient):
    made = world.requested()
    sign_in(client, world.vendor_admin)
    assert made.reference not in waits(note_beside(client, made.reference, "For a week"))
    with standing_at(made.start - timedelta(hours=1)):
        sign_in(client, world.vendor_admin)
        assert made.reference not in waits(client.get("/").text)
    with standing_at(made.start):
        assert made.reference in waits(client.get("/").text)


@pytest.mark.usefixtures("_before_it_begins")
def test_what_is_due_already_stays_on_the_list(world: World, client: FlaskClient):
    made = world.requested()
    sign_in(client, world.vendor_admin)
    html = client.get("/").text
    forms = [form for form in re.findall(r'"/waiting"(.*?)</form>', html, re.DOTALL) if "Until tomorrow" in form]
    data = {name: unescape(value) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', forms[0])}
    with standing_at(made.start):
        sign_in(client, world.vendor_admin)
        page = client.get("/").text
        assert "Until tomorrow morning" not in page
        assert "I am at it" in page
        data["csrf_token"] = re.findall(r'name="csrf_token" value="([^"]+)"', page)[0] if "csrf_token" in data else ""
        late = client.post("/waiting", data=data)
        assert (late.status_code, "can't be put aside" in words(late.text)) == (409, True)
        assert made.reference in waits(client.get("/").text)


@pytest.mark.usefixtures("_before_it_begins")
def test_colleagues_see_who_is_at_it_and_nobody_else_does(world: World, app: Flask):
    made = world.requested()
    with standing_at(NOON - timedelta(days=1)):
        user_id = person("Vikram")
        member(user_id, world.vendor, "VENDOR_ADMIN")
    first, second, company = app.test_client(), app.test_client(), app.test_client()
    sign_in(first, world.vendor_admin)
    sign_in(second, actor(user_id, world.vendor, "VENDOR_ADMIN"))
    sign_in(company, world.company_admin)
    stale = second.get("/").text
    assert "You are at it" in words(note_beside(first, made.reference, "I am at it"))
    assert "Vera Test is at it" in words(second.get("/").text)
    assert "is at it" not in words(company.get("/").text)
    form = next(form for form in re.findall(r"\"/waiting\"(.*?)</form>", stale, re.DOTALL) if '"claim"' in form)
    data = {name: unescape(value) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', form)}
    late = second.post("/waiting", data=data)
    assert (late.status_code, "quicker" in words(late.text)) == (409, True)
    with standing_at(NOON + timedelta(minutes=31)):
        assert "is at it" not in words(second.get("/").text), "nobody is at it for ever"
    assert "is at it" not in words(note_beside(first, made.reference, "Let it go"))


def test_nobody_notes_anything_beside_what_is_not_theirs(world: World, client: FlaskClient):
    sign_in(client, world.vendor_admin)
    token = re.findall(r'name="csrf_token" value="([^"]+)"', client.get("/").text)
    data = {
        "do": "aside",
        "item": "booking.decide?booking_id=1#Booking request",
        **({"csrf_token": token[0]} if token else {}),
    }
    page = client.post("/waiting", data=data, follow_redirects=True).text
    assert "That waits for you no more." in words(page)
