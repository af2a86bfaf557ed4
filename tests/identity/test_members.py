"""Inviting, joining, roles of members, and the last administrator."""

import io
import re
import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from karokar.identity import actions
from karokar.identity import queries as identity
from karokar.identity.models import Membership, User
from karokar.identity.rules import MEMBERSHIP_TRANSITIONS, MembershipStatus
from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope, acting_as
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
from karokar.outbox.drain import drain_all
from karokar.outbox.models import EventRow
from karokar.runs import worker
from tests.factories import people
from tests.identity.test_sign_in import post

NOBODY = Actor(name="Nobody yet")


def told(membership_id) -> list[str]:
    db.session.rollback()
    statement = select(EventRow.event_type).where(EventRow.aggregate_id == membership_id).order_by(EventRow.id)
    return list(db.session.scalars(statement))


def token_of(membership_id) -> str:
    return identity.sign_in_link("invitation", membership_id).rsplit("/", maxsplit=1)[-1]


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
        "other purpose": identity.sign_in_link("password_reset", invited.user_id).rsplit("/", maxsplit=1)[-1],
    }[change]
    assert client.get(f"/invitation/{forged}").status_code == 410
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
        actions.accept_invitation(link.rsplit("/", maxsplit=1)[-1], password="seven green kettles")
    assert db.session.get(User, invited.user_id).email_verified_at is None


def test_an_address_in_another_case_is_the_same_person(app):
    first, second = people.make_vendor(), people.make_corporate()
    member = people.add_member(second, "CORPORATE_ADMIN", email=first.admin.email.upper(), has_joined=False)
    assert member.user_id == first.admin.user_id
    with people.acting(second.admin), pytest.raises(RuleBroken) as refused:
        actions.invite_member(
            first_name="A", last_name="B", email=first.admin.email.title(), role_id=_role(second, "EMPLOYEE")
        )
    assert refused.value.fields == {"email": "This person is invited already."}
    assert db.session.scalar(select(func.count()).select_from(User).where(User.email == first.admin.email)) == 1


def test_who_has_an_account_joins_only_while_signed_in_as_themselves(app, client):
    first, second = people.make_vendor(), people.make_corporate()
    invited = people.add_member(second, "CORPORATE_ADMIN", email=first.admin.email, has_joined=False)
    path = f"/invitation/{token_of(invited.membership_id)}"
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
            first_name="X", last_name="Y", email=stranger.email, role_id=_role(vendor, "VENDOR_ADMIN")
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
    others = _role(company, "CORPORATE_ADMIN")
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
            if status in MEMBERSHIP_TRANSITIONS[verb][0]:
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


def _role(company, code):
    return next(role.id for role in identity.list_roles_to_give(company.id, company.type) if role.code == code)


# --- rights -----------------------------------------------------------------------------------------------------------


def test_a_revoked_right_is_gone_at_the_next_click(app: Flask, client):
    company = people.make_corporate()
    second = people.add_admin(company)
    people.sign_in(client, second)
    assert client.get("/identity/members").status_code == 200
    with people.acting(company.admin):
        actions.change_role(second.membership_id, role_id=_role(company, "EMPLOYEE"))
    assert client.get("/identity/members").status_code == 403


def test_the_last_active_administrator_can_be_neither_demoted_nor_suspended_nor_removed(app):
    company = people.make_corporate()
    second = people.add_admin(company)
    with people.acting(company.admin):
        actions.suspend_member(second.membership_id)
        for call in (
            lambda: actions.change_role(company.admin.membership_id, role_id=_role(company, "EMPLOYEE")),
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
    for role_id in (foreign.id, _role(vendor, "VENDOR_ADMIN")):
        with people.acting(company.admin), pytest.raises(RuleBroken) as refused:
            actions.invite_member(first_name="A", last_name="B", email="a@b.example", role_id=role_id)
        assert refused.value.code == "ROLE_NOT_GIVEN_HERE"


def test_a_suspended_organization_changes_no_members_and_still_shows_them(client):
    company = people.make_corporate(status="SUSPENDED")
    with people.acting(company.admin), pytest.raises(OrganizationNotActive):
        actions.invite_member(first_name="A", last_name="B", email="a@b.example", role_id=_role(company, "EMPLOYEE"))
    people.sign_in(client, company.admin)
    assert client.get("/identity/members").status_code == 200
    assert client.get("/identity/members/new").status_code == 409


# --- composed roles ---------------------------------------------------------------------------------------------------


def test_a_composed_role_gives_exactly_what_it_says(app):
    company = people.make_corporate()
    with people.acting(company.admin):
        actions.create_role(name="Travel desk", permissions=["booking.create:self", "vehicle.read"])
    member = people.add_member(company, "Travel desk")
    held = people.actor_of(member).permissions
    assert dict(held) == {"booking.create": Scope.SELF, "vehicle.read": Scope.MARKET}


@pytest.mark.parametrize("entry", ["booking.approve", "organization.approve", "no.such", "audit.read:self"])
def test_a_role_cannot_allow_what_its_type_does_not_have(app, entry):
    company = people.make_corporate()
    with people.acting(company.admin), pytest.raises(RuleBroken) as refused:
        actions.create_role(name="Too much", permissions=[entry])
    assert refused.value.code == "PERMISSION_NOT_GRANTABLE"


def test_who_manages_members_cannot_make_themselves_more_than_they_are(app):
    company = people.make_corporate()
    with people.acting(company.admin):
        actions.create_role(name="Front office", permissions=["employee.manage", "role.manage", "vehicle.read"])
        small = actions.create_role(name="Looks", permissions=["vehicle.read"])
        large = actions.create_role(name="Audits", permissions=["audit.read"])
    clerk = people.add_member(company, "Front office")
    with people.acting(clerk):
        for call, code in (
            (
                lambda: actions.change_role(clerk.membership_id, role_id=_role(company, "CORPORATE_ADMIN")),
                "ROLE_ABOVE_OWN",
            ),
            (
                lambda: actions.invite_member(first_name="A", last_name="B", email="a@b.example", role_id=large.id),
                "ROLE_ABOVE_OWN",
            ),
            (lambda: actions.suspend_member(company.admin.membership_id), "MEMBER_ABOVE_OWN"),
            (lambda: actions.create_role(name="More", permissions=["audit.read"]), "PERMISSION_ABOVE_OWN"),
            (lambda: actions.update_role(large.id, name="Audits", permissions=["vehicle.read"]), "ROLE_ABOVE_OWN"),
        ):
            with pytest.raises(RuleBroken) as refused:
                call()
            assert refused.value.code == code
        invited = actions.invite_member(first_name="A", last_name="B", email="a@b.example", role_id=small.id)
        actions.update_role(small.id, name="Looks", permissions=["vehicle.read", "employee.manage"])
    assert status_of(invited.id) == "INVITED"


def test_system_roles_cannot_be_changed_or_named_alike(app):
    company = people.make_corporate()
    with people.acting(company.admin):
        with pytest.raises(NotFound):
            actions.update_role(_role(company, "EMPLOYEE"), name="Mine", permissions=["vehicle.read"])
        with pytest.raises(RuleBroken):
            actions.create_role(name="corporate administrator", permissions=["vehicle.read"])


def test_two_roles_of_one_name_are_refused_with_a_sentence(any_app):
    company = people.make_corporate()
    with people.acting(company.admin):
        actions.create_role(name="Desk", permissions=["vehicle.read"])
        with pytest.raises(RuleBroken) as refused:
            actions.create_role(name="Desk", permissions=["vehicle.read"])
    assert refused.value.code == "ROLE_NAME_TAKEN"


def test_a_role_in_use_is_not_deleted_and_an_unused_one_is(app, client):
    company = people.make_corporate()
    with people.acting(company.admin):
        role = actions.create_role(name="Desk", permissions=["vehicle.read"])
    people.add_member(company, "Desk")
    with people.acting(company.admin):
        unused = actions.create_role(name="Unused", permissions=["vehicle.read"])
        with pytest.raises(StateConflict):
            actions.delete_role(role.id)
        actions.delete_role(unused.id)
    assert told(unused.id) == ["RoleCreated", "RoleDeleted"]


def test_a_role_is_composed_through_the_page(client):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    answer = post(
        client,
        "/identity/roles/new",
        **{"name": "Travel desk", "description": "Books", "may.vehicle.read": "own", "may.booking.create": "self"},
    )
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"]).text
    assert "Travel desk" in page
    rows = identity.list_role_rows(company.id, "CORPORATE")
    assert next(row for row in rows if row.role.name == "Travel desk").role.entries == (
        "booking.create:self",
        "vehicle.read",
    )


def test_the_effective_rights_page_says_what_and_through_which_role(client):
    company = people.make_corporate(employees=1)
    people.sign_in(client, company.admin)
    page = client.get(f"/identity/members/{company.employees[0].membership_id}").text
    assert "What" in page
    assert "their own" in page
    assert "Employee" in page


# --- from a file ------------------------------------------------------------------------------------------------------


def _upload(client, text: str):
    page = client.get("/identity/members/import").text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    data = {"csrf_token": token, "file": (io.BytesIO(text.encode()), "people.csv")}
    return client.post("/identity/members/import", data=data, content_type="multipart/form-data", follow_redirects=True)


def _confirm(client, checked):
    fields = {
        name: checked.text.split(f'name="{name}" value="')[-1].split('"')[0] for name in ("csrf_token", "expected")
    }
    return client.post(checked.request.path, data=fields)


def test_a_file_is_checked_first_and_a_run_then_invites_everybody(client):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    checked = _upload(client, "first_name,last_name,email\nAsha,Khan,asha@x.example\nRavi,Iyer,ravi@x.example\n")
    assert "2 of 2 rows can be imported" in checked.text
    assert identity.invitations_from(company.id) == 0
    answer = _confirm(client, checked)
    assert answer.status_code == 303
    worker.work()
    assert "Line 2: Asha Khan, asha@x.example" in client.get(answer.location).text
    assert identity.invitations_from(company.id) == 2


def test_every_wrong_cell_is_named_and_only_the_good_rows_are_invited(client):
    company = people.make_corporate(employees=1)
    people.sign_in(client, company.admin)
    checked = _upload(
        client,
        "first_name;last_name;email;role\n"
        "Asha;Khan;asha@x.example;Employee\n"
        "Ravi;Iyer;not an address;Employee\n"
        f"Mia;Berg;{company.employees[0].email.upper()};Employee\n"
        "Ida;Berg;ida@x.example;Captain\n"
        "Ash;Khan;ASHA@x.example;Employee\n",
    )
    assert "1 of 5 rows can be imported" in checked.text
    for reason in ("no e-mail address", "a member already", "no role “Captain”", "Line 2 has the same address"):
        assert reason in checked.text
    assert "C (email)" in checked.text
    assert "D (role)" in checked.text
    _confirm(client, checked)
    worker.work()
    db.session.rollback()
    assert identity.invitations_from(company.id) == 1


def test_a_role_that_allows_more_than_one_s_own_is_refused_in_the_file_as_in_the_form(client):
    company = people.make_corporate()
    with people.acting(company.admin):
        clerk = actions.create_role(name="Clerk", permissions=["employee.manage"])
    member = people.add_member(company, "EMPLOYEE")
    with people.acting(company.admin):
        actions.change_role(member.membership_id, role_id=clerk.id)
    people.sign_in(client, member)
    checked = _upload(client, "first_name,last_name,email,role\nAsha,Khan,asha@x.example,CORPORATE_ADMIN\n")
    assert "0 of 1 row can be imported" in checked.text
    assert "more than you may yourself" in checked.text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Choose a CSV file"),
        ("\x00\x01\x02", "This is no text file"),
        ("name,mail\nA,b@c.example\n", "This heading is not known"),
    ],
)
def test_a_file_that_is_none_gets_a_sentence(client, text, sentence):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    assert sentence in _upload(client, text).text


def test_the_applicant_is_invited_by_the_event(app):
    from karokar.organization import actions as organization

    made = organization.apply(
        name="Harbour Cars",
        type="VENDOR",
        time_zone="Europe/Berlin",
        first_name="Vera",
        last_name="Lind",
        email="Vera@Harbour.example",
    )
    drain_all()
    member = identity.list_members(made.id, status="INVITED")
    assert [(row.email, row.role) for row in member] == [("vera@harbour.example", "VENDOR_ADMIN")]
    drain_all()
    assert len(identity.list_members(made.id, status=None)) == 1


def test_whoever_invites_has_to_say_which_role(client):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    page = client.get("/identity/members/new").text
    offered = re.findall(r'<option(?: selected)? value="([^"]*)"', page)
    assert offered[0] == "", "an administrator must not be made by leaving the first choice"
    answer = post(
        client, "/identity/members/new", first_name="A", last_name="B", email="a@b.example", role_id="", phone=""
    )
    assert answer.status_code == 422
    assert "Choose a role." in answer.text
