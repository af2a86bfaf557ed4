"""What somebody of another tenant, or with few rights, finds when they ask for what is not theirs."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karokar.fleet import queries as fleet
from karokar.identity import actions as identity
from karokar.kernel import clock
from karokar.organization import actions as organizations
from tests.factories import booking as make
from tests.factories import people
from tests.factories.booking import NOON, World
from tests.factories.browsing import forms_of, text_of


@pytest.fixture
def world(app: Flask) -> World:
    return make.make_world()


def test_the_past_of_a_thing_is_as_closed_as_its_present(world: World, client: FlaskClient) -> None:
    made = world.accepted()
    world.deliver()
    stranger = make.another_company()
    make.sign_in(client, stranger)
    then = (NOON + timedelta(minutes=1)).isoformat()
    for kind, thing in (("Booking", made.id), ("Vehicle", world.own_vehicle), ("User", world.employee.user_id)):
        page = client.get(f"/timeline/{kind}/{thing}", query_string={"as_of": then})
        said = text_of(page)
        assert page.status_code in {403, 404} or made.reference not in said, kind
        assert world.employee.name not in said, kind


def test_the_search_box_finds_nothing_of_another_tenant(world: World, client: FlaskClient) -> None:
    made = world.accepted()
    own = fleet.get_vehicle(world.own_vehicle).license_plate
    world.deliver()
    make.sign_in(client, make.another_company())
    for text in (made.reference, own, world.employee.name, str(made.id)):
        page = client.get("/search", query_string={"q": text})
        assert f"/booking/{made.id}" not in page.text
        assert f"/fleet/{world.own_vehicle}" not in page.text
        assert str(world.employee.user_id) not in page.text


def test_a_role_that_reads_events_neither_replays_nor_retries(world: World, client: FlaskClient) -> None:
    with world.acting(world.platform_admin):
        role = identity.create_role(name="Reader", permissions=["event.read", "organization.read"])
        invited = identity.invite_member(first_name="Rea", last_name="Der", email="rea@reader.example", role_id=role.id)
        reader = people.join(invited.id)
    people.enrol(reader)
    people.sign_in(client, reader)
    token = forms_of(client.get("/account/profile").text)[""]
    for url in ("/administration/replays", "/administration/failures", "/administration/dead-letters"):
        assert client.get(url).status_code == 403, url
    for url in (
        "/administration/replays",
        "/administration/handlers/availability.keep_calendar/pause",
        "/administration/handlers/availability.keep_calendar/rebuild",
    ):
        assert client.post(url, data=token).status_code in {403, 404, 405}, url


def test_a_tenant_that_is_suspended_while_somebody_works_reads_and_begins_nothing_new(
    world: World, client: FlaskClient
) -> None:
    with clock.standing_at(NOON):
        make.sign_in(client, world.vendor_admin)
        form = forms_of(client.get("/fleet/new").text)[""]
        with world.acting(world.platform_admin):
            organizations.suspend_organization(world.vendor_admin.organization_id, reason="OTHER", notes="Unpaid.")
        world.deliver()
        facts = {
            "make": "Tata", "model": "Nexon", "year": "2025", "license_plate": "KA 01 ZZ 1", "category": "COMPACT",
            "seats": "5", "city": "Bengaluru", "time_zone": "Asia/Kolkata", "odometer": "10",
        }  # fmt: skip
        answer = client.post("/fleet/new", data=form | facts)
        assert answer.status_code == 409
        assert "suspended" in text_of(answer)
        assert client.get("/booking/").status_code == 200
        assert list(fleet.find_by_plate("KA 01 ZZ 1")) == []


@pytest.mark.parametrize("address", ["asha@exаmple.com", "asha@ехample.com"])  # Cyrillic letters that look like Latin
def test_an_address_that_only_looks_like_another_is_shown_as_what_it_is(
    world: World, client: FlaskClient, address: str
) -> None:
    with world.acting(world.company_admin):
        roles = {role.code: role.id for role in identity_roles(world)}
        identity.invite_member(first_name="Asha", last_name="Khan", email=address, role_id=roles["EMPLOYEE"])
    make.sign_in(client, world.company_admin)
    page = client.get("/identity/members", query_string={"status": "INVITED"}).text
    assert address not in page
    assert "asha@xn--" in page


def identity_roles(world: World):
    from karokar.identity.queries import list_roles_to_give

    return list_roles_to_give(world.company_admin.organization_id, "CORPORATE")
