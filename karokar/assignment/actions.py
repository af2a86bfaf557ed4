"""What people, bookings and the clock do with assignments. One function is one transaction.

Those of a booking follow it by its events (`…_for_booking`); direct ones, of a company's own vehicles, by people.
Locks are taken in one order: the organization, the vehicle's calendar, the vehicle, the assignment.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select

from karokar.assignment import queries, rules
from karokar.assignment.models import (
    EMPLOYEE_OVERLAP,
    VEHICLE_OVERLAP,
    Assignment,
    AssignmentHandover,
    AssignmentPhoto,
)
from karokar.assignment.permissions import (
    ASSIGNMENT_ACCEPT,
    ASSIGNMENT_CLOSE,
    ASSIGNMENT_COMPLETE,
    ASSIGNMENT_CREATE,
    ASSIGNMENT_REJECT,
    ASSIGNMENT_START,
)
from karokar.assignment.rules import Status
from karokar.availability import facts as availability
from karokar.events.base import Event
from karokar.events.bus import publish
from karokar.files.cleaning import clean_photos
from karokar.fleet import facts as fleet
from karokar.identity import facts as identity
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken, StateConflict
from karokar.kernel.permissions import check, load
from karokar.kernel.schedule import every, work_through
from karokar.kernel.vehicles.handover import Found, PhotoUpload, check_damage, handover_values, keep_handover
from karokar.organization import facts as organization
from karokar.verification import facts as verification

_NOT_FREE = StateConflict(
    "VEHICLE_NOT_AVAILABLE",
    "Somebody else has the vehicle in this period. Choose another vehicle or another period.",
)
_NOT_ELIGIBLE = RuleBroken(
    "EMPLOYEE_NOT_ELIGIBLE",
    "This person has another assignment in this period.",
    fields={"employee_id": "This person has another assignment in this period."},
)

# --- the employee's answer --------------------------------------------------------------------------------------------


@action
def accept_assignment(assignment_id: UUID, *, version: int | None = None) -> Assignment:
    """The named employee accepts. Raises NotFound (another's), INVALID_ASSIGNMENT_TRANSITION, ASSIGNMENT_OVER."""
    assignment = load(Assignment, assignment_id, ASSIGNMENT_ACCEPT, version=version, lock=True)
    publish(assignment.accept(at=clock.now()))
    return assignment


@action
def reject_assignment(assignment_id: UUID, reason: str = "", *, version: int | None = None) -> Assignment:
    """The named employee declines. Raises NotFound (another's), INVALID_ASSIGNMENT_TRANSITION."""
    assignment = load(Assignment, assignment_id, ASSIGNMENT_REJECT, version=version, lock=True)
    publish(assignment.reject(reason=(reason or "")[:500], at=clock.now()))
    return assignment


# --- the company's own vehicles ---------------------------------------------------------------------------------------


@action(refusals={VEHICLE_OVERLAP: _NOT_FREE, EMPLOYEE_OVERLAP: _NOT_ELIGIBLE})
def create_assignment(vehicle_id: UUID, employee_id: UUID, start: datetime, end: datetime | None = None) -> UUID:
    """Assign one of the company's own vehicles to an employee, for a period or without an end. Returns its id.

    Raises NotFound (no such vehicle here), ORGANIZATION_NOT_ACTIVE, PERIOD_INVALID, START_PASSED, END_PASSED,
    VEHICLE_NOT_ACTIVE, VEHICLE_IN_MAINTENANCE, VEHICLE_NOT_AVAILABLE, EMPLOYEE_NOT_ELIGIBLE.
    """
    check(ASSIGNMENT_CREATE)
    own = current_actor().organization_id
    vehicle = fleet.get_vehicle(vehicle_id)
    if own is None or vehicle.organization_id != own or vehicle.ownership_type != "CORPORATE_OWNED":
        raise NotFound("vehicle")
    organization.hold_active([own])
    fleet.lock_calendar(vehicle_id)
    vehicle = fleet.hold_vehicle(vehicle_id)
    assignment, event = Assignment.create(
        vehicle_id=vehicle_id, corporate_organization_id=own, employee_id=employee_id, start=start, end=end
    )
    rules.check_times(start, end, clock.now())
    _check_vehicle(vehicle, start, end)
    if queries.overlapping(vehicle_id, start, end):
        raise _NOT_FREE
    refusal = _why_not(own, employee_id, start, end)
    if refusal:
        raise RuleBroken("EMPLOYEE_NOT_ELIGIBLE", refusal, fields={"employee_id": refusal})
    db.session.add(assignment)
    publish(event)
    return assignment.id


@action
def start_assignment(
    assignment_id: UUID,
    odometer: int,
    fuel_percent: int,
    *,
    checks: Sequence[str] = (),
    notes: str = "",
    photos: Sequence[PhotoUpload] = (),
    version: int | None = None,
) -> Assignment:
    """Hand a company's own vehicle over, with what was found on it. Odometer in kilometres, fuel or charge in percent.

    Raises INVALID_ASSIGNMENT_TRANSITION, FOLLOWS_BOOKING, TOO_EARLY, VEHICLE_NOT_ACTIVE, VEHICLE_STILL_OUT,
    READING_INVALID, PHOTO_INVALID.
    """
    assignment = _hold_direct(assignment_id, ASSIGNMENT_START, version)
    now = clock.now()
    event = assignment.start_using(at=now, odometer=odometer, fuel_percent=fuel_percent)
    if now < assignment.start - timedelta(hours=1):
        raise StateConflict("TOO_EARLY", "The handover is possible from one hour before the start. Come back then.")
    vehicle = fleet.hold_vehicle(assignment.vehicle_id)
    if vehicle.status != "ACTIVE":
        raise StateConflict(
            "VEHICLE_NOT_ACTIVE", f"{vehicle.label} is not on the road at the moment. Have it activated first."
        )
    out = [
        other
        for other in queries.who_had(assignment.vehicle_id, now)
        if other.id != assignment.id and other.status == Status.ACTIVE.value
    ]
    if out:
        name = identity.get_person(out[0].employee_id).name
        raise StateConflict("VEHICLE_STILL_OUT", f"{name} has not returned the vehicle yet. Take it back first.")
    publish(event)
    found = Found(odometer=odometer, fuel_percent=fuel_percent, checks=checks, notes=notes, photos=photos)
    _keep_handover(assignment, "OUT", found, at=now)
    return assignment


@action
def complete_assignment(
    assignment_id: UUID,
    odometer: int,
    fuel_percent: int,
    *,
    returned_at: datetime | None = None,
    is_damaged: bool = False,
    checks: Sequence[str] = (),
    notes: str = "",
    photos: Sequence[PhotoUpload] = (),
    version: int | None = None,
) -> Assignment:
    """Take a company's own vehicle back, now or as it was at `returned_at`, with what was found on it.

    Raises INVALID_ASSIGNMENT_TRANSITION, FOLLOWS_BOOKING, READING_INVALID, RETURN_TIME_INVALID, DAMAGE_NOT_DESCRIBED,
    PHOTO_INVALID.
    """
    assignment = _hold_direct(assignment_id, ASSIGNMENT_COMPLETE, version)
    now = clock.now()
    found = Found(
        odometer=odometer,
        fuel_percent=fuel_percent,
        checks=checks,
        is_damaged=is_damaged,
        notes=notes,
        photos=photos,
    )
    check_damage(found)
    publish(assignment.complete(at=now, returned_at=returned_at, odometer=odometer, fuel_percent=fuel_percent))
    _keep_handover(assignment, "IN", found, at=assignment.actual_end or now)
    return assignment


@action
def correct_odometer(assignment_id: UUID, kind: str, odometer: int, *, version: int | None = None) -> Assignment:
    """Correct the odometer reading, in kilometres, of the handover ("OUT") or the return ("IN"), also after the end.

    For whoever may record that handover or return. Raises FOLLOWS_BOOKING, NotFound (nothing recorded yet),
    StaleVersion, READING_INVALID.
    """
    assignment = _hold_direct(assignment_id, ASSIGNMENT_START if kind == "OUT" else ASSIGNMENT_COMPLETE, version)
    statement = select(AssignmentHandover).where(
        AssignmentHandover.assignment_id == assignment.id, AssignmentHandover.kind == kind
    )
    handover = db.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if handover is None:
        raise NotFound("handover record")
    publish(assignment.correct_odometer(handover, odometer, at=clock.now()))
    return assignment


def _keep_handover(assignment: Assignment, kind: str, found: Found, *, at: datetime) -> None:
    values = handover_values(kind, found, assignment.corporate_organization_id, at)
    handover = AssignmentHandover(assignment_id=assignment.id, **values)
    keep_handover(handover, AssignmentPhoto, found.photos, assignment_id=assignment.id)


@action
def close_assignment(assignment_id: UUID, reason: str, *, version: int | None = None) -> Assignment:
    """End a direct assignment administratively, for a reason of the list.

    Raises INVALID_ASSIGNMENT_TRANSITION, FOLLOWS_BOOKING, REASON_NEEDED.
    """
    if reason not in rules.CLOSE_REASONS:
        sentence = "Choose a reason from the list."
        raise RuleBroken("REASON_NEEDED", sentence, fields={"reason": sentence})
    assignment = _hold_direct(assignment_id, ASSIGNMENT_CLOSE, version)
    publish(assignment.close(reason=reason, at=clock.now()))
    return assignment


def _hold_direct(assignment_id: UUID, permission: str, version: int | None) -> Assignment:
    """Return the assignment, locked with its vehicle's calendar. Raises FOLLOWS_BOOKING for one with a booking."""
    seen = load(Assignment, assignment_id, permission)
    if not seen.is_direct:
        raise StateConflict(
            "FOLLOWS_BOOKING", "This assignment follows its booking. Hand over, take back or cancel the booking."
        )
    fleet.lock_calendar(seen.vehicle_id)
    return load(Assignment, assignment_id, permission, version=version, lock=True)


def _check_vehicle(vehicle: fleet.VehicleFacts, start: datetime, end: datetime | None) -> None:
    """Raise VEHICLE_NOT_ACTIVE, VEHICLE_IN_MAINTENANCE or VEHICLE_NOT_AVAILABLE.

    Of an assignment without an end only the first day has to be free: what comes later is planned around it. A document
    that expires in the meantime can be renewed: a company knows of its own.
    """
    if vehicle.status != "ACTIVE":
        raise StateConflict(
            "VEHICLE_NOT_ACTIVE", f"{vehicle.label} is not on the road at the moment. Have it activated first."
        )
    taken = availability.why_taken([vehicle], start, end or start + timedelta(days=1))[vehicle.id]
    kinds = {reason.kind for reason in taken if reason.kind != "DOCUMENT"}
    if "MAINTENANCE" in kinds:
        raise StateConflict(
            "VEHICLE_IN_MAINTENANCE",
            f"{vehicle.label} is in maintenance within this period. Choose another period or another vehicle.",
        )
    if kinds:
        raise _NOT_FREE


def _why_not(organization_id: UUID, employee_id: UUID, start: datetime, end: datetime | None) -> str:
    members = [member for member in identity.list_members(organization_id) if member.user_id == employee_id]
    found = queries.list_candidates(
        members,
        verification.coverages("User", [employee_id]),
        start,
        end,
    )
    return found[0].refusal if found else "This person is not an active member of your company."


# --- following a booking ----------------------------------------------------------------------------------------------


@action
def create_for_booking(
    *,
    booking_id: UUID,
    vehicle_id: UUID,
    corporate_organization_id: UUID,
    employee_id: UUID,
    start: datetime,
    end: datetime,
    round: int,  # noqa: A002 - the domain's word
) -> None:
    """Make the assignment of a booking's round, after closing the live one of an earlier round. Twice is once."""
    known = _of_booking(booking_id)
    if any(one.round >= round for one in known):
        return
    for earlier in known:
        _close(earlier, "REPLACED")
    assignment, event = Assignment.create(
        booking_id=booking_id,
        vehicle_id=vehicle_id,
        corporate_organization_id=corporate_organization_id,
        employee_id=employee_id,
        start=start,
        end=end,
        round=round,
    )
    db.session.add(assignment)
    publish(event)


@action
def start_for_booking(booking_id: UUID, at: datetime) -> None:
    """The booking's vehicle was handed over: its accepted assignment is under way."""
    for assignment in _of_booking(booking_id):
        if assignment.status == Status.ACCEPTED.value:
            publish(assignment.start_using(at=at))


@action
def complete_for_booking(booking_id: UUID, at: datetime) -> None:
    """The booking's vehicle is back: so is the assignment's; one that never began is closed."""
    for assignment in _of_booking(booking_id):
        if assignment.status == Status.ACTIVE.value:
            publish(assignment.complete(at=at))
        else:
            _close(assignment, "EXPIRED")


@action
def close_for_booking(booking_id: UUID, reason: str, at: datetime) -> None:
    """The booking was called off or ended early: its live assignments are closed."""
    for assignment in _of_booking(booking_id):
        _close(assignment, reason, at)


@action
def release_member(organization_id: UUID, user_id: UUID, reason: str) -> None:
    """A member may act no longer: close what has not begun, flag what runs, so that somebody fetches the vehicle."""
    mine = (Assignment.corporate_organization_id == organization_id) & (Assignment.employee_id == user_id)
    for assignment in _locked(mine & Assignment.status.in_([status.value for status in rules.LIVE])):
        if assignment.status != Status.ACTIVE.value:
            _close(assignment, reason)
        elif assignment.flag != reason:
            publish(assignment.raise_flag(reason=reason))


def _of_booking(booking_id: UUID) -> Sequence[Assignment]:
    return _locked(Assignment.booking_id == booking_id)


def _locked(condition: ColumnElement[bool]) -> Sequence[Assignment]:
    statement = select(Assignment).where(condition).order_by(Assignment.id).with_for_update()
    return db.session.scalars(statement.execution_options(populate_existing=True)).all()


def _close(assignment: Assignment, reason: str, at: datetime | None = None) -> None:
    if Status(assignment.status) in rules.LIVE:
        publish(assignment.close(reason=reason, at=at or clock.now()))


# --- the clock --------------------------------------------------------------------------------------------------------


@every(300)
def remind_employees() -> int:
    """Remind a day and two hours before the start of what is not yet answered. Returns how many."""
    now = clock.now()
    is_due = or_(
        *(
            and_(
                Assignment.start <= now + timedelta(hours=hours),
                or_(Assignment.reminded_hours.is_(None), Assignment.reminded_hours > hours),
            )
            for hours in rules.REMINDERS
        )
    )
    return work_through(_ids(Assignment.status == Status.PENDING.value, Assignment.start > now, is_due), _each(_remind))


@every(60)
def close_expired() -> int:
    """Close what was never begun and whose time has passed. Returns how many."""
    waiting = [Status.PENDING.value, Status.ACCEPTED.value]
    ids = _ids(Assignment.status.in_(waiting), Assignment.end <= clock.now())
    return work_through(ids, _each(lambda assignment: assignment.close(reason="EXPIRED", at=clock.now())))


def _remind(assignment: Assignment) -> Event:
    hours = rules.due_reminder(assignment.start, clock.now(), assignment.reminded_hours)
    if hours is None:
        raise StateConflict("INVALID_ASSIGNMENT_TRANSITION", "No reminder is due.")
    return assignment.remind(hours_before=hours)


def _ids(*conditions: ColumnElement[bool]) -> Select[UUID]:
    return select(Assignment.id).where(*conditions).order_by(Assignment.start)


def _each(change: Callable[[Assignment], Event]) -> Callable[[UUID], None]:
    """Return an action that changes an assignment and tells it."""

    @action
    def change_one(assignment_id: UUID) -> None:
        publish(change(load(Assignment, assignment_id, ASSIGNMENT_CLOSE, lock=True)))

    return change_one


@every(60, lane="runs")
def clean_stored_photos() -> int:
    """Clean photos that were stored before photos were cleaned, some at a time. Returns how many."""
    return clean_photos(AssignmentPhoto)
