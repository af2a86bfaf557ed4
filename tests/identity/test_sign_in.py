"""Signing in and out, through the pages."""

import re
import threading
from datetime import timedelta

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from karokar.identity import actions
from karokar.identity import queries as identity
from karokar.identity.models import UserSession
from karokar.identity.rules import tokens
from karokar.kernel import clock
from karokar.kernel.actor import Actor, acting_as
from karokar.kernel.db import db
from karokar.web.requests.limits import limiter
from tests.factories import people

WRONG = "do not belong together"


@pytest.fixture(autouse=True)
def _nobody_tried_before(app):
    limiter.reset()


def token_in(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, page[:500]
    return found[1]


def post(client: FlaskClient, path: str, *, form_at: str = "", **fields: str):
    """Send a form as a browser would: with the token of the page that shows it."""
    page = client.get(form_at or path).get_data(as_text=True)
    return client.post(path, data={**fields, "csrf_token": token_in(page)})


def sign_in(client: FlaskClient, email: str, password: str = people.PASSWORD, **fields: str):
    return post(client, "/login", email=email, password=password, **fields)


def is_in(client: FlaskClient) -> bool:
    return client.get("/account/profile").status_code == 200


def events(name: str) -> int:
    from karokar.outbox.models import EventRow

    db.session.rollback()
    return len(list(db.session.scalars(select(EventRow).where(EventRow.event_type == name))))


def test_a_member_signs_in_with_address_and_password_in_any_case(client):
    vendor = people.make_vendor()
    answer = sign_in(client, vendor.admin.email.upper())
    assert answer.status_code == 303
    assert is_in(client)
    assert events("UserLoggedIn") == 1


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(client):
    vendor = people.make_vendor()
    wrong = sign_in(client, vendor.admin.email, "not this one at all")
    unknown = sign_in(client, "nobody@example.com", "not this one at all")
    assert wrong.status_code == unknown.status_code == 422
    assert WRONG in wrong.text
    assert WRONG in unknown.text
    assert not is_in(client)
    assert events("UserLoginFailed") == 2


def test_an_unknown_address_costs_a_hash_like_a_known_one(app, monkeypatch):
    from argon2 import PasswordHasher

    verified = []
    original = PasswordHasher.verify

    def counted(self, kept, password):
        verified.append(password)
        return original(self, kept, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    identity.check_password("nobody@example.com", "anything")
    assert verified == ["anything"]


def test_signing_in_changes_the_session_and_leaves_nothing_of_the_former(client):
    vendor = people.make_vendor()
    sign_in(client, vendor.admin.email)
    with client.session_transaction() as session:
        first = session["_user_id"]
        session["left over"] = "from before"
    post(client, "/logout", form_at="/account/profile")
    sign_in(client, vendor.admin.email)
    with client.session_transaction() as session:
        assert session["_user_id"] != first
        assert "left over" not in session


def test_a_session_that_was_signed_out_is_worth_nothing_even_to_who_kept_the_cookie(client):
    vendor = people.make_vendor()
    sign_in(client, vendor.admin.email)
    with client.session_transaction() as session:
        kept = dict(session)
    post(client, "/logout", form_at="/account/profile")
    with client.session_transaction() as session:
        session.update(kept)
    assert not is_in(client)


def test_the_cookie_s_secret_is_not_in_the_database(client):
    vendor = people.make_vendor()
    sign_in(client, vendor.admin.email)
    with client.session_transaction() as session:
        secret = session["_user_id"]
    stored = db.session.scalars(select(UserSession)).one()
    assert secret not in {stored.token_hash, str(stored.id)}
    assert stored.token_hash == tokens.fingerprint(secret)


def test_a_session_ends_by_itself_when_it_is_not_used(client):
    vendor = people.make_vendor()
    sign_in(client, vendor.admin.email)
    with clock.standing_at(clock.now() + timedelta(hours=11)):
        assert is_in(client)
    with clock.standing_at(clock.now() + timedelta(hours=24)):
        assert not is_in(client)


def test_a_session_ends_after_a_week_however_much_it_is_used(client):
    vendor = people.make_vendor()
    sign_in(client, vendor.admin.email)
    start = clock.now()
    for hours in range(0, 7 * 24, 11):
        with clock.standing_at(start + timedelta(hours=hours)):
            assert is_in(client)
    with clock.standing_at(start + timedelta(days=7, minutes=1)):
        assert not is_in(client)


def test_changing_the_password_ends_every_other_session(app: Flask, client):
    vendor = people.make_vendor()
    other = app.test_client()
    sign_in(client, vendor.admin.email)
    sign_in(other, vendor.admin.email)
    answer = post(
        client,
        "/account/password",
        current=people.PASSWORD,
        new="another long sentence",
        again="another long sentence",
    )
    assert answer.status_code == 303
    assert is_in(client)
    assert not is_in(other)
    assert events("SessionsEnded") == 1


def test_too_many_wrong_passwords_are_refused_for_the_account_and_right_ones_are_not_counted(client):
    vendor = people.make_vendor()
    for _ in range(3):
        assert sign_in(client, vendor.admin.email).status_code == 303
        post(client, "/logout", form_at="/account/profile")
    for _ in range(5):
        assert sign_in(client, vendor.admin.email, "wrong wrong wrong").status_code == 422
    assert sign_in(client, vendor.admin.email).status_code == 429
    assert sign_in(client, "somebody.else@example.com", "wrong wrong wrong").status_code == 422


def test_a_person_with_a_second_factor_is_asked_for_a_code(client):
    vendor = people.make_vendor()
    secret = people.enrol(vendor.admin)
    answer = sign_in(client, vendor.admin.email, next="/identity/members")
    assert answer.headers["Location"] == "/login/code"
    assert not is_in(client)
    assert post(client, "/login/code", code="000000").status_code == 422
    entered = post(client, "/login/code", code=pyotp.TOTP(secret).at(clock.now()))
    assert entered.headers["Location"] == "/identity/members"
    assert is_in(client)


def test_a_code_is_accepted_once(app: Flask, client):
    vendor = people.make_vendor()
    secret = people.enrol(vendor.admin)
    code = pyotp.TOTP(secret).at(clock.now())
    sign_in(client, vendor.admin.email)
    assert post(client, "/login/code", code=code).status_code == 303
    thief = app.test_client()
    sign_in(thief, vendor.admin.email)
    assert post(thief, "/login/code", code=code).status_code == 422


def test_a_recovery_code_opens_the_door_once(app: Flask, client):
    vendor = people.make_vendor()
    people.enrol(vendor.admin)
    with people.acting(vendor.admin):
        codes = actions.renew_recovery_codes(password=people.PASSWORD)
    sign_in(client, vendor.admin.email)
    assert post(client, "/login/code", code=codes[0].upper().replace("-", " ")).status_code == 303
    assert identity.count_recovery_codes(vendor.admin.user_id) == 9
    again = app.test_client()
    sign_in(again, vendor.admin.email)
    assert post(again, "/login/code", code=codes[0]).status_code == 422


def test_a_right_password_waits_ten_minutes_for_its_second_factor(client):
    vendor = people.make_vendor()
    secret = people.enrol(vendor.admin)
    sign_in(client, vendor.admin.email)
    later = clock.now() + timedelta(minutes=11)
    with clock.standing_at(later):
        answer = client.get("/login/code")
    assert answer.headers["Location"] == "/login"
    assert not is_in(client)
    assert secret


def test_a_platform_administrator_has_to_set_up_a_second_factor_first(client):
    with people.as_system():
        actions.create_platform_admin(
            email="pat@karokar.example", first_name="Pat", last_name="Form", password=people.PASSWORD
        )
    assert sign_in(client, "pat@karokar.example").headers["Location"] == "/login/enrol"
    page = client.get("/login/enrol").text
    secret = re.search(r"<code[^>]*>([A-Z2-7]{16,})</code>", page)
    assert secret
    assert not is_in(client)
    answer = post(client, "/login/enrol", code=pyotp.TOTP(secret[1]).at(clock.now()))
    assert answer.status_code == 200
    assert len(re.findall(r"\w{4}-\w{4}-\w{4}", answer.text)) >= 10
    assert "no-store" in answer.headers["Cache-Control"]
    assert is_in(client)


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/x", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_never_leads_to_another_site(client, elsewhere):
    vendor = people.make_vendor()
    assert sign_in(client, vendor.admin.email, next=elsewhere).headers["Location"] == "/"


def test_a_form_without_its_token_signs_nobody_in(client):
    vendor = people.make_vendor()
    client.get("/login")
    answer = client.post("/login", data={"email": vendor.admin.email, "password": people.PASSWORD})
    assert answer.status_code == 403
    assert not is_in(client)


def test_one_person_signs_in_from_many_places_at_once(any_app: Flask):
    vendor = people.make_vendor()
    mark = identity.check_password(vendor.admin.email, people.PASSWORD).mark
    db.session.rollback()
    start = threading.Barrier(6)
    opened: list[object] = []

    def enter():
        with any_app.app_context(), acting_as(Actor(name="Nobody yet")):
            start.wait()
            try:
                opened.append(
                    actions.open_session(vendor.admin.user_id, mark=mark, device="A phone", address="127.0.0.1")
                )
            except Exception as error:
                opened.append(error)
            db.session.remove()

    threads = [threading.Thread(target=enter) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [kind for kind in opened if not isinstance(kind, str)] == []
    assert len(identity.list_sessions(vendor.admin.user_id)) == 6


def test_a_suspended_member_of_one_organization_acts_for_their_other_one(app: Flask, client):
    first, second = people.make_vendor(), people.make_corporate()
    twice = people.add_member(second, "CORPORATE_ADMIN", email=first.admin.email)
    other_admin = people.add_admin(first)
    people.sign_in(client, first.admin)
    assert first.name in client.get("/organization/own").text
    with people.acting(other_admin):
        actions.suspend_member(first.admin.membership_id)
    page = client.get("/organization/own").text
    assert second.name in page
    with people.acting(second.admin):
        actions.remove_member(twice.membership_id)
    assert not is_in(client)


def test_one_person_switches_between_their_organizations(client):
    first, second = people.make_vendor(), people.make_corporate()
    people.add_member(second, "CORPORATE_ADMIN", email=first.admin.email)
    sign_in(client, first.admin.email)
    assert first.name in client.get("/organization/own").text
    post(client, "/switch", form_at="/account/profile", organization_id=str(second.id))
    assert second.name in client.get("/organization/own").text


def test_nobody_switches_to_an_organization_that_is_not_theirs(client):
    first, second = people.make_vendor(), people.make_corporate()
    sign_in(client, first.admin.email)
    answer = post(client, "/switch", form_at="/account/profile", organization_id=str(second.id))
    assert answer.status_code == 404
    assert first.name in client.get("/organization/own").text


@pytest.mark.parametrize("path", ["/", "/account/profile", "/organization/own", "/fleet/", "/no-such-page"])
def test_every_page_offers_to_sign_out(client, path):
    people.sign_in(client, people.make_vendor().admin)
    page = client.get(path).text
    assert re.search(r'<form method="post" action="/logout">.*?Sign out</button>', page, re.DOTALL), path
