"""Who is told of what: each row of the matrix, by something that really happens and is really delivered.

A row of the matrix in code without a story here fails, and so does a story of a row that the matrix lacks.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from karokar.assignment import actions as assignments
from karokar.audit.actions import note_verification
from karokar.audit.rules import Finding
from karokar.availability import actions as calendars
from karokar.availability import queries as availability
from karokar.booking import actions as bookings
from karokar.booking.actions import clock_jobs
from karokar.events.handlers import HANDLERS
from karokar.fleet import actions as fleet
from karokar.identity import actions as identity_actions
from karokar.identity import queries as identity
from karokar.kernel import clock
from karokar.kernel.actor import SYSTEM, Actor, acting_as
from karokar.kernel.db import db
from karokar.notification.models import Notification
from karokar.notification.rules.matrix import MATRIX
from karokar.organization import actions as organizations
from karokar.outbox.delivery.drain import drain_all
from karokar.verification import actions as verifications
from tests.factories import booking as make
from tests.factories import people
from tests.factories.booking import NOON, World, hours
from tests.factories.handlers import Planted

BOTH, ALERT, MAIL = ("IN_APP", "EMAIL"), ("IN_APP",), ("EMAIL",)
Told = set[tuple[UUID | None, str]]
Story = Callable[[World], Told]
STORIES: dict[str, Story] = {}


def story(event: str) -> Callable[[Story], Story]:
    def tell(function: Story) -> Story:
        STORIES[event] = function
        return function

    return tell


def on(channels: tuple[str, ...], *whom: Actor | UUID) -> Told:
    """These people on these channels."""
    return {(one.user_id if isinstance(one, Actor) else one, channel) for one in whom for channel in channels}


def both_sides(world: World) -> tuple[Actor, Actor]:
    return world.vendor_admin, world.company_admin


# --- accounts ---------------------------------------------------------------------------------------------------------


def invited(world: World) -> tuple[UUID, UUID]:
    """Somebody whom the company invited: the membership and the person."""
    roles = identity.list_roles_to_give(world.company, "CORPORATE")
    role_id = next(role.id for role in roles if role.code == "EMPLOYEE")
    with acting_as(world.company_admin):
        made = identity_actions.invite_member(
            first_name="Asha", last_name="Khan", email="asha@meridian.example", role_id=role_id
        )
    return made.id, made.user_id


def joined(world: World) -> UUID:
    membership_id, user_id = invited(world)
    token = identity.sign_in_link("invitation", membership_id).rsplit("=", maxsplit=1)[-1]
    with acting_as(Actor(name="Nobody yet")):
        identity_actions.accept_invitation(token, password=people.PASSWORD)
    return user_id


@story("MemberInvited")
def _(world: World) -> Told:
    return on(MAIL, invited(world)[1])


@story("MemberJoined")
def _(world: World) -> Told:
    return on(MAIL, joined(world))


@story("PasswordResetRequested")
def _(world: World) -> Told:
    user_id = joined(world)
    with acting_as(Actor(name="Nobody yet")):
        identity_actions.request_password_reset("asha@meridian.example")
    identity_actions.answer_reset_requests()
    return on(MAIL, user_id)


def asha(world: World) -> Actor:
    return Actor(user_id=joined(world), organization_id=world.company, name="Asha Khan")


def sign_in(whom: Actor, **given: str) -> None:
    mark = identity.check_password("asha@meridian.example", people.PASSWORD).mark
    with acting_as(Actor(name="Nobody yet")):
        assert identity_actions.open_session(whom.user_id, mark=mark, device="A phone", address="127.0.0.1", **given)


@story("PasswordChanged")
def _(world: World) -> Told:
    return on(MAIL, joined(world))


@story("TwoFactorEnabled")
def _(world: World) -> Told:
    person = asha(world)
    people.enrol(person)
    return on(MAIL, person)


@story("TwoFactorDisabled")
def _(world: World) -> Told:
    person = asha(world)
    people.enrol(person)
    with acting_as(person):
        identity_actions.disable_second_factor(password=people.PASSWORD)
    return on(MAIL, person)


@story("RecoveryCodesRenewed")
def _(world: World) -> Told:
    person = asha(world)
    people.enrol(person)
    with acting_as(person):
        codes = identity_actions.renew_recovery_codes(password=people.PASSWORD)
    sign_in(person, code=codes[0])
    return on(MAIL, person)


@story("ApiTokenCreated")
def _(world: World) -> Told:
    with acting_as(world.company_admin):
        identity_actions.create_token(name="Export", permissions=["vehicle.read"], days=30)
    return on(MAIL, world.company_admin)


@story("NewBrowserSignedIn")
def _(world: World) -> Told:
    person = asha(world)
    # Nobody is warned of the first sign-in ever.
    sign_in(person)
    sign_in(person)
    return on(MAIL, person)


@story("MemberRoleChanged")
def _(world: World) -> Told:
    membership_id, user_id = invited(world)
    token = identity.sign_in_link("invitation", membership_id).rsplit("=", maxsplit=1)[-1]
    with acting_as(Actor(name="Nobody yet")):
        identity_actions.accept_invitation(token, password=people.PASSWORD)
    roles = identity.list_roles_to_give(world.company, "CORPORATE")
    with acting_as(world.company_admin):
        admin = next(role.id for role in roles if role.code == "CORPORATE_ADMIN")
        identity_actions.change_role(membership_id, role_id=admin)
    return on(MAIL, user_id)


@story("RoleChanged")
def _(world: World) -> Told:
    with acting_as(world.company_admin):
        role = identity_actions.create_role(name="Travel desk", permissions=["vehicle.read"])
        made = identity_actions.invite_member(
            first_name="Ravi", last_name="Iyer", email="ravi@meridian.example", role_id=role.id
        )
    token = identity.sign_in_link("invitation", made.id).rsplit("=", maxsplit=1)[-1]
    with acting_as(Actor(name="Nobody yet")):
        identity_actions.accept_invitation(token, password=people.PASSWORD)
    with acting_as(world.company_admin):
        identity_actions.update_role(role.id, name="Travel desk", permissions=["vehicle.read", "booking.read"])
    return on(MAIL, made.user_id)


# --- bookings ---------------------------------------------------------------------------------------------------------


@story("BookingRequested")
def _(world: World) -> Told:
    world.requested()
    return on(BOTH, world.vendor_admin)


@story("BookingApproved")
def _(world: World) -> Told:
    world.approved()
    return on(BOTH, world.company_admin) | on(ALERT, world.vendor_admin)


@story("BookingRejected")
def _(world: World) -> Told:
    made = world.requested()
    with world.acting(world.vendor_admin):
        bookings.reject_booking(made.id, "OTHER", "Sold")
    return on(BOTH, world.company_admin)


@story("BookingAssigned")
def _(world: World) -> Told:
    world.assigned()
    return on(BOTH, world.vendor_admin)


@story("BookingActivated")
def _(world: World) -> Told:
    world.active()
    return on(BOTH, world.company_admin)


@story("BookingCompleted")
def _(world: World) -> Told:
    made = world.active()
    with world.acting(world.vendor_admin, made.start + hours(5)):
        bookings.complete_booking(made.id, 10_100, 80)
    return on(BOTH, world.company_admin)


@story("BookingCommented")
def _(world: World) -> Told:
    made = world.approved()
    with world.acting(world.company_admin):
        bookings.comment_booking(made.id, "Is there a child seat?")
    return on(BOTH, world.vendor_admin)


@story("BookingCancelled")
def _(world: World) -> Told:
    made = world.accepted()
    with world.acting(world.vendor_admin):
        bookings.cancel_booking(made.id, "MAINTENANCE", "Brakes")
    return on(BOTH, world.company_admin, world.employee)


@story("BookingTerminated")
def _(world: World) -> Told:
    made = world.active()
    with world.acting(world.company_admin, made.start + hours(2)):
        bookings.terminate_booking(made.id, "BREAKDOWN", "On the motorway")
    return on(BOTH, world.vendor_admin, world.employee)


@story("BookingOverdue")
def _(world: World) -> Told:
    made = world.active()
    with world.acting(SYSTEM, made.end + hours(1)):
        clock_jobs.notice_late_returns()
    return on(BOTH, *both_sides(world), world.employee)


@story("BookingReminded")
def _(world: World) -> Told:
    made = world.accepted()
    with world.acting(SYSTEM, made.start + hours(1)):
        clock_jobs.remind_of_handovers()
    return on(BOTH, *both_sides(world))


@story("BookingDelayed")
def _(world: World) -> Told:
    late = world.active()
    next_one = world.accepted(world.colleague, start=late.end + hours(2), end=late.end + hours(9))
    with world.acting(SYSTEM, next_one.start):
        clock_jobs.notice_delays()
    return on(BOTH, *both_sides(world), world.colleague)


@story("BookingVehicleReturned")
def _(world: World) -> Told:
    made = world.active()
    with world.acting(world.company_admin, made.start + hours(2)):
        bookings.terminate_booking(made.id, "NOT_RETURNED", "Nobody answers the phone.")
    world.deliver(made.start + hours(2))
    with world.acting(world.company_admin, made.end):
        bookings.complete_booking(made.id, 10_500, 50)
    return on(BOTH, world.vendor_admin)


# --- assignments ------------------------------------------------------------------------------------------------------


@story("AssignmentCreated")
def _(world: World) -> Told:
    world.direct()
    return on(BOTH, world.employee)


@story("AssignmentClosed")
def _(world: World) -> Told:
    made = world.direct()
    with world.acting(world.company_admin):
        assignments.close_assignment(made.id, "NO_LONGER_NEEDED")
    return on(BOTH, world.employee)


@story("AssignmentReminded")
def _(world: World) -> Told:
    made = world.direct()
    with world.acting(SYSTEM, made.start - hours(23)):
        assignments.remind_employees()
    return on(BOTH, world.employee, world.company_admin)


@story("AssignmentAccepted")
def _(world: World) -> Told:
    made = world.direct()
    with world.acting(world.employee):
        assignments.accept_assignment(made.id)
    return on(BOTH, world.company_admin)


@story("AssignmentRejected")
def _(world: World) -> Told:
    made = world.direct()
    with world.acting(world.employee):
        assignments.reject_assignment(made.id, "On leave")
    return on(BOTH, world.company_admin)


@story("AssignmentFlagged")
def _(world: World) -> Told:
    world.active()
    (membership_id,) = (
        member.membership_id
        for member in identity.list_members(world.company)
        if member.user_id == world.employee.user_id
    )
    with world.acting(world.company_admin, world.start + hours(1)):
        identity_actions.suspend_member(membership_id)
    return on(BOTH, world.company_admin)


# --- organizations and their documents --------------------------------------------------------------------------------


def handed_in(world: World) -> UUID:
    with world.acting(world.company_admin):
        made = verifications.request_verification(
            entity_type="Organization", entity_id=world.company, kind="TAX", uploads=[people.pdf()]
        )
    return made.id


def approved_for(world: World, days: float) -> UUID:
    with clock.standing_at(NOON):
        return make.verified("Organization", world.company, world.company, "TAX", expires_at=NOON + timedelta(days))


@story("VerificationRequested")
def _(world: World) -> Told:
    handed_in(world)
    return on(BOTH, world.platform_admin)


@story("VerificationApproved")
def _(world: World) -> Told:
    verification_id = handed_in(world)
    with world.acting(world.platform_admin):
        verifications.approve_verification(verification_id, expires_at=NOON + timedelta(days=365))
    return on(BOTH, world.company_admin)


@story("VerificationRejected")
def _(world: World) -> Told:
    verification_id = handed_in(world)
    with world.acting(world.platform_admin):
        verifications.reject_verification(verification_id, reason="UNREADABLE")
    return on(BOTH, world.company_admin)


@story("VerificationRevoked")
def _(world: World) -> Told:
    verification_id = approved_for(world, 100)
    with world.acting(world.platform_admin):
        verifications.revoke_verification(verification_id, reason="MISTAKE")
    return on(BOTH, world.company_admin)


@story("VerificationExpiring")
def _(world: World) -> Told:
    approved_for(world, 7)
    with world.acting(SYSTEM):
        verifications.remind_of_expiry()
    return on(BOTH, world.company_admin)


@story("VerificationExpired")
def _(world: World) -> Told:
    approved_for(world, -0.1)
    with world.acting(SYSTEM):
        verifications.expire_verifications()
    return on(BOTH, world.company_admin)


@story("OrganizationCreated")
def _(world: World) -> Told:
    with world.acting(Actor(name="Nobody yet")):
        organizations.apply(
            name="New Mills", type="CORPORATE", time_zone="Europe/Berlin", first_name="Nora", last_name="Weber",
            email="nora@newmills.example", phone="+49 30 5555 01", details={"tax_number": "TAX-1"},
        )  # fmt: skip
    return on(BOTH, world.platform_admin)


def applicant(world: World) -> tuple[UUID, UUID]:
    """An organization whose registration is proven, and its administrator."""
    del world
    with clock.standing_at(NOON - timedelta(days=1)):
        organization_id = make.organization("CORPORATE", "New Mills", status="PENDING")
        user_id = make.person("Nora")
        make.member(user_id, organization_id, "CORPORATE_ADMIN")
        make.verified("Organization", organization_id, organization_id, "ORGANIZATION_REGISTRATION")
    return organization_id, user_id


@story("OrganizationApproved")
def _(world: World) -> Told:
    organization_id, user_id = applicant(world)
    with world.acting(world.platform_admin):
        organizations.approve_organization(organization_id)
    return on(BOTH, user_id)


@story("OrganizationRejected")
def _(world: World) -> Told:
    organization_id, user_id = applicant(world)
    with world.acting(world.platform_admin):
        organizations.reject_organization(organization_id, reason="DATA_WRONG")
    return on(BOTH, user_id)


def suspended_organization(world: World) -> None:
    with world.acting(world.platform_admin):
        organizations.suspend_organization(world.company, reason="CONDUCT")


@story("OrganizationSuspended")
def _(world: World) -> Told:
    suspended_organization(world)
    return on(BOTH, world.company_admin)


@story("OrganizationReinstated")
def _(world: World) -> Told:
    suspended_organization(world)
    with world.acting(world.platform_admin):
        organizations.reinstate_organization(world.company)
    return on(BOTH, world.company_admin)


# --- vehicles and their calendars -------------------------------------------------------------------------------------


@story("VehicleSuspended")
def _(world: World) -> Told:
    world.assigned()
    make.another_company()
    with world.acting(world.vendor_admin):
        fleet.suspend_vehicle(world.vehicle, reason="DAMAGE")
    return on(BOTH, *both_sides(world), world.employee)


@story("VehicleMaintenanceScheduled")
def _(world: World) -> Told:
    world.approved()
    make.another_company()
    with world.acting(world.vendor_admin):
        fleet.schedule_maintenance(world.vehicle, kind="SERVICE", start=world.start + hours(1), end=world.end)
    return on(BOTH, *both_sides(world))


def maintenance_moved_over_a_booking(world: World) -> None:
    world.approved()
    make.another_company()
    window = {"kind": "SERVICE", "start": world.start + hours(1), "end": world.end}
    with world.acting(world.vendor_admin):
        made = fleet.schedule_maintenance(world.vehicle, **{**window, "start": world.end, "end": world.end + hours(1)})
    world.deliver()
    with world.acting(world.vendor_admin):
        fleet.change_maintenance(made, version=1, **window)


@story("AvailabilityConflictDetected")
def _(world: World) -> Told:
    maintenance_moved_over_a_booking(world)
    return on(BOTH, *both_sides(world))


@story("AvailabilityConflictResolved")
def _(world: World) -> Told:
    maintenance_moved_over_a_booking(world)
    world.deliver()
    with world.acting(world.vendor_admin):
        (conflict,) = availability.open_conflicts()
        calendars.resolve_conflict(conflict.id, note="The workshop takes an hour only")
    return on(BOTH, *both_sides(world))


# --- delivery ---------------------------------------------------------------------------------------------------------


@story("AuditChainBroken")
def _(world: World) -> Told:
    note_verification(Finding(3, "The record was changed: its content does not have its hash."), 0)
    return on(BOTH, world.platform_admin)


@story("DeliveryDeadLettered")
def _(world: World) -> Told:
    broken = Planted("planted.broken", "BookingRequested")
    broken.is_broken = True
    HANDLERS[broken.name] = broken.handler
    try:
        world.requested()
        drain_all()
    finally:
        del HANDLERS[broken.name]
    return on(BOTH, world.platform_admin)


def test_every_row_of_the_matrix_has_its_story() -> None:
    assert STORIES.keys() == MATRIX.keys()


@pytest.mark.parametrize("event", sorted(MATRIX))
def test_those_are_told_whom_the_matrix_means_and_nobody_else(app: Flask, event: str) -> None:
    world = make.make_world()
    expected = STORIES[event](world)
    world.deliver()
    db.session.rollback()
    rows = db.session.scalars(select(Notification).where(Notification.template == event)).all()
    assert Counter((row.recipient_id, row.channel) for row in rows) == Counter(expected)
