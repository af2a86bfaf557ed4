"""What identity tells strangers, logs and the browser: who has an account, where secrets stand, what is left behind."""

from urllib.parse import urlsplit

import pytest

from karokar.identity import actions
from karokar.identity import queries as identity
from karokar.outbox.delivery.drain import drain_all
from tests.factories import people
from tests.identity.test_members import role_called, token_of
from tests.identity.test_sign_in import post


def test_an_inviter_cannot_tell_whether_an_address_had_an_account(app, client):
    vendor, company = people.make_vendor(), people.make_corporate(employees=1)
    known, unknown = company.employees[0].email, "member0@corporate.example"
    people.sign_in(client, vendor.admin)
    shown = []
    for email in (known, unknown):
        with people.acting(vendor.admin):
            invited = actions.invite_member(
                first_name="Typed", last_name="Name", email=email, role_id=role_called(vendor, "VENDOR_ADMIN")
            )
        drain_all()
        pages = [
            f"/identity/members/{invited.id}", "/identity/members", f"/identity/members?q={email}", "/search?q=Typed",
            f"/timeline/User/{invited.user_id}", "/audit/", "/administration/events", "/notification/mail",
        ]  # fmt: skip
        texts = [client.get(page).text for page in pages]
        shown.append([("Typed Name" in text, "registered" in text, "off" in text, email in text) for text in texts])
        with people.acting(vendor.admin):
            actions.withdraw_invitation(invited.id)
    assert shown[0] == shown[1]


def test_an_invited_person_has_a_name_when_they_have_joined(app, client):
    company = people.make_corporate()
    invited = people.add_member(company, "EMPLOYEE", has_joined=False)
    people.sign_in(client, company.admin)
    assert invited.name not in client.get("/identity/members").text
    with people.acting_as(people.Actor(name="Nobody yet")):
        actions.accept_invitation(token_of(invited.membership_id), password=people.PASSWORD)
    assert invited.name in client.get("/identity/members").text


@pytest.mark.parametrize(("purpose", "path"), [("invitation", "/invitation"), ("password_reset", "/password/new")])
def test_a_link_carries_its_secret_where_no_access_log_keeps_it(app, client, purpose, path):
    company = people.make_corporate()
    invited = people.add_member(company, "EMPLOYEE", has_joined=False)
    whose = invited.membership_id if purpose == "invitation" else company.admin.user_id
    if purpose == "password_reset":
        actions.request_password_reset(company.admin.email)
        actions.answer_reset_requests()
    parts = urlsplit(identity.sign_in_link(purpose, whose))
    assert parts.path == path
    assert parts.query.startswith("token=")
    answer = client.get(f"{parts.path}?{parts.query}")
    assert answer.status_code == 200
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_no_address_of_the_product_holds_a_secret_in_its_path(app):
    assert [rule.rule for rule in app.url_map.iter_rules() if "token" in rule.arguments] == []


def test_signing_out_clears_what_pages_kept_in_the_browser(client):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    answer = post(client, "/logout", form_at="/account/profile")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'


def test_an_employee_sees_who_their_organization_is_and_not_its_records(app, client):
    company = people.make_corporate(employees=1)
    people.sign_in(client, company.admin)
    page = client.get("/organization/own").text
    assert "TAX-" in page
    assert "Decisions" in page
    people.sign_in(client, company.employees[0])
    page = client.get("/organization/own").text
    assert company.name in page
    assert "TAX-" not in page
    assert "Decisions" not in page
