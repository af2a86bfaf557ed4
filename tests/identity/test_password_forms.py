"""A password is the same one however a keyboard composes its letters."""

from unicodedata import normalize

import pytest
from sqlalchemy import select, update

from karokar.identity import actions
from karokar.identity import queries as identity
from karokar.identity.models import User
from karokar.identity.rules import passwords
from karokar.kernel.actor import acting_as
from karokar.kernel.db import db, transaction
from karokar.web.requests.limits import limiter
from tests.factories import people
from tests.identity.test_sign_in import is_in, post, sign_in

COMPOSED = normalize("NFC", "grüne Äpfel in Łódź")
DECOMPOSED = normalize("NFD", COMPOSED)
FULL_WIDTH = "ｇｒｅｅｎ　ｋｅｔｔｌｅｓ　ｈｅｒｅ"
FORMS = [
    pytest.param(COMPOSED, DECOMPOSED, id="composed first"),
    pytest.param(DECOMPOSED, COMPOSED, id="decomposed first"),
    pytest.param(FULL_WIDTH, "green kettles here", id="full width"),
    pytest.param("한국어 비밀번호 열두자리", normalize("NFD", "한국어 비밀번호 열두자리"), id="Hangul"),
]


@pytest.fixture(autouse=True)
def _nobody_tried_before(app):
    limiter.reset()


def stored_hash(user_id) -> str:
    db.session.rollback()
    return db.session.scalars(select(User.password_hash).where(User.id == user_id)).one()


def keep_raw_hash(user_id, password: str) -> None:
    """Store the hash as it was made before passwords were normalized."""
    made = passwords._hasher(True).hash(password)
    with transaction() as session:
        session.execute(update(User).where(User.id == user_id).values(password_hash=made))


@pytest.mark.parametrize(("chosen", "typed"), FORMS)
def test_a_password_opens_in_whichever_form_it_is_typed(client, chosen, typed):
    vendor = people.make_vendor()
    sign_in(client, vendor.admin.email)
    fields = {"current": people.PASSWORD, "new": chosen, "again": typed if typed != "green kettles here" else chosen}
    assert post(client, "/account/password", **fields).status_code == 303
    client.post("/logout")
    client.delete_cookie("session")
    assert sign_in(client, vendor.admin.email, typed).status_code == 303
    assert is_in(client)


@pytest.mark.parametrize(("chosen", "typed"), FORMS[:2])
def test_an_old_hash_opens_in_both_forms_and_is_made_anew(client, chosen, typed):
    vendor = people.make_vendor()
    keep_raw_hash(vendor.admin.user_id, chosen)
    before = stored_hash(vendor.admin.user_id)
    assert sign_in(client, vendor.admin.email, typed).status_code == 303
    assert is_in(client)
    after = stored_hash(vendor.admin.user_id)
    assert (after != before) is (chosen != passwords.normal(chosen))
    assert identity.check_password(vendor.admin.email, chosen).is_right
    assert not identity.check_password(vendor.admin.email, chosen).needs_new_hash


def test_a_hash_is_not_made_anew_over_a_password_that_was_changed_meanwhile(app):
    vendor = people.make_vendor()
    keep_raw_hash(vendor.admin.user_id, DECOMPOSED)
    check = identity.check_password(vendor.admin.email, COMPOSED)
    assert check.needs_new_hash
    keep_raw_hash(vendor.admin.user_id, "seven other kettles")
    assert actions.renew_hash(vendor.admin.user_id, COMPOSED, mark=check.mark) == check.mark
    assert identity.check_password(vendor.admin.email, "seven other kettles").is_right


def test_a_wrong_password_stays_wrong_in_every_form(app):
    vendor = people.make_vendor()
    keep_raw_hash(vendor.admin.user_id, DECOMPOSED)
    assert not identity.check_password(vendor.admin.email, COMPOSED.replace("ü", "u")).is_right
    assert not identity.check_password(vendor.admin.email, COMPOSED.upper()).is_right


def test_an_old_hash_is_enough_where_a_password_confirms_something(app):
    vendor = people.make_vendor()
    keep_raw_hash(vendor.admin.user_id, DECOMPOSED)
    with acting_as(people.actor_of(vendor.admin)):
        actions.change_password(current=COMPOSED, new="seven other kettles", kept_session_id=None)
    assert identity.check_password(vendor.admin.email, "seven other kettles").is_right
