"""The reaction table of availability, each row through the real delivery path, on both databases.

A row of the table in code without a story here fails, and so does a story of a row that the table lacks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from karokar.assignment import actions as assignments
from karokar.availability import actions, queries
from karokar.availability.handlers import REACTIONS
from karokar.availability.models import AvailabilityBlock
from karokar.booking import actions as bookings
from karokar.fleet import actions as fleet
from karokar.fleet import queries as fleet_queries
from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound, PermissionDenied, RuleBroken
from karokar.kernel.ids import new_id
from karokar.notification.models import Notification
from karokar.outbox.delivery.drain import drain_all
from karokar.outbox.reading.timeline import whole_story
from tests.factories import booking as make
from tests.factories.booking import NOON, World, hours


@dataclass(frozen=True)
class Block:
    """What a story expects of the calendar: kind, period, and whether it was given up."""

    kind: str
    start: datetime
    end: datetime | None
    is_released: bool = False


def calendar(vehicle_id: UUID) -> list[Block]:
    db.session.rollback()
    rows = db.session.scalars(
        select(AvailabilityBlock)
        .where(AvailabilityBlock.vehicle_id == vehicle_id)
        .order_by(AvailabilityBlock.start, AvailabilityBlock.source_seq)
    )
    return [Block(row.kind, row.start, row.end, row.released_at is not None) for row in rows]


Story = Callable[[World], tuple[UUID, list[Block]]]
STORIES: dict[str, Story] = {}


def story(event: str) -> Callable[[Story], Story]:
    def tell(function: Story) -> Story:
        STORIES[event] = function
        return function

    return tell


@story("BookingApproved")
def _(world):
    booking = world.approved()
    return world.vehicle, [Block("RESERVED", booking.start, booking.end + hours(1))]


@story("BookingActivated")
def _(world):
    booking = world.active()
    return world.vehicle, [Block("ALLOCATED", booking.start, booking.held_until)]


@story("BookingCompleted")
def _(world):
    booking = world.active()
    back = booking.start + hours(5)
    with world.acting(world.vendor_admin, back):
        bookings.complete_booking(booking.id, 10_100, 80)
    return world.vehicle, [Block("ALLOCATED", booking.start, back, is_released=True)]


@story("BookingCancelled")
def _(world):
    booking = world.approved()
    with world.acting(world.company_admin):
        bookings.cancel_booking(booking.id, "PLANS_CHANGED", "Not needed")
    return world.vehicle, [Block("RESERVED", booking.start, booking.start, is_released=True)]


@story("BookingTerminated")
def _(world):
    booking = world.active()
    over = booking.start + hours(2)
    with world.acting(world.vendor_admin, over):
        bookings.terminate_booking(booking.id, "NO_LONGER_NEEDED", "Left at the gate")
    return world.vehicle, [Block("ALLOCATED", booking.start, over, is_released=True)]


def broken_down(world):
    booking = world.active()
    over = booking.start + hours(2)
    with world.acting(world.vendor_admin, over):
        bookings.terminate_booking(booking.id, "BREAKDOWN", "On the motorway")
    world.deliver(over)
    return booking, over


@story("BookingVehicleAwaited")
def _(world):
    booking, over = broken_down(world)
    return world.vehicle, [Block("ALLOCATED", booking.start, over, is_released=True), Block("ALLOCATED", over, None)]


@story("BookingVehicleReturned")
def _(world):
    booking, over = broken_down(world)
    back = over + hours(40)
    with world.acting(world.vendor_admin, back):
        bookings.complete_booking(booking.id, 10_100, 80)
    return world.vehicle, [
        Block("ALLOCATED", booking.start, over, is_released=True),
        Block("ALLOCATED", over, back, is_released=True),
    ]


@story("AssignmentCreated")
def _(world):
    assignment = world.direct(end=None)
    return world.own_vehicle, [Block("ALLOCATED", assignment.start, None)]


@story("AssignmentRejected")
def _(world):
    assignment = world.direct()
    with world.acting(world.employee):
        assignments.reject_assignment(assignment.id, "On leave")
    return world.own_vehicle, [Block("ALLOCATED", assignment.start, assignment.start, is_released=True)]


@story("AssignmentActivated")
def _(world):
    assignment = world.direct()
    early = assignment.start - hours(1)
    with world.acting(world.employee):
        assignments.accept_assignment(assignment.id)
    with world.acting(world.employee, early):
        assignments.start_assignment(assignment.id, 10_000, 90)
    return world.own_vehicle, [Block("ALLOCATED", early, assignment.end)]


@story("AssignmentCompleted")
def _(world):
    assignment = world.direct(end=None)
    back = assignment.start + hours(30)
    with world.acting(world.employee):
        assignments.accept_assignment(assignment.id)
    with world.acting(world.employee, assignment.start):
        assignments.start_assignment(assignment.id, 10_000, 90)
    with world.acting(world.employee, back):
        assignments.complete_assignment(assignment.id, 10_050, 70)
    return world.own_vehicle, [Block("ALLOCATED", assignment.start, back, is_released=True)]


@story("AssignmentClosed")
def _(world):
    assignment = world.direct()
    with world.acting(world.company_admin, assignment.start + hours(1)):
        assignments.close_assignment(assignment.id, "OTHER")
    return world.own_vehicle, [Block("ALLOCATED", assignment.start, assignment.start + hours(1), is_released=True)]


def scheduled(world, start=None, end=None):
    with world.acting(world.vendor_admin):
        return fleet.schedule_maintenance(
            world.vehicle, kind="SERVICE", start=start or world.start, end=end or world.end
        )


def changed(world, window_id, start, end, at=NOON):
    with world.acting(world.vendor_admin, at):
        window = fleet_queries.get_window(window_id)
        fleet.change_maintenance(window_id, version=window.version, kind="SERVICE", start=start, end=end)


@story("VehicleMaintenanceScheduled")
def _(world):
    scheduled(world)
    return world.vehicle, [Block("MAINTENANCE", world.start, world.end)]


@story("VehicleMaintenanceChanged")
def _(world):
    window_id = scheduled(world)
    changed(world, window_id, world.start + hours(1), world.end + hours(9))
    return world.vehicle, [
        Block("MAINTENANCE", world.start, world.start, is_released=True),
        Block("MAINTENANCE", world.start + hours(1), world.end + hours(9)),
    ]


@story("VehicleMaintenanceStarted")
def _(world):
    window_id = scheduled(world)
    early = world.start - hours(3)
    with world.acting(world.vendor_admin, early):
        fleet.start_maintenance(window_id)
    return world.vehicle, [
        Block("MAINTENANCE", early, world.end),
        Block("MAINTENANCE", world.start, world.start, is_released=True),
    ]


@story("VehicleMaintenanceCompleted")
def _(world):
    window_id = scheduled(world)
    with world.acting(world.vendor_admin, world.start):
        fleet.start_maintenance(window_id)
    with world.acting(world.vendor_admin, world.start + hours(4)):
        fleet.complete_maintenance(window_id)
    return world.vehicle, [Block("MAINTENANCE", world.start, world.start + hours(4), is_released=True)]


@story("VehicleMaintenanceCancelled")
def _(world):
    window_id = scheduled(world)
    with world.acting(world.vendor_admin):
        fleet.cancel_maintenance(window_id, reason="Not needed")
    return world.vehicle, [Block("MAINTENANCE", world.start, world.start, is_released=True)]


def suspended(world, at=NOON):
    with world.acting(world.vendor_admin, at):
        fleet.suspend_vehicle(world.vehicle, reason="DAMAGE")


@story("VehicleSuspended")
def _(world):
    suspended(world)
    return world.vehicle, [Block("SUSPENDED", NOON, None)]


@story("VehicleActivated")
def _(world):
    for kind in ("VEHICLE_REGISTRATION", "VEHICLE_INSURANCE", "VEHICLE_FITNESS"):
        make.verified("Vehicle", world.vehicle, world.vendor, kind)
    suspended(world)
    with world.acting(world.vendor_admin, NOON + hours(7)):
        fleet.activate_vehicle(world.vehicle)
    return world.vehicle, [Block("SUSPENDED", NOON, NOON + hours(7), is_released=True)]


@story("VehicleRetired")
def _(world):
    suspended(world)
    with world.acting(world.vendor_admin, NOON + hours(7)):
        fleet.retire_vehicle(world.vehicle)
    return world.vehicle, [Block("SUSPENDED", NOON, NOON + hours(7), is_released=True)]


def test_every_row_of_the_reaction_table_has_its_story():
    assert set(STORIES) == {event.event_type for event in REACTIONS}


@pytest.mark.parametrize("event", sorted(event.event_type for event in REACTIONS))
def test_the_calendar_follows_the_fact(any_app, event):
    world = make.make_world(buffer_minutes=60)
    vehicle_id, expected = STORIES[event](world)
    world.deliver()
    assert calendar(vehicle_id) == expected


def test_an_assignment_of_a_booking_takes_no_time_of_its_own(app):
    world = make.make_world()
    booking = world.accepted()
    assert calendar(world.vehicle) == [Block("RESERVED", booking.start, booking.end)]


def test_a_late_return_never_lengthens_the_block(app):
    world = make.make_world()
    booking = world.active()
    with world.acting(world.vendor_admin, booking.end + hours(20)):
        bookings.complete_booking(booking.id, 10_100, 80)
    world.deliver()
    assert calendar(world.vehicle) == [Block("ALLOCATED", booking.start, booking.end, is_released=True)]


def test_a_suspension_over_a_suspension_is_one_block_until_it_is_lifted(app):
    world = make.make_world()
    suspended(world)
    with world.acting(world.platform_admin, NOON + hours(1)):
        fleet.suspend_vehicle(world.vehicle, reason="UNSAFE")
    world.deliver()
    assert calendar(world.vehicle) == [Block("SUSPENDED", NOON, None)]


# --- conflicts ----------------------------------------------------------------------------------------------------------


def conflicts(world, who=None, **wanted):
    with world.acting(who or world.vendor_admin):
        return list(queries.list_conflicts(**wanted).rows)


def over(world, booking):
    """Maintenance over the booking's second half."""
    return scheduled(world, booking.start + (booking.end - booking.start) / 2, booking.end + hours(5))


def test_maintenance_over_a_reservation_opens_a_conflict_that_both_sides_see(any_app):
    world = make.make_world()
    booking = world.approved()
    over(world, booking)
    world.deliver()
    (found,) = conflicts(world)
    assert (found.status, found.end) == ("OPEN", booking.end)
    assert {kind for kind, _ in found.sources} == {"Booking", "MaintenanceWindow"}
    assert conflicts(world, world.company_admin) == [found]
    assert conflicts(world, world.platform_admin) == [found]
    assert conflicts(world, make.another_company()) == []


def test_a_conflict_of_two_companies_is_seen_by_both_and_neither_learns_of_the_other(any_app):
    world = make.make_world()
    other = make.another_company()
    start = world.start
    first, second = (
        make.put(
            "availability_blocks",
            vehicle_id=world.vehicle,
            organization_id=world.vendor_admin.organization_id,
            corporate_organization_id=company.organization_id,
            kind="RESERVED",
            start=start + hours(number),
            end=start + hours(number + 5),
            source_type="Booking",
            source_id=new_id(),
            source_event_id=new_id(),
            source_seq=1,
            applied_seq=1,
        )
        for number, company in enumerate((world.company_admin, other))
    )
    assert first != second
    with world.acting(world.vendor_admin):
        actions.review_conflicts(world.vehicle)
    drain_all()
    (found,) = conflicts(world)
    assert conflicts(world, world.company_admin) == conflicts(world, other) == [found]
    assert conflicts(world, make.another_company("Third Mills")) == []
    for company, sees, hides in (
        (world.company_admin, world.company_admin, other),
        (other, other, world.company_admin),
    ):
        (event,) = whole_story("AvailabilityConflict", found.id, company)
        told = {value for name, value in event.payload.items() if name.lower().endswith("corporateorganizationid")}
        assert (str(sees.organization_id) in told, str(hides.organization_id) in told) == (True, False)
        statement = select(Notification).where(
            Notification.recipient_id == company.user_id, Notification.template == "AvailabilityConflictDetected"
        )
        assert len(db.session.scalars(statement).all()) >= 1


def test_a_suspension_over_a_reservation_is_a_conflict_whichever_came_first(any_app):
    world = make.make_world()
    booking = world.approved()
    suspended(world)
    world.deliver()
    (found,) = conflicts(world)
    assert (found.start, found.end) == (booking.start, booking.end)


def test_events_that_are_delivered_late_and_together_open_one_conflict(any_app):
    world = make.make_world()
    booking = world.approved()
    over(world, booking)
    suspended(world)
    world.deliver()
    assert len(conflicts(world)) == 3
    world.deliver()
    assert len(conflicts(world)) == 3


@pytest.mark.parametrize("ending", ["cancel the booking", "move the window", "cancel the window", "return early"])
def test_a_conflict_closes_when_no_overlap_is_left(app, ending):
    world = make.make_world()
    booking = world.active() if ending == "return early" else world.approved()
    window_id = over(world, booking)
    world.deliver()
    assert conflicts(world)[0].status == "OPEN"
    if ending == "cancel the booking":
        with world.acting(world.company_admin):
            bookings.cancel_booking(booking.id, "MAINTENANCE", "Agreed")
    elif ending == "move the window":
        changed(world, window_id, booking.end, booking.end + hours(5))
    elif ending == "cancel the window":
        with world.acting(world.vendor_admin):
            fleet.cancel_maintenance(window_id)
    else:
        with world.acting(world.vendor_admin, booking.start + hours(1)):
            bookings.complete_booking(booking.id, 10_010, 90)
    world.deliver()
    (found,) = conflicts(world)
    assert (found.status, found.resolution) == ("RESOLVED", "NO_OVERLAP")


def test_a_persons_note_closes_a_conflict_and_changes_no_booking(any_app):
    world = make.make_world()
    booking = world.approved()
    window_id = over(world, booking)
    world.deliver()
    (found,) = conflicts(world)
    with world.acting(world.company_admin):
        actions.resolve_conflict(found.id, note="The workshop comes to us", version=found.version)
    world.deliver()
    (found,) = conflicts(world)
    assert (found.status, found.resolution, found.note) == ("RESOLVED", "ACCEPTED", "The workshop comes to us")
    assert make.booking(booking.id).status == "APPROVED"
    assert [event.event_type for event in make.told(found.id)] == [
        "AvailabilityConflictDetected",
        "AvailabilityConflictResolved",
    ]
    # What was decided stays decided, as long as neither side moves.
    with world.acting(world.vendor_admin, booking.start + timedelta(hours=12)):
        fleet.start_maintenance(window_id)
    world.deliver()
    assert [row.status for row in conflicts(world)] == ["RESOLVED"]


def test_nobody_but_the_two_sides_decides(app):
    world = make.make_world()
    over(world, world.approved())
    world.deliver()
    (found,) = conflicts(world)
    for who, refusal in ((make.another_company(), NotFound), (world.platform_admin, PermissionDenied)):
        with world.acting(who), pytest.raises(refusal):
            actions.resolve_conflict(found.id, note="Never mind")
    with world.acting(world.vendor_admin), pytest.raises(RuleBroken):
        actions.resolve_conflict(found.id, note="  ")
    assert conflicts(world)[0].status == "OPEN"


def test_the_clock_finds_a_conflict_that_a_failed_delivery_missed(any_app, monkeypatch):
    world = make.make_world()
    with monkeypatch.context() as broken:
        broken.setattr(actions, "review_conflicts", lambda _vehicle_id: 0)
        booking = world.approved()
        window_id = over(world, booking)
        world.deliver()
    assert conflicts(world) == []
    with clock.standing_at(NOON):
        actions.review_stale_calendars()
    assert [row.status for row in conflicts(world)] == ["OPEN"]
    with monkeypatch.context() as broken:
        broken.setattr(actions, "review_conflicts", lambda _vehicle_id: 0)
        with world.acting(world.vendor_admin):
            fleet.cancel_maintenance(window_id)
        world.deliver()
    with clock.standing_at(NOON):
        actions.review_stale_calendars()
    assert [row.resolution for row in conflicts(world)] == ["NO_OVERLAP"]
