"""Inviting, joining, roles of members, and the last administrator."""

import re
import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from karokar.identity import actions
from karokar.identity import queries as identity
from karokar.identity.models import Membership, User
from karokar.identity.rules import MEMBERSHIP_MACHINE, MembershipStatus
from karokar.kernel import clock
from karokar.kernel.actor import Actor, acting_as
from karokar.kernel.db import db
from karokar.kernel.errors import (
    DomainError,
    NotFound,
    OrganizationNotActive,
    PermissionDenied,
    RuleBroken,
    StaleVersion,
    StateConflict,
)
from karokar.outbox.delivery.drain import drain_all
from karokar.outbox.models import EventRow
from tests.factories import people
from tests.identity.test_sign_in import post

NOBODY = Actor(name="Nobody yet")


def told(membership_id) -> list[str]:
    db.session.rollback()
    statement = select(EventRow.event_type).where(EventRow.aggregate_id == membership_id).order_by(EventRow.id)
    return list(db.session.scalars(statement))


def token_of(membership_id) -> str:
    return identity.sign_in_link("invitation", membership_id).rsplit("=", maxsplit=1)[-1]


def status_of(membership_id) -> str:
    db.session.rollback()
    return db.session.get(Membership, membership_id, populate_existing=True).status


# --- invitations ------------------------------------------------------------------------------------------------------


def test_an_invited_person_chooses_a_password_joins_and_signs_in(client):
    company = people.make_corporate()
    invited = people.add_member(company, "EMPLOYEE", has_joined=False)
    link = identity.sign_in_link("invitation", invited.membership_id)
    path = link.removeprefix("http://localhost")
    assert company.name in client.get(path).text
    answer = post(client, path, password="seven green kettles", again="seven green kettles")
    assert answer.status_code == 303
    assert status_of(invited.membership_id) == "ACTIVE"
    assert told(invited.membership_id) == ["MemberInvited", "MemberJoined"]
    assert identity.check_password(invited.email, "seven green kettles").is_right


def test_an_invitation_works_once(client):
    company = people.make_corporate()
    invited = people.add_member(company, "EMPLOYEE", has_joined=False)
    path = identity.sign_in_link("invitation", invited.membership_id).removeprefix("http://localhost")
    post(client, path, password="seven green kettles", again="seven green kettles")
    again = client.get(path)
    assert again.status_code == 410
    assert "works no more" in again.text


def test_an_invitation_ends_after_a_week(client):
    company = people.make_corporate()
    invited = people.add_member(company, "EMPLOYEE", has_joined=False)
    path = identity.sign_in_link("invitation", invited.membership_id).removeprefix("http://localhost")
    with clock.standing_at(clock.now() + timedelta(days=7, minutes=1)):
        assert client.get(path).status_code == 410
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("change", ["x", "tail", "other purpose"])
def test_a_tampered_link_opens_nothing(client, change):
    company = people.make_corporate()
    invited = people.add_member(company, "EMPLOYEE", has_joined=False)
    token = token_of(invited.membership_id)
    forged = {
        "x": "x" + token[1:],
        # Not the very last sign: some of its bits are no part of what was signed.
        "tail": token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1],
        "other purpose": identity.sign_in_link("password_reset", invited.user_id).rsplit("=", maxsplit=1)[-1],
    }[change]
    assert client.get(f"/invitation?token={forged}").status_code == 410
    with acting_as(NOBODY), pytest.raises(StateConflict) as refused:
        actions.accept_invitation(forged, password="seven green kettles")
    assert refused.value.code == "LINK_ENDED"
    assert status_of(invited.membership_id) == "INVITED"


def test_an_invitation_sent_again_ends_the_former_link(app):
    company = people.make_corporate()
    invited = people.add_member(company, "EMPLOYEE", has_joined=False)
    former = token_of(invited.membership_id)
    with people.acting(company.admin):
        actions.resend_invitation(invited.membership_id)
    assert identity.find_invitation(former) is None
    assert identity.find_invitation(token_of(invited.membership_id)) is not None
    with people.acting(company.admin):
        actions.withdraw_invitation(invited.membership_id)
    assert identity.find_invitation(token_of(invited.membership_id)) is None
    assert told(invited.membership_id) == ["MemberInvited", "MemberInvited", "InvitationWithdrawn"]


def test_the_inviter_may_take_the_link_once_and_such_a_link_proves_no_mailbox(app):
    company = people.make_corporate()
    invited = people.add_member(company, "EMPLOYEE", has_joined=False)
    with people.acting(company.admin):
        link = actions.take_invitation_link(invited.membership_id)
        with pytest.raises(StateConflict) as refused:
            actions.take_invitation_link(invited.membership_id)
    assert refused.value.code == "LINK_TAKEN"
    with acting_as(NOBODY):
        actions.accept_invitation(link.rsplit("=", maxsplit=1)[-1], password="seven green kettles")
    assert db.session.get(User, invited.user_id).email_verified_at is None


def test_an_address_in_another_case_is_the_same_person(app):
    first, second = people.make_vendor(), people.make_corporate()
    member = people.add_member(second, "CORPORATE_ADMIN", email=first.admin.email.upper(), has_joined=False)
    assert member.user_id == first.admin.user_id
    with people.acting(second.admin), pytest.raises(RuleBroken) as refused:
        actions.invite_member(
            first_name="A", last_name="B", email=first.admin.email.title(), role_id=role_called(second, "EMPLOYEE")
        )
    assert refused.value.fields == {"email": "This person is invited already."}
    assert db.session.scalar(select(func.count()).select_from(User).where(User.email == first.admin.email)) == 1


def test_who_has_an_account_joins_only_while_signed_in_as_themselves(app, client):
    first, second = people.make_vendor(), people.make_corporate()
    invited = people.add_member(second, "CORPORATE_ADMIN", email=first.admin.email, has_joined=False)
    path = f"/invitation?token={token_of(invited.membership_id)}"
    assert "Sign in" in client.get(path).text
    with acting_as(NOBODY), pytest.raises(StateConflict) as refused:
        actions.accept_invitation(token_of(invited.membership_id), password="taken over by me")
    assert refused.value.code == "SIGN_IN_FIRST"
    assert identity.check_password(first.admin.email, people.PASSWORD).is_right
    people.sign_in(client, second.admin)
    assert "somebody else" in client.get(path).text
    people.sign_in(client, first.admin)
    assert post(client, path).status_code == 303
    assert second.name in client.get("/organization/own").text


def test_inviting_an_address_tells_nothing_about_who_has_it_until_they_join(app, client):
    """Else anybody could look up the name, phone and habits of another tenant's people."""
    vendor, company = people.make_vendor(), people.make_corporate(employees=1)
    stranger = company.employees[0]
    with people.acting(stranger):
        first, last = stranger.name.split(" ", 1)
        actions.update_profile(first_name=first, last_name=last, phone="+91 98 7654 3210")
    with people.acting(vendor.admin):
        invited = actions.invite_member(
            first_name="X", last_name="Y", email=stranger.email, role_id=role_called(vendor, "VENDOR_ADMIN")
        )
        link = actions.take_invitation_link(invited.id)
    people.sign_in(client, vendor.admin)
    user_id = invited.user_id
    drain_all()
    pages = [
        f"/identity/members/{invited.id}", "/identity/members", f"/identity/members?q={last}", f"/search?q={last}",
        f"/timeline/User/{user_id}", f"/timeline/User/{user_id}/download?format=csv", "/audit/", "/audit/export?format=csv",
        "/notification/mail", "/administration/events", link.removeprefix("http://localhost"),
    ]  # fmt: skip
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200, page
        shown = answer.text.replace(f"q={last}", "").replace(f'value="{last}"', "").replace(f"“{last}”", "")
        assert stranger.name not in shown, page
        assert "7654" not in shown, page
    mails = re.findall(r"/notification/mail/[0-9a-f-]{36}", client.get("/notification/mail").text)
    assert mails
    assert stranger.name not in "".join(client.get(page).text for page in mails)
    assert stranger.email in client.get("/identity/members").text
    assert stranger.email not in client.get(f"/identity/members?q={last}").text
    with people.acting(stranger):
        actions.accept_invitation(token_of(invited.id))
    assert stranger.name in client.get("/identity/members").text


def test_somebody_who_was_removed_can_be_invited_again(app):
    company = people.make_corporate(employees=1)
    employee = company.employees[0]
    with people.acting(company.admin):
        actions.remove_member(employee.membership_id)
    again = people.add_member(company, "EMPLOYEE", email=employee.email)
    assert again.membership_id == employee.membership_id
    assert status_of(again.membership_id) == "ACTIVE"


# --- every verb in every state ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [str(status) for status in MembershipStatus])
def test_each_verb_works_in_exactly_the_states_of_its_rule(app, status):
    company = people.make_corporate()
    others = role_called(company, "CORPORATE_ADMIN")
    verbs = {
        "resend": actions.resend_invitation,
        "withdraw": actions.withdraw_invitation,
        "suspend": actions.suspend_member,
        "reinstate": actions.reinstate_member,
        "remove": actions.remove_member,
        "change_role": lambda member: actions.change_role(member, role_id=others),
    }
    for verb, call in verbs.items():
        member = _member_in(company, status)
        before = told(member)
        with people.acting(company.admin):
            if MEMBERSHIP_MACHINE.can(status, verb):
                call(member)
                assert len(told(member)) == len(before) + 1, verb
            else:
                with pytest.raises(StateConflict):
                    call(member)
                assert told(member) == before, verb


def _member_in(company, status):
    member = people.add_member(company, "EMPLOYEE", has_joined=status != "INVITED")
    with people.acting(company.admin):
        if status == "SUSPENDED":
            actions.suspend_member(member.membership_id)
        if status == "REMOVED":
            actions.remove_member(member.membership_id)
    return member.membership_id


def role_called(company, code):
    return next(role.id for role in identity.list_roles_to_give(company.id, company.type) if role.code == code)


# --- rights -----------------------------------------------------------------------------------------------------------


def test_a_revoked_right_is_gone_at_the_next_click(app: Flask, client):
    company = people.make_corporate()
    second = people.add_admin(company)
    people.sign_in(client, second)
    assert client.get("/identity/members").status_code == 200
    with people.acting(company.admin):
        actions.change_role(second.membership_id, role_id=role_called(company, "EMPLOYEE"))
    assert client.get("/identity/members").status_code == 403


def test_the_last_active_administrator_can_be_neither_demoted_nor_suspended_nor_removed(app):
    company = people.make_corporate()
    second = people.add_admin(company)
    with people.acting(company.admin):
        actions.suspend_member(second.membership_id)
        for call in (
            lambda: actions.change_role(company.admin.membership_id, role_id=role_called(company, "EMPLOYEE")),
            lambda: actions.suspend_member(company.admin.membership_id),
            lambda: actions.remove_member(company.admin.membership_id),
        ):
            with pytest.raises(StateConflict) as refused:
                call()
            assert refused.value.code == "LAST_ADMIN"
        actions.reinstate_member(second.membership_id)
        actions.remove_member(company.admin.membership_id)
    assert identity.count_admins(company.id) == 1


def test_two_administrators_who_remove_each_other_at_once_do_not_both_succeed(any_app: Flask):
    company = people.make_corporate()
    second = people.add_admin(company)
    start = threading.Barrier(2)
    answers: list[str] = []

    def remove(by, other):
        with any_app.app_context(), people.acting(by):
            start.wait()
            try:
                actions.remove_member(other.membership_id)
                answers.append("removed")
            except DomainError as error:
                answers.append(error.code)
            db.session.remove()

    db.session.rollback()
    threads = [
        threading.Thread(target=remove, args=pair) for pair in ((company.admin, second), (second, company.admin))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 2
    assert answers.count("removed") == 1
    assert identity.count_admins(company.id) == 1


def test_a_stale_form_changes_nothing(app):
    company = people.make_corporate(employees=1)
    member = company.employees[0].membership_id
    version = db.session.get(Membership, member).version
    with people.acting(company.admin):
        actions.suspend_member(member, version=version)
        with pytest.raises(StaleVersion):
            actions.remove_member(member, version=version)
    assert status_of(member) == "SUSPENDED"


def test_another_organization_s_members_do_not_exist(app):
    mine, other = people.make_corporate(), people.make_corporate(employees=1)
    with people.acting(mine.admin):
        for call in (actions.suspend_member, actions.remove_member, identity.get_member_row):
            with pytest.raises(NotFound):
                call(other.employees[0].membership_id)


def test_an_employee_manages_nobody(app):
    company = people.make_corporate(employees=2)
    with people.acting(company.employees[0]), pytest.raises(PermissionDenied):
        actions.suspend_member(company.employees[1].membership_id)


def test_a_role_of_another_type_or_of_another_organization_cannot_be_given(app):
    company, vendor = people.make_corporate(), people.make_vendor()
    with people.acting(vendor.admin):
        foreign = actions.create_role(name="Counter staff", permissions=["vehicle.read"])
    for role_id in (foreign.id, role_called(vendor, "VENDOR_ADMIN")):
        with people.acting(company.admin), pytest.raises(RuleBroken) as refused:
            actions.invite_member(first_name="A", last_name="B", email="a@b.example", role_id=role_id)
        assert refused.value.code == "ROLE_NOT_GIVEN_HERE"


def test_a_suspended_organization_changes_no_members_and_still_shows_them(client):
    company = people.make_corporate(status="SUSPENDED")
    with people.acting(company.admin), pytest.raises(OrganizationNotActive):
        actions.invite_member(
            first_name="A", last_name="B", email="a@b.example", role_id=role_called(company, "EMPLOYEE")
        )
    people.sign_in(client, company.admin)
    assert client.get("/identity/members").status_code == 200
    assert client.get("/identity/members/new").status_code == 409
