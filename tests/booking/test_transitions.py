"""The state machine: every row of the table happens as it says, and nothing else does."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest
from flask import Flask

from karokar.booking import actions, rules
from karokar.booking.models import Booking
from karokar.booking.rules import MACHINE, Status
from karokar.events.base import LATEST
from karokar.kernel import clock
from karokar.kernel.actor import Scope
from karokar.kernel.errors import StateConflict
from karokar.kernel.ids import new_id
from karokar.kernel.permissions import PERMISSIONS
from karokar.kernel.state_machine import Transition
from tests.factories import booking as make
from tests.factories.booking import NOON, World, hours

# The documented table, word for word: a row that is missing there, or here, fails.
DOCUMENTED = """
(new) DRAFT create BookingDrafted
DRAFT DRAFT edit BookingEdited
DRAFT (deleted) discard BookingDiscarded
DRAFT REQUESTED submit BookingRequested
REQUESTED APPROVED approve BookingApproved
REQUESTED REJECTED reject BookingRejected
REQUESTED CANCELLED cancel BookingCancelled
APPROVED CANCELLED cancel BookingCancelled
ASSIGNED CANCELLED cancel BookingCancelled
APPROVED ASSIGNED assign BookingAssigned
ASSIGNED ASSIGNED assign BookingAssigned
ASSIGNED ACTIVE activate BookingActivated
ACTIVE COMPLETED complete BookingCompleted
ACTIVE TERMINATED terminate BookingTerminated
REQUESTED CANCELLED expire BookingCancelled
APPROVED CANCELLED give_up BookingCancelled
ASSIGNED CANCELLED give_up BookingCancelled
APPROVED APPROVED remind BookingReminded
ASSIGNED ASSIGNED remind BookingReminded
ACTIVE ACTIVE run_late BookingOverdue
APPROVED APPROVED delay BookingDelayed
ASSIGNED ASSIGNED delay BookingDelayed
TERMINATED TERMINATED bring_back BookingVehicleReturned
"""

AFTER = NOON + timedelta(days=10)
ACTIONS: dict[str, Callable[[Booking], object]] = {
    "edit": lambda b: b.edit(start=b.start, end=b.end, purpose=""),
    "discard": lambda b: b.discard(),
    "submit": lambda b: b.submit(at=b.start),
    "approve": lambda b: b.approve(held_until=b.end, at=b.start),
    "reject": lambda b: b.reject(reason="OTHER", note="Note", at=NOON),
    "cancel": lambda b: b.cancel(reason="OTHER", note="Note", at=b.start),
    "assign": lambda b: b.assign(new_id()),
    "activate": lambda b: b.activate(odometer=1, fuel_percent=1, at=b.start),
    "complete": lambda b: b.complete(odometer=1, fuel_percent=1, is_damaged=False, returned_at=b.end, at=b.end),
    "terminate": lambda b: b.terminate(reason="OTHER", note="Note", at=b.end),
    "expire": lambda b: b.expire(at=AFTER),
    "give_up": lambda b: b.give_up(at=AFTER),
    "remind": lambda b: b.remind(at=AFTER),
    "run_late": lambda b: b.run_late(at=AFTER),
    "delay": lambda b: b.delay(due_back=NOON, at=AFTER),
    "bring_back": lambda b: _awaited(b).bring_back(
        odometer=1, fuel_percent=1, is_damaged=False, returned_at=AFTER, at=AFTER
    ),
}


def _awaited(made: Booking) -> Booking:
    made.awaited_since = made.end
    return made


def a_booking(status: Status) -> Booking:
    made, _ = Booking.draft(
        reference=rules.new_reference(),
        vehicle_id=new_id(),
        vendor_organization_id=new_id(),
        corporate_organization_id=new_id(),
        requested_by=new_id(),
        start=NOON,
        end=NOON + hours(5),
        purpose="",
        place="Berlin",
        place_time_zone="Europe/Berlin",
    )
    made.status = status.value
    return made


def test_the_table_in_code_is_the_documented_one() -> None:
    in_code = {
        (
            row.source.value if row.source else "(new)",
            row.target.value if row.target else "(deleted)",
            row.verb,
            row.event,
        )
        for row in MACHINE.rows
    }
    assert in_code == {tuple(line.split()) for line in DOCUMENTED.strip().splitlines()}
    assert {row.event for row in MACHINE.rows} <= set(LATEST)


def test_every_action_of_the_table_is_tried() -> None:
    assert {row.verb for row in MACHINE.rows} == {*ACTIONS, "create"}


@pytest.mark.parametrize("row", [row for row in MACHINE.rows if row.source], ids=lambda row: f"{row.source}-{row.verb}")
def test_what_the_table_allows_happens_and_is_told(row: Transition[Status]) -> None:
    made = a_booking(row.source)
    event = ACTIONS[row.verb](made)
    assert type(event).event_type == row.event
    assert made.status == (row.target or row.source).value


@pytest.mark.parametrize(
    ("status", "action"),
    [(status, action) for status, action in product(Status, ACTIONS) if not MACHINE.can(status, action)],
)
def test_what_the_table_does_not_allow_is_refused_and_changes_nothing(status: Status, action: str) -> None:
    made = a_booking(status)
    with pytest.raises(StateConflict) as refusal:
        ACTIONS[action](made)
    assert refusal.value.code == "INVALID_BOOKING_TRANSITION"
    assert made.status == status.value


# --- the same through the doors that people and the clock use -----------------------------------------------------


def _not_returned(world: World) -> Booking:
    made = world.active()
    with world.acting(world.vendor_admin, world.start):
        return actions.terminate_booking(made.id, "NOT_RETURNED", "Nobody answers")


def _keep_out(world: World) -> None:
    """Let another booking have the vehicle beyond its end, which is before the start of the world's own."""
    world.active(world.colleague, start=NOON + hours(1), end=NOON + hours(2))


REACH = {
    Status.DRAFT: lambda w: w.drafted(),
    Status.REQUESTED: lambda w: w.requested(),
    Status.APPROVED: lambda w: w.approved(),
    Status.ASSIGNED: lambda w: w.accepted(),
    Status.ACTIVE: lambda w: w.active(),
    Status.TERMINATED: _not_returned,
}
DO = {
    "edit": ("company_admin", NOON, lambda b: actions.edit_booking(b.id, b.start, b.end, "Other")),
    "discard": ("company_admin", NOON, lambda b: actions.discard_booking(b.id)),
    "submit": ("company_admin", NOON, lambda b: actions.submit_booking(b.id)),
    "approve": ("vendor_admin", NOON, lambda b: actions.approve_booking(b.id)),
    "reject": ("vendor_admin", NOON, lambda b: actions.reject_booking(b.id, "OTHER", "Note")),
    "cancel": ("company_admin", NOON, lambda b: actions.cancel_booking(b.id, "OTHER", "Note")),
    "assign": ("company_admin", NOON, None),
    "activate": ("vendor_admin", "start", lambda b: actions.activate_booking(b.id, 1, 1)),
    "complete": ("vendor_admin", "end", lambda b: actions.complete_booking(b.id, 1, 1)),
    "terminate": ("platform_admin", "end", lambda b: actions.terminate_booking(b.id, "OTHER", "Note")),
    "expire": (None, "start", lambda _: actions.cancel_unanswered()),
    "give_up": (None, "end", lambda _: actions.cancel_no_shows()),
    "remind": (None, "reminder", lambda _: actions.remind_of_handovers()),
    "delay": (None, "start", lambda _: actions.notice_delays()),
    "bring_back": ("vendor_admin", "end", lambda b: actions.complete_booking(b.id, 1, 1)),
    "run_late": (None, "end", lambda _: actions.notice_late_returns()),
}


@pytest.mark.parametrize("row", [row for row in MACHINE.rows if row.source], ids=lambda row: f"{row.source}-{row.verb}")
def test_every_row_is_reached_through_its_action_and_recorded_once(app: Flask, row: Transition[Status]) -> None:
    world = make.make_world()
    made = REACH[row.source](world)
    who, when, act = DO[row.verb]
    moment = {"start": world.start, "end": world.end, "reminder": world.start + hours(1)}.get(when, when)
    if row.verb == "assign":
        act = lambda b: actions.assign_booking(b.id, world.colleague.user_id)  # noqa: E731 - needs this world
    if row.verb == "delay":
        _keep_out(world)
    known = len(make.told(made.id))
    if who is None:
        with clock.standing_at(moment):
            act(made)
    else:
        with world.acting(getattr(world, who), moment):
            act(made)
    news = make.told(made.id)[known:]
    assert [event.event_type for event in news] == [row.event]
    if row.target is not None:
        assert make.booking(made.id).status == row.target.value


# --- who may, from the declared matrix ----------------------------------------------------------------------------

MATRIX = """
booking.read       all  party party self
booking.create     -    -     own   -
booking.edit       -    -     own   -
booking.discard    -    -     own   -
booking.submit     -    -     own   -
booking.approve    -    own   -     -
booking.reject     -    own   -     -
booking.assign     -    -     own   -
booking.activate   -    own   own   -
booking.complete   -    own   own   -
booking.cancel     -    own   own   -
booking.terminate  all  own   own   -
assignment.create   -    -     own   -
assignment.close    -    -     own   -
assignment.start    -    -     own   self
assignment.complete -    -     own   self
assignment.read     all  -     own   self
assignment.accept   -    -     self  self
assignment.reject   -    -     self  self
"""
ROLES = ("PLATFORM_ADMIN", "VENDOR_ADMIN", "CORPORATE_ADMIN", "EMPLOYEE")


def test_the_declared_permissions_are_the_documented_ones(app: Flask) -> None:
    documented = {
        code: tuple(None if scope == "-" else Scope(scope) for scope in scopes)
        for code, *scopes in (line.split() for line in MATRIX.strip().splitlines())
    }
    in_code = {
        code: tuple(one.scope_for(role) for role in ROLES)
        for code, one in PERMISSIONS.items()
        if code.startswith(("booking.", "assignment."))
    }
    assert in_code == documented


def _tries(world: World) -> dict[str, tuple[Callable[[World], Booking], object, Callable[[Booking], object]]]:
    return {
        "booking.create": (
            World.drafted,
            NOON,
            lambda b: actions.create_booking(world.vehicle, world.start, world.end),
        ),
        "booking.edit": (World.drafted, NOON, DO["edit"][2]),
        "booking.discard": (World.drafted, NOON, DO["discard"][2]),
        "booking.submit": (World.drafted, NOON, DO["submit"][2]),
        "booking.approve": (World.requested, NOON, DO["approve"][2]),
        "booking.reject": (World.requested, NOON, DO["reject"][2]),
        "booking.assign": (World.approved, NOON, lambda b: actions.assign_booking(b.id, world.colleague.user_id)),
        "booking.activate": (World.accepted, world.start, DO["activate"][2]),
        "booking.complete": (World.active, world.end, DO["complete"][2]),
        "booking.cancel": (World.approved, NOON, DO["cancel"][2]),
        "booking.terminate": (World.active, world.end, DO["terminate"][2]),
    }


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "code", [line.split()[0] for line in MATRIX.strip().splitlines() if line.startswith("booking.")][1:]
)
def test_each_cell_of_the_matrix_holds_at_the_action(app: Flask, code: str, role: str) -> None:
    world = make.make_world()
    who = {
        "PLATFORM_ADMIN": world.platform_admin,
        "VENDOR_ADMIN": world.vendor_admin,
        "CORPORATE_ADMIN": world.company_admin,
        "EMPLOYEE": world.employee,
    }[role]
    reach, moment, act = _tries(world)[code]
    made = reach(world)
    known = len(make.told(made.id))
    with world.acting(who, moment):
        if PERMISSIONS[code].scope_for(role) is None:
            with pytest.raises(Exception, match="PERMISSION_MISSING"):
                act(made)
            assert len(make.told(made.id)) == known
        else:
            act(made)


@pytest.mark.parametrize(
    "code", ["booking.edit", "booking.submit", "booking.approve", "booking.assign", "booking.complete"]
)
def test_what_belongs_to_another_tenant_does_not_exist(app: Flask, code: str) -> None:
    world, stranger = make.make_world(), make.make_world()
    reach, moment, act = _tries(world)[code]
    made = reach(world)
    who = stranger.vendor_admin if PERMISSIONS[code].corporate is None else stranger.company_admin
    with stranger.acting(who, moment), pytest.raises(Exception, match="NOT_FOUND"):
        act(made)
