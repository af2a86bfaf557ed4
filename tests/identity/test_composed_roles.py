"""Roles that an organization composes for its people."""

import pytest

from karokar.identity import actions
from karokar.identity import queries as identity
from karokar.kernel.actor import Scope
from karokar.kernel.errors import (
    NotFound,
    RuleBroken,
    StateConflict,
)
from tests.factories import people
from tests.identity.test_members import role_called, status_of, told
from tests.identity.test_sign_in import post


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
                lambda: actions.change_role(clerk.membership_id, role_id=role_called(company, "CORPORATE_ADMIN")),
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
            actions.update_role(role_called(company, "EMPLOYEE"), name="Mine", permissions=["vehicle.read"])
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
