"""An address that was invited is no account, and nobody can find out from it who has one."""

import re

import pytest

from karokar.identity import actions
from karokar.identity import queries as identity
from karokar.identity.models import User
from karokar.kernel.db import db
from karokar.kernel.errors import RuleBroken, StateConflict
from karokar.outbox.delivery.drain import drain_all
from karokar.web.requests.limits import limiter
from tests.factories import people
from tests.identity.test_members import NOBODY, acting_as, role_called, status_of, token_of
from tests.identity.test_sign_in import WRONG, events, post, sign_in

GOOD = "seven green kettles"


@pytest.fixture(autouse=True)
def _nobody_tried_before(app):
    limiter.reset()


@pytest.fixture
def addresses(app):
    """An address that has an account, and one that has none, both invited by somebody who has nothing to do with
    them.
    """
    vendor, company = people.make_vendor(), people.make_corporate(employees=1)
    made = []
    for email in (company.employees[0].email, "nobody@elsewhere.example"):
        with people.acting(vendor.admin):
            invited = actions.invite_member(
                first_name="Typed", last_name="Name", email=email, role_id=role_called(vendor, "VENDOR_ADMIN")
            )
        made.append((email, invited.id))
    return made


def shown(text: str, email: str) -> str:
    """Return a page without what differs by the person who asks, or by the moment."""
    without_tokens = re.sub(r'(token(?:=|%3D)|value="|datetime=")[^"&]+', r"\1", text.replace(email, "ADDRESS"))
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", without_tokens)


def test_the_page_of_a_link_is_the_same_for_an_address_with_an_account_and_for_one_without(app, addresses):
    pages = [shown(app.test_client().get(f"/invitation?token={token_of(id_)}").text, email) for email, id_ in addresses]
    assert pages[0] == pages[1]
    assert "Typed" not in pages[0]
    assert "Sign in" in pages[0]
    assert "Choose a password" in pages[0]


@pytest.mark.parametrize(
    ("password", "again"),
    [("", ""), ("short", "short"), (GOOD, "seven red kettles"), ("password1234", "password1234"), ("karokar karokar", "karokar karokar")],
)  # fmt: skip
def test_a_password_that_is_refused_does_not_tell_who_has_an_account(app, addresses, password, again):
    answers = []
    for email, id_ in addresses:
        answer = post(app.test_client(), f"/invitation?token={token_of(id_)}", password=password, again=again)
        answers.append((answer.status_code, shown(answer.text, email)))
        assert status_of(id_) == "INVITED"
    assert answers[0] == answers[1]
    assert answers[0][0] == 422


def test_nobody_joins_for_somebody_who_has_an_account_by_choosing_a_password(app, addresses):
    email, id_ = addresses[0]
    answer = post(app.test_client(), f"/invitation?token={token_of(id_)}", password=GOOD, again=GOOD)
    assert "first, then open the link again" in answer.text
    assert status_of(id_) == "INVITED"
    assert identity.check_password(email, people.PASSWORD).is_right


def test_an_invited_address_cannot_sign_in_and_is_answered_like_an_unknown_one(app, addresses):
    texts = []
    for email in (addresses[1][0], "unknown@elsewhere.example"):
        answer = sign_in(app.test_client(), email)
        assert WRONG in answer.text
        texts.append(shown(answer.text, email))
    assert texts[0] == texts[1]
    for password in ("", people.PASSWORD):
        assert not identity.check_password(addresses[1][0], password).is_right


def test_an_invited_address_gets_no_link_for_a_new_password(app, addresses):
    actions.request_password_reset(addresses[1][0])
    assert actions.answer_reset_requests() == 1
    assert events("PasswordResetRequested") == 0


def test_an_invited_address_acts_for_nobody_and_is_no_member(app, addresses):
    person = identity.find_person_by_email(addresses[1][0])
    assert identity.list_memberships_of(person.id) == []
    drain_all()
    made = app.test_cli_runner().invoke(args=["identity", "create-token", addresses[1][0]])
    assert made.exit_code == 1


def test_an_address_that_somebody_invited_can_still_become_the_platform_s_administrator(any_app):
    company = people.make_corporate()
    invited = people.add_member(company, "EMPLOYEE", email="pat@karokar.example", has_joined=False)
    actions.create_platform_admin(email="pat@karokar.example", first_name="Pat", last_name="Form", password=GOOD)
    assert identity.check_password("pat@karokar.example", GOOD).is_right
    assert db.session.get(User, invited.user_id).name == "Pat Form"
    with pytest.raises(RuleBroken) as refused:
        actions.create_platform_admin(email="pat@karokar.example", first_name="P", last_name="F")
    assert "has an account already" in refused.value.sentence


def test_an_open_invitation_to_the_platform_is_not_called_an_account(any_app):
    people.make_corporate()
    actions.create_platform_admin(email="pat@karokar.example", first_name="Pat", last_name="Form")
    with pytest.raises(RuleBroken) as refused:
        actions.create_platform_admin(email="pat@karokar.example", first_name="Pat", last_name="Form")
    assert "is invited to the platform already" in refused.value.sentence


def test_who_was_invited_twice_joins_the_second_time_with_the_account_of_the_first(app, client):
    first, second = people.make_corporate(), people.make_corporate()
    one = people.add_member(first, "EMPLOYEE", email="new@elsewhere.example", has_joined=False)
    two = people.add_member(second, "EMPLOYEE", email="new@elsewhere.example", has_joined=False)
    assert (
        post(client, f"/invitation?token={token_of(one.membership_id)}", password=GOOD, again=GOOD).status_code == 303
    )
    with acting_as(NOBODY), pytest.raises(StateConflict) as refused:
        actions.accept_invitation(token_of(two.membership_id), password="another green kettle")
    assert refused.value.code == "SIGN_IN_FIRST"
    sign_in(client, "new@elsewhere.example", GOOD)
    assert post(client, f"/invitation?token={token_of(two.membership_id)}").status_code == 303
    assert status_of(two.membership_id) == "ACTIVE"
