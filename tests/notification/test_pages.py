"""The inbox, the choices and the mails, as people use them."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from karokar.kernel.db import db
from karokar.notification.actions import send_mails
from karokar.notification.models import Mail, Notification, Preference
from karokar.outbox.delivery.drain import drain_all
from tests.factories import people
from tests.factories.people import Company


def tokens(page: str) -> dict[str, str]:
    """The hidden fields that every form carries, of the first form on the page."""
    names = ("csrf_token", "acting_for", "form_key")
    return {name: re.search(f'name="{name}" value="([^"]*)"', page)[1] for name in names}  # type: ignore[index]


@pytest.fixture
def invited(client: FlaskClient) -> Company:
    """A company whose invitations and approvals were told, and its administrator's browser."""
    company = people.make_corporate(employees=1)
    drain_all()
    people.sign_in(client, company.admin)
    return company


def test_the_inbox_says_what_happened_and_leads_there(client: FlaskClient, invited: Company):
    page = client.get("/notification/").text
    assert f"{invited.name} is admitted to KaroKar" in page
    link = re.search(r'href="(/notification/[0-9a-f-]{36})"', page)
    assert link is not None
    answer = client.get(link[1])
    assert answer.status_code == 303


def test_marking_all_as_read_empties_the_count(client: FlaskClient, invited: Company):
    assert "unread" in client.get("/notification/").text
    form = tokens(client.get("/notification/").text)
    assert client.post("/notification/read", data=form).status_code == 303
    assert "Everything is read" in client.get("/notification/").text
    assert client.get("/notification/count?seen=0").status_code == 204


def test_the_number_at_the_bell_comes_when_it_changed(client: FlaskClient, invited: Company):
    answer = client.get("/notification/count?seen=0")
    assert answer.status_code == 200
    assert "unread" in answer.text
    assert client.get(answer.headers["X-Live-Url"]).status_code == 204


def test_choices_are_kept_and_fixed_ones_are_not_offered(client: FlaskClient, invited: Company):
    page = client.get("/notification/preferences").text
    assert 'value="BOOKING_REQUESTS:IN_APP"' not in page
    assert 'value="BOOKING_DECISIONS:EMAIL"' in page
    form = tokens(page)
    shown = ["BOOKING_DECISIONS:EMAIL", "BOOKING_DECISIONS:IN_APP"]
    client.post("/notification/preferences", data={**form, "shown": shown, "on": shown[1:]})
    row = db.session.scalars(select(Preference)).one()
    assert (row.kind, row.channel, row.is_on) == ("BOOKING_DECISIONS", "EMAIL", False)


def test_only_what_one_may_get_is_offered(client: FlaskClient, invited: Company):
    offered = client.get("/notification/preferences").text
    assert "Answers to booking requests" in offered
    assert "Deliveries given up" not in offered
    people.sign_out(client)
    people.sign_in(client, invited.employees[0])
    offered = client.get("/notification/preferences").text
    assert "Vehicles for me" in offered
    assert "Employees&#39; answers" not in offered
    assert "Applications and documents to review" not in offered


def test_mails_are_kept_without_a_server_and_their_links_are_hidden(client: FlaskClient, invited: Company):
    assert send_mails() > 0
    page = client.get("/notification/mail").text
    assert "No mail server is set" in page
    kept = db.session.scalars(
        select(Mail.id)
        .join(Notification)
        .where(Notification.template == "MemberJoined", Mail.organization_id == invited.id)
        .limit(1)
    ).one()
    shown = client.get(f"/notification/mail/{kept}").text
    assert "Welcome to" in shown


def test_an_organization_sees_its_invitations_on_their_way_but_not_their_links(client: FlaskClient, invited: Company):
    waiting = people.add_member(invited, "EMPLOYEE", has_joined=False)
    drain_all()
    send_mails()
    mail = db.session.scalars(
        select(Mail.id)
        .join(Notification)
        .where(Notification.template == "MemberInvited", Mail.recipient_id == waiting.user_id)
    ).one()
    shown = client.get(f"/notification/mail/{mail}").text
    assert "the link is shown to the recipient only" in shown
    assert "/invitation?token=" not in shown
    assert "can show a link once" in shown
    assert f'href="/identity/people/{waiting.user_id}"' in shown


def test_the_mails_of_another_organization_do_not_exist(client: FlaskClient, invited: Company):
    vendor = people.make_vendor()
    drain_all()
    mail = db.session.scalars(select(Mail.id).where(Mail.organization_id == vendor.id).limit(1)).one()
    assert client.get(f"/notification/mail/{mail}").status_code == 404
    assert str(mail) not in client.get("/notification/mail").text


def test_a_message_for_another_organization_offers_to_act_for_it(app: Flask, client: FlaskClient, invited: Company):
    vendor = people.make_vendor()
    drain_all()
    foreign = db.session.scalars(
        select(Notification.id).where(Notification.organization_id == vendor.id).limit(1)
    ).one()
    assert client.get(f"/notification/{foreign}").status_code == 404
