"""A second factor for whoever's rights need one, at every way to them; and fresh proof before what decides who gets in."""

import dataclasses
from datetime import timedelta

import pyotp
import pytest

from karokar.identity import actions
from karokar.identity import queries as identity
from karokar.identity.models import Membership
from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.organization.rules import PLATFORM_ID
from tests.factories import people
from tests.factories.people import Company
from tests.identity.test_members import token_of
from tests.identity.test_sign_in import is_in, post, sign_in

LATER = timedelta(minutes=11)


def platform() -> Company:
    return Company(PLATFORM_ID, "KaroKar", "PLATFORM", people.platform_admin())


def helper(company: Company):
    """Somebody on the platform with a composed role."""
    with people.acting(company.admin):
        actions.create_role(name="Help desk", permissions=["employee.manage", "organization.read"])
    return people.add_member(company, "Help desk")


def code_of(secret: str, *, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(clock.now() + timedelta(seconds=30 * steps))


# --- the second factor ------------------------------------------------------------------------------------------------


def test_a_composed_role_that_reaches_every_organization_needs_a_second_factor_at_sign_in(client):
    desk = helper(platform())
    answer = sign_in(client, desk.email)
    assert answer.headers["Location"].endswith("/login/enrol")
    assert not is_in(client)


def test_who_joins_the_platform_with_an_open_session_sets_a_second_factor_up_first(client):
    company, employer = platform(), people.make_corporate()
    with people.acting(company.admin):
        actions.create_role(name="Help desk", permissions=["employee.manage", "organization.read"])
    people.sign_in(client, employer.admin)
    invited = people.add_member(company, "Help desk", email=employer.admin.email, has_joined=False)
    post(client, f"/invitation?token={token_of(invited.membership_id)}")
    answer = client.get("/administration/people")
    assert answer.headers["Location"].startswith("/account/confirm")
    answer = client.get("/account/confirm")
    assert answer.headers["Location"].endswith("/account/second-factor")
    # The other organization asks for nothing: one may switch back.
    client.post("/switch", data={"organization_id": str(employer.id), "csrf_token": _csrf(client)})
    assert client.get("/identity/members").status_code == 200


def _csrf(client) -> str:
    from tests.identity.test_sign_in import token_in

    return token_in(client.get("/account/second-factor").get_data(as_text=True))


def test_a_session_without_a_second_factor_gets_no_rights_by_a_switch_until_a_code_is_given(client):
    company, employer = platform(), people.make_corporate()
    with people.acting(company.admin):
        actions.create_role(name="Help desk", permissions=["employee.manage", "organization.read"])
    people.sign_in(client, employer.admin)
    people.add_member(company, "Help desk", email=employer.admin.email)
    secret = people.enrol(employer.admin)
    client.post("/switch", data={"organization_id": str(PLATFORM_ID), "csrf_token": _csrf(client)})
    assert client.get("/administration/people").headers["Location"].startswith("/account/confirm")
    wrong = post(client, "/account/confirm", proof=people.PASSWORD, next="/administration/people")
    assert wrong.status_code == 422
    right = post(client, "/account/confirm", proof=code_of(secret), next="/administration/people")
    assert right.headers["Location"] == "/administration/people"
    assert client.get("/administration/people").status_code == 200


def test_a_raised_role_needs_the_second_factor_at_the_next_request(client):
    company = platform()
    with people.acting(company.admin):
        actions.create_role(name="Reads own messages", permissions=["notification.read"])
    member = people.add_member(company, "Reads own messages")
    people.sign_in(client, member)
    assert client.get("/").status_code == 200
    admin_role = db.session.get(Membership, company.admin.membership_id).role_id
    with people.acting(company.admin):
        actions.change_role(member.membership_id, role_id=admin_role)
    assert client.get("/").headers["Location"].startswith("/account/confirm")
    answer = client.get("/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json["code"]) == (403, "SECOND_FACTOR_MISSING")


def test_a_session_from_before_the_rule_gives_a_second_factor_before_anything_else(app, client, monkeypatch):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    assert client.get("/identity/members").status_code == 200
    monkeypatch.setitem(app.config, "KAROKAR", dataclasses.replace(app.config["KAROKAR"], require_2fa=True))
    assert client.get("/identity/members").headers["Location"].startswith("/account/confirm")
    post(client, "/account/second-factor/begin", form_at="/account/second-factor")
    key = identity.find_enrolment(company.admin.user_id)
    post(client, "/account/second-factor/confirm", form_at="/account/second-factor", code=code_of(key.secret))
    assert client.get("/identity/members").status_code == 200


def test_a_token_whose_rights_need_a_second_factor_stops_while_its_owner_has_none(app, client, monkeypatch):
    company = people.make_corporate()
    with people.acting(company.admin):
        token = actions.create_token(name="People", permissions=["employee.manage"], days=30)
    bearer = {"Authorization": f"Bearer {token.secret}"}
    assert client.get("/identity/members", headers=bearer).status_code == 200
    monkeypatch.setitem(app.config, "KAROKAR", dataclasses.replace(app.config["KAROKAR"], require_2fa=True))
    answer = client.get("/identity/members", headers=bearer)
    assert (answer.status_code, answer.json["code"]) == (403, "SECOND_FACTOR_MISSING")


# --- fresh proof ------------------------------------------------------------------------------------------------------


def forms_of(company: Company, employee) -> dict[str, tuple[str, str, dict[str, str]]]:
    """What decides who gets in: the page that shows the form, where it is sent, and what it says."""
    role = db.session.get(Membership, company.admin.membership_id).role_id
    member = f"/identity/members/{employee.membership_id}"
    return {
        "a token": ("/account/tokens", "/account/tokens", {"name": "X", "days": "30", "permissions": "audit.read"}),
        "a role": ("/identity/roles/new", "/identity/roles/new", {"name": "Desk", "may.audit.read": "own"}),
        "a member's role": (member, f"{member}/role", {"role_id": str(role)}),
        "a second factor": ("/account/second-factor", "/account/second-factor/begin", {}),
    }


@pytest.mark.parametrize("which", ["a token", "a role", "a member's role", "a second factor"])
def test_what_decides_who_gets_in_asks_who_it_is_and_then_goes_on(client, which):
    company = people.make_corporate(employees=1)
    people.sign_in(client, company.admin)
    shown_at, path, form = forms_of(company, company.employees[0])[which]
    with clock.standing_at(clock.now() + LATER):
        asked = post(client, path, form_at=shown_at, **form)
        assert asked.status_code == 403
        assert "Confirm that it is you" in asked.text
        for name, value in form.items():
            assert f'name="{name}" value="{value}"' in asked.text
        wrong = client.post(
            "/account/confirm", data={**form, "sends_to": path, "proof": "not this", "csrf_token": _csrf(client)}
        )
        assert wrong.status_code == 422
        assert f'name="sends_to" value="{path}"' in wrong.text
        done = client.post(
            "/account/confirm",
            data={**form, "sends_to": path, "proof": people.PASSWORD, "csrf_token": _csrf(client)},
        )
        assert (done.status_code, done.headers["Location"]) == (307, path)
        # A browser sends the same form there.
        assert client.post(path, data={**form, "csrf_token": _csrf(client)}).status_code in {200, 303}


def test_a_form_that_waits_for_proof_leads_nowhere_else(client):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    for elsewhere in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        answer = client.post(
            "/account/confirm", data={"sends_to": elsewhere, "proof": people.PASSWORD, "csrf_token": _csrf(client)}
        )
        assert answer.headers["Location"] == "/"


def test_the_platform_confirms_before_it_ends_sessions_or_removes_a_second_factor(client):
    company, other = platform(), people.make_corporate()
    people.enrol(other.admin)
    people.sign_in(client, company.admin)
    with clock.standing_at(clock.now() + LATER):
        for what in ("end-sessions", "reset-second-factor"):
            path = f"/identity/people/{other.admin.user_id}/{what}"
            answer = post(client, path, form_at="/administration/people", identity_check="VIDEO")
            assert answer.status_code == 403
    assert identity.get_account(other.admin.user_id).has_second_factor


def test_a_new_sign_in_ends_the_session_that_the_browser_had(client):
    first, second = people.make_vendor(), people.make_corporate()
    people.sign_in(client, first.admin)
    csrf = _csrf(client)
    client.post("/login", data={"email": second.admin.email, "password": people.PASSWORD, "csrf_token": csrf})
    assert second.name in client.get("/organization/own").text
    assert identity.list_sessions(first.admin.user_id) == []
