"""The two documented journeys from one end to the other, and each of their other endings, through the real delivery.

What other contexts make of it is looked at where people would: the calendar, the messages, the assignment.
"""

import pytest
from flask import Flask
from sqlalchemy import select

from karokar.administration import actions as administration
from karokar.assignment import actions as assignments
from karokar.availability import free
from karokar.availability import queries as availability
from karokar.booking import actions, queries
from karokar.identity import actions as identity
from karokar.kernel import clock
from karokar.kernel.actor import SYSTEM, acting_as
from karokar.kernel.db import Base, db
from karokar.kernel.errors import DomainError
from karokar.organization import actions as organizations
from tests.factories import booking as make
from tests.factories import fleet, people
from tests.factories.booking import NOON, World, hours


@pytest.fixture
def world(any_app: Flask) -> World:
    return make.make_world()


def is_free(world: World, vehicle: object = None) -> bool:
    db.session.rollback()
    return free.is_free(vehicle or world.vehicle, world.start, world.end)


def blocks(world: World, vehicle: object = None) -> list[tuple[str, bool]]:
    """The kinds of blocks in the calendar around the period, and whether each was released."""
    db.session.rollback()
    vehicle = vehicle or world.vehicle
    found = availability.blocks([vehicle], world.start - hours(48), world.end + hours(48))
    return [(one.kind, one.released_at is not None) for one in found.get(vehicle, [])]


def messages(to: object) -> set[str]:
    """What a person was told, by the kind of message."""
    db.session.rollback()
    table = Base.metadata.tables["notifications"]
    return set(db.session.scalars(select(table.c.template).where(table.c.recipient_id == to.user_id)))


# --- a vendor's vehicle, from request to return --------------------------------------------------------------------


def test_a_booked_vehicle_goes_out_and_comes_back(world: World) -> None:
    made = world.requested()
    world.deliver()
    assert is_free(world), "a request holds nothing"
    with world.acting(world.vendor_admin):
        actions.approve_booking(made.id)
    world.deliver()
    assert not is_free(world)
    with world.acting(world.company_admin):
        actions.assign_booking(made.id, world.employee.user_id)
    world.deliver()
    with world.acting(world.employee):
        assignments.accept_assignment(make.assignment_of(made.id).id)
    world.deliver()
    with world.acting(world.vendor_admin, world.start):
        actions.activate_booking(made.id, 10_050, 90, checks=["KEYS"])
    world.deliver(world.start)
    assert [kind for kind, _ in blocks(world)] == ["ALLOCATED"]
    with world.acting(world.vendor_admin, world.end - hours(4)):
        actions.complete_booking(made.id, 10_400, 50)
    world.deliver(world.end - hours(4))
    assert make.assignment_of(made.id).status == "COMPLETED"
    assert free.is_free(world.vehicle, world.end - hours(4), world.end), "it is free from its return on"
    vehicles = Base.metadata.tables["vehicles"]
    assert db.session.scalar(select(vehicles.c.odometer).where(vehicles.c.id == world.vehicle)) == 10_400
    assert [event.event_type for event in make.told(made.id)] == [
        "BookingDrafted",
        "BookingRequested",
        "BookingApproved",
        "BookingAssigned",
        "BookingActivated",
        "BookingCompleted",
    ]


def test_a_rejected_request_leaves_the_calendar_alone_and_leads_to_the_vehicle_offered(world: World) -> None:
    other = make.vehicle(world.vendor)
    made = world.requested()
    with world.acting(world.vendor_admin):
        actions.reject_booking(made.id, "NEEDED_IN_WORKSHOP", "Brakes", offered_vehicle_id=other)
    world.deliver()
    assert blocks(world) == []
    offered = make.booking(made.id).offered_vehicle_id
    assert world.approved(vehicle_id=offered).status == "APPROVED"


@pytest.mark.parametrize("stage", ["requested", "approved", "assigned", "accepted"])
def test_a_booking_called_off_frees_vehicle_and_employee(world: World, stage: str) -> None:
    made = getattr(world, stage)()
    world.deliver()
    with world.acting(world.company_admin):
        actions.cancel_booking(made.id, "PLANS_CHANGED", "The fair was moved")
    world.deliver()
    assert is_free(world)
    assert world.assigned().status == "ASSIGNED", "the same employee can get the same vehicle again"


def test_who_declines_is_replaced_and_the_second_choice_drives(world: World) -> None:
    made = world.assigned()
    with world.acting(world.employee):
        assignments.reject_assignment(make.assignment_of(made.id).id, "On leave")
    world.deliver()
    assert make.booking(made.id).status == "ASSIGNED"
    with world.acting(world.company_admin):
        actions.assign_booking(made.id, world.colleague.user_id)
    world.deliver()
    with world.acting(world.colleague):
        assignments.accept_assignment(make.assignment_of(made.id).id)
    with world.acting(world.vendor_admin, world.start):
        actions.activate_booking(made.id, 1, 1)
    world.deliver(world.start)
    statuses = {one.round: one.status for one in make.assignments.queries.of_booking(made.id)}
    assert statuses == {1: "REJECTED", 2: "ACTIVE"}


def test_a_booking_ended_early_frees_the_vehicle_from_then_on(world: World) -> None:
    made = world.active()
    with world.acting(world.company_admin, world.start + hours(3)):
        actions.terminate_booking(made.id, "NO_LONGER_NEEDED", "Home early")
    world.deliver(world.start + hours(3))
    assert make.assignment_of(made.id).reason == "BOOKING_TERMINATED"
    assert free.is_free(world.vehicle, world.start + hours(3), world.end)
    assert not free.is_free(world.vehicle, world.start, world.start + hours(3)), "what was, stays"


def test_what_nobody_answers_or_collects_is_called_off_by_the_clock(world: World) -> None:
    promised = world.assigned()
    asked = world.requested(vehicle_id=make.vehicle(world.vendor))
    with clock.standing_at(world.start):
        actions.cancel_unanswered()
    with clock.standing_at(world.end):
        actions.cancel_no_shows()
    world.deliver(world.end)
    assert (make.booking(asked.id).reason, make.booking(promised.id).reason) == ("UNANSWERED", "NO_SHOW")
    assert make.assignment_of(promised.id).reason == "BOOKING_CANCELLED"
    assert free.is_free(world.vehicle, world.end, world.end + hours(9))


def test_both_sides_are_told_what_the_other_did(world: World) -> None:
    made = world.accepted()
    assert messages(world.vendor_admin), "the vendor hears of the request"
    assert messages(world.company_admin), "the company hears of the approval"
    assert messages(world.employee), "the employee hears of the assignment"
    before = messages(world.company_admin)
    with world.acting(world.vendor_admin):
        actions.cancel_booking(made.id, "VEHICLE_NOT_USABLE", "Engine")
    world.deliver()
    assert messages(world.company_admin) - before


# --- suspensions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["vendor", "company"])
def test_a_suspension_calls_off_what_has_not_begun_and_lets_the_rest_run(world: World, side: str) -> None:
    running = world.active()
    asked = world.requested(vehicle_id=make.vehicle(world.vendor))
    promised = world.accepted(world.colleague, vehicle_id=make.vehicle(world.vendor))
    draft = world.drafted(vehicle_id=make.vehicle(world.vendor))
    with world.acting(world.platform_admin):
        organizations.suspend_organization(getattr(world, side), reason="DOCUMENTS", notes="Papers were forged")
    world.deliver()
    assert len(queries.list_cancellable(getattr(world, side))) == 2
    with clock.standing_at(NOON), acting_as(SYSTEM):
        assert actions.cancel_after_suspensions() == 2
        assert actions.cancel_after_suspensions() == 0
    world.deliver()
    states = [make.booking(one.id).status for one in (running, asked, promised, draft)]
    assert states == ["ACTIVE", "CANCELLED", "CANCELLED", "DRAFT"]
    assert make.booking(asked.id).reason == "ORGANIZATION_SUSPENDED"
    assert make.assignment_of(promised.id).status == "CLOSED"
    who = make.actor(
        *{
            "vendor": (world.vendor_admin.user_id, world.vendor, "VENDOR_ADMIN"),
            "company": (world.company_admin.user_id, world.company, "CORPORATE_ADMIN"),
        }[side]
    )
    assert who.organization_status == "SUSPENDED"
    with world.acting(who, world.end):
        assert actions.complete_booking(running.id, 2, 2).status == "COMPLETED", "what runs can be ended"


def test_a_reinstated_organization_loses_nothing_more(world: World) -> None:
    promised = world.approved()
    with world.acting(world.platform_admin):
        organizations.suspend_organization(world.vendor, reason="DOCUMENTS", notes="Papers were forged")
        organizations.reinstate_organization(world.vendor, notes="They were not")
    world.deliver()
    with clock.standing_at(NOON), acting_as(SYSTEM):
        assert actions.cancel_after_suspensions() == 0
    assert make.booking(promised.id).status == "APPROVED"


# --- a company's own vehicle, from registration to close -----------------------------------------------------------


def test_an_own_vehicle_is_registered_assigned_used_and_returned(any_app: Flask) -> None:
    company = people.make_corporate(employees=1)
    employee = company.employees[0]
    vehicle = fleet.make_vehicle(company)
    start = clock.now() + hours(1)
    with people.acting(company.admin):
        made = assignments.create_assignment(vehicle, employee.user_id, start, None)
    make.drain_all()
    assert not free.is_free(vehicle, start, start + hours(1000))
    with people.acting(employee):
        assignments.accept_assignment(made)
        assignments.start_assignment(made, 12_100, 80)
    make.drain_all()
    back = start + hours(30)
    with clock.standing_at(back), people.acting(company.admin):
        assignments.complete_assignment(made, 12_900, 30)
    with clock.standing_at(back):
        make.drain_all()
    db.session.rollback()
    assert free.is_free(vehicle, back, back + hours(1000))
    vehicles = Base.metadata.tables["vehicles"]
    assert db.session.scalar(select(vehicles.c.odometer).where(vehicles.c.id == vehicle)) == 12_900


@pytest.mark.parametrize("ending", ["declined", "closed", "expired"])
def test_every_other_ending_of_a_direct_assignment_frees_the_vehicle(world: World, ending: str) -> None:
    made = world.direct()
    world.deliver()
    assert not is_free(world, world.own_vehicle)
    if ending == "declined":
        with world.acting(world.employee):
            assignments.reject_assignment(made.id, "On leave")
    elif ending == "closed":
        with world.acting(world.company_admin):
            assignments.close_assignment(made.id, "NO_LONGER_NEEDED")
    else:
        with clock.standing_at(world.end):
            assignments.close_expired()
    world.deliver(world.end)
    if ending == "expired":
        assert free.is_free(world.own_vehicle, world.end, world.end + hours(9))
    else:
        assert is_free(world, world.own_vehicle)
    assert make.assignment(made.id).status == ("REJECTED" if ending == "declined" else "CLOSED")


def test_a_member_who_leaves_frees_what_has_not_begun_and_what_runs_is_flagged(world: World) -> None:
    waiting = world.direct(start=world.end + hours(1), end=world.end + hours(9))
    running = world.active()
    memberships = Base.metadata.tables["memberships"]
    membership = db.session.scalar(select(memberships.c.id).where(memberships.c.user_id == world.employee.user_id))
    with world.acting(world.company_admin, world.start):
        identity.remove_member(membership)
    world.deliver(world.start)
    assert (make.assignment(waiting.id).status, make.assignment(waiting.id).reason) == ("CLOSED", "MEMBER_REMOVED")
    kept = make.assignment_of(running.id)
    assert (kept.status, kept.flag) == ("ACTIVE", "MEMBER_REMOVED")


def test_the_platforms_choice_about_licences_decides_who_may_be_assigned(world: World) -> None:
    made = world.approved()
    with world.acting(world.platform_admin):
        administration.change_setting("require_driving_licence", is_on=True)
    world.deliver()
    with world.acting(world.company_admin), pytest.raises(DomainError, match="EMPLOYEE_NOT_ELIGIBLE"):
        actions.assign_booking(made.id, world.company_admin.user_id)
    with world.acting(world.platform_admin):
        administration.change_setting("require_driving_licence", is_on=False)
    world.deliver()
    with world.acting(world.company_admin):
        assert actions.assign_booking(made.id, world.company_admin.user_id).status == "ASSIGNED"
