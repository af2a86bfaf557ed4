"""What the database holds of second factors helps nobody who reads it; the key can be changed without anybody noticing."""

import dataclasses

import pyotp
import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import select, text

from karokar.identity import actions
from karokar.identity.models import RecoveryCode, User
from karokar.identity.queries.access import password_mark
from karokar.identity.rules import tokens
from karokar.kernel import clock
from karokar.kernel.actor import Actor, acting_as
from karokar.kernel.db import db
from tests.factories import people

FORMER, TODAY = "Former-Zq7xV1mB9sLkT4wRnC8yH2pGf", "Today-xV1mB9sLkT4wRnC8yH2pGfD6jA"


def use_keys(app: Flask, monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    config = dataclasses.replace(app.config["KAROKAR"], secret_key=keys[0], secret_key_fallbacks=keys[1:])
    monkeypatch.setitem(app.config, "KAROKAR", config)
    monkeypatch.setitem(app.config, "SECRET_KEY", keys[0])
    monkeypatch.setitem(app.config, "SECRET_KEY_FALLBACKS", list(keys[1:]))
    db.session.remove()


def stored_seed(user_id) -> str:
    db.session.remove()
    rows = db.session.execute(select(User.id, text("totp_secret")).select_from(User)).all()
    return {row[0]: row[1] for row in rows}[user_id]


def opens(user_id, code: str) -> bool:
    user = db.session.get(User, user_id, populate_existing=True)
    with acting_as(Actor(name="Nobody yet")):
        return actions.open_session(user_id, mark=password_mark(user), device="A", address="1", code=code) is not None


def codes_of(somebody: people.Somebody) -> list[str]:
    with people.acting(somebody):
        return actions.renew_recovery_codes(password=people.PASSWORD)


def test_seeds_are_encrypted_in_the_database_and_work(any_app):
    admin = people.make_corporate().admin
    seed = people.enrol(admin)
    assert seed not in stored_seed(admin.user_id)
    assert opens(admin.user_id, pyotp.TOTP(seed).at(clock.now()))


def test_after_a_change_of_key_seeds_work_and_are_sealed_anew_until_the_former_key_can_go(any_app, monkeypatch):
    use_keys(any_app, monkeypatch, FORMER)
    admin = people.make_corporate().admin
    seed = people.enrol(admin)
    before = stored_seed(admin.user_id)
    use_keys(any_app, monkeypatch, TODAY, FORMER)
    assert actions.renew_seals() > 0
    assert actions.renew_seals() == 0
    assert stored_seed(admin.user_id) != before
    use_keys(any_app, monkeypatch, TODAY)
    assert opens(admin.user_id, pyotp.TOTP(seed).at(clock.now()))


def test_without_the_former_key_no_code_opens_the_account_but_a_recovery_code(app, monkeypatch):
    use_keys(app, monkeypatch, FORMER)
    admin = people.make_corporate().admin
    seed = people.enrol(admin)
    codes = codes_of(admin)
    use_keys(app, monkeypatch, TODAY)
    now = clock.now()
    assert not opens(admin.user_id, pyotp.TOTP(seed).at(now))
    assert actions.renew_seals() == 0
    assert opens(admin.user_id, codes[0])


def test_sessions_and_links_of_the_former_key_go_on_for_a_while_and_end_with_it(app, client, monkeypatch):
    from karokar.identity import queries

    use_keys(app, monkeypatch, FORMER)
    company = people.make_corporate()
    invited = people.add_member(company, "EMPLOYEE", has_joined=False)
    token = queries.sign_in_link("invitation", invited.membership_id).rsplit("=", 1)[-1]
    people.sign_in(client, company.admin)
    assert isinstance(app.session_interface, SecureCookieSessionInterface)
    use_keys(app, monkeypatch, TODAY, FORMER)
    assert client.get("/account/profile").status_code == 200
    assert queries.find_invitation(token) is not None
    use_keys(app, monkeypatch, "Another-V1mB9sLkT4wRnC8yH2pGfD6jA", TODAY)
    assert queries.find_invitation(token) is None
    use_keys(app, monkeypatch, FORMER)
    assert queries.find_invitation(token) is not None


def test_a_session_ends_with_the_key_that_signed_it(app, client, monkeypatch):
    use_keys(app, monkeypatch, FORMER)
    people.sign_in(client, people.make_corporate().admin)
    assert client.get("/account/profile").status_code == 200
    use_keys(app, monkeypatch, TODAY)
    assert client.get("/account/profile").status_code == 303


def test_recovery_codes_are_hashed_slowly_and_differ_for_the_same_code_of_another_person(any_app):
    admin = people.make_corporate().admin
    people.enrol(admin)
    code = codes_of(admin)[0]
    kept = db.session.scalars(select(RecoveryCode.code_hash).where(RecoveryCode.user_id == admin.user_id)).all()
    assert all(each.startswith("argon2id$") for each in kept)
    assert tokens.fingerprint(code) not in " ".join(kept)
    assert opens(admin.user_id, code.upper().replace("-", " "))
    assert not opens(admin.user_id, code)


def test_codes_of_earlier_versions_work_and_the_clock_hashes_them_slowly(any_app):
    admin = people.make_corporate().admin
    people.enrol(admin)
    first, second, *_ = codes_of(admin)
    rows = db.session.scalars(select(RecoveryCode).where(RecoveryCode.user_id == admin.user_id)).all()
    for code, row in zip((first, second), rows, strict=False):
        row_id, quick = row.id, tokens.fingerprint(code)
        db.session.remove()
        with db.engine.begin() as connection:
            table = RecoveryCode.__table__
            connection.execute(table.update().where(table.c.id == row_id).values(code_hash=quick))
    assert opens(admin.user_id, first)
    assert actions.protect_recovery_codes() >= 1
    assert actions.protect_recovery_codes() == 0
    assert opens(admin.user_id, second)
