"""From the application to the first request: what is missing is said from the first day, and nothing else is promised."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from karokar.booking.models import Booking
from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.notification.rules.texts import TEXTS, words
from tests.factories import booking as make
from tests.factories import fleet, people
from tests.factories.browsing import follow, forms_of, send, text_of


def test_home_lists_what_a_company_needs_before_its_first_request(app: Flask, client: FlaskClient) -> None:
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    home = text_of(client.get("/"))
    assert "Before your first request" in home
    assert "Hand in the company registration" in home
    assert "Nothing waits for you" not in home


@pytest.fixture
def world(app: Flask) -> make.World:
    return make.make_world()


def revoke_identities() -> None:
    table = make.Base.metadata.tables["verifications"]
    with make.transaction() as session:
        session.execute(table.update().where(table.c.kind == "REPRESENTATIVE_IDENTITY").values(status="REVOKED"))


def test_a_request_that_cannot_be_sent_yet_is_kept_as_a_draft(world: make.World, client: FlaskClient) -> None:
    revoke_identities()
    with clock.standing_at(make.NOON):
        make.sign_in(client, world.company_admin)
        assert "Hand in the identity document of an administrator" in text_of(client.get("/"))
        page = f"/booking/new?vehicle_id={world.vehicle}"
        form = forms_of(client.get(page).text)[""]
        period = {"start": "2026-11-20T09:00", "end": "2026-11-20T18:00", "purpose": "First visit"}
        told = follow(client, client.post(page, data=form | period | {"do": "send"}))
    assert "the identity of one of your company's administrators has to be verified" in told
    assert "Your request is kept as a draft" in told
    assert "This is a draft" in told
    assert "See what is missing" in told
    assert "Find another vehicle" not in told, "No other vehicle would help."
    kept = db.session.scalars(select(Booking)).one()
    assert (kept.status, kept.purpose) == ("DRAFT", "First visit")


def test_a_request_for_a_taken_vehicle_leaves_no_draft_behind(world: make.World, client: FlaskClient) -> None:
    world.approved()
    with clock.standing_at(make.NOON):
        make.sign_in(client, world.company_admin)
        page = f"/booking/new?vehicle_id={world.vehicle}"
        form = forms_of(client.get(page).text)[""]
        period = {"start": "2026-11-18T14:00", "end": "2026-11-18T18:00", "do": "send"}
        assert client.post(page, data=form | period).status_code in {409, 422}
    db.session.rollback()
    assert [row.status for row in db.session.scalars(select(Booking))] == ["APPROVED"]


def test_the_checklist_goes_once_everything_is_there(world: make.World, client: FlaskClient) -> None:
    with clock.standing_at(make.NOON):
        make.sign_in(client, world.employee)
        assert "Before your first request" not in text_of(client.get("/")), "It is the administrators' task."
        make.sign_in(client, world.company_admin)
        home = text_of(client.get("/"))
        assert "Hand in the identity document of an administrator" in home
        make.change("organizations", world.company, metadata={"tax_number": "DE 1"})
        assert "Before your first request" not in text_of(client.get("/"))


def test_a_vendor_needs_a_vehicle_on_the_road(app: Flask, client: FlaskClient) -> None:
    vendor = people.make_vendor()
    people.sign_in(client, vendor.admin)
    before = text_of(client.get("/"))
    assert "Before your first booking" in before
    assert "Register the first vehicle" in before


@pytest.mark.parametrize("template", ["OrganizationApproved", "OrganizationReinstated"])
def test_mails_promise_nothing_that_is_not_done(template: str) -> None:
    body = words(template, {"organizationId": None, "name": "Meridian"}, {}, "UTC").body
    assert "everything is open" not in body
    assert "missing" in body
    assert all("everything is open" not in text.body for text in TEXTS.values())


@pytest.mark.parametrize(
    ("who", "offered", "absent"),
    [
        ("employee", "Driving licence", "Identity of a representative"),
        ("company_admin", "Identity of a representative", ""),
    ],
)
def test_only_documents_that_a_person_can_need_are_offered(
    world: make.World, client: FlaskClient, who: str, offered: str, absent: str
) -> None:
    person = getattr(world, who)
    make.sign_in(client, person)
    page = client.get(f"/verification/new?entity_type=User&entity_id={person.user_id}")
    assert offered in text_of(page)
    assert not absent or absent not in text_of(page)


def test_nothing_is_chosen_beforehand_that_can_be_wrong(world: make.World, client: FlaskClient) -> None:
    asked = world.requested()
    pages = {
        "company_admin": [f"/verification/new?entity_type=User&entity_id={world.company_admin.user_id}"],
        "vendor_admin": [
            f"/booking/{asked.id}/decide",
            f"/verification/new?entity_type=Vehicle&entity_id={world.vehicle}",
        ],
    }
    for who, addresses in pages.items():
        make.sign_in(client, getattr(world, who))
        for address in addresses:
            html = client.get(address).text
            for name in ("kind", "reason"):
                select_ = html.partition(f'name="{name}"')[2].partition("</select>")[0]
                if select_:
                    assert 'value=""' in select_.partition("</option>")[0], (address, name)


def test_a_cost_needs_its_currency(app: Flask, client: FlaskClient) -> None:
    vendor = people.make_vendor()
    vehicle = fleet.make_vehicle(vendor)
    window = fleet.make_window(vendor, vehicle, clock.now() + timedelta(hours=1), clock.now() + timedelta(days=1))
    people.sign_in(client, vendor.admin)
    page = f"/fleet/maintenance/{window}"
    send(client, page, f"{page}/start")
    answer = send(client, page, f"{page}/complete", cost="100")
    assert answer.status_code == 422
    assert "Choose the currency" in text_of(answer)
