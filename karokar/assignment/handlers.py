"""How assignments follow bookings and memberships."""

from karokar.assignment import actions
from karokar.assignment.models import AssignmentSetting
from karokar.assignment.rules import LICENCE_SETTING
from karokar.booking import facts as bookings
from karokar.events.administration import SettingChanged
from karokar.events.base import Envelope
from karokar.events.booking import (
    BookingActivated,
    BookingAssigned,
    BookingCancelled,
    BookingCompleted,
    BookingTerminated,
    BookingVehicleReturned,
)
from karokar.events.handlers import handles
from karokar.events.identity import MemberRemoved, MemberSuspended
from karokar.kernel.db import db


@handles(
    BookingAssigned,
    effect="action",
    description="Makes the employee's assignment, after closing that of an earlier round.",
)
def assign_employee(envelope: Envelope[BookingAssigned]) -> None:
    """Make the assignment of the booking's round."""
    event = envelope.event
    actions.create_for_booking(
        booking_id=event.booking_id,
        vehicle_id=event.vehicle_id,
        corporate_organization_id=event.corporate_organization_id,
        employee_id=event.employee_id,
        start=event.start,
        end=event.end,
        round=event.round,
    )


@handles(BookingActivated, effect="action", description="Notes that the employee has received the vehicle.")
def start_with_booking(envelope: Envelope[BookingActivated]) -> None:
    """Start the accepted assignment."""
    actions.start_for_booking(envelope.event.booking_id, envelope.event.activated_at)


@handles(BookingCompleted, effect="action", description="Notes that the employee has returned the vehicle.")
def complete_with_booking(envelope: Envelope[BookingCompleted]) -> None:
    """Complete the running assignment."""
    actions.complete_for_booking(envelope.event.booking_id, envelope.event.actual_end)


@handles(BookingVehicleReturned, effect="action", description="Notes that the employee's vehicle came back after all.")
def complete_after_end(envelope: Envelope[BookingVehicleReturned]) -> None:
    """Complete the assignment of a booking that had ended without its vehicle."""
    actions.complete_for_booking(envelope.event.booking_id, envelope.event.returned_at)


@handles(BookingCancelled, effect="action", description="Closes the assignment of a booking that was called off.")
def close_with_cancelled(envelope: Envelope[BookingCancelled]) -> None:
    """Close what has not begun."""
    actions.close_for_booking(envelope.event.booking_id, "BOOKING_CANCELLED", envelope.event.cancelled_at)


@handles(BookingTerminated, effect="action", description="Closes the assignment of a booking that was ended early.")
def close_with_terminated(envelope: Envelope[BookingTerminated]) -> None:
    """Close what runs, unless the vehicle is not back: the employee still has it."""
    booking = bookings.bookings([envelope.event.booking_id]).get(envelope.event.booking_id)
    if booking is not None and booking.is_awaited:
        return
    actions.close_for_booking(envelope.event.booking_id, "BOOKING_TERMINATED", envelope.event.actual_end)


@handles(
    MemberSuspended,
    effect="action",
    description="Closes the member's assignments that have not begun and flags those that run.",
)
def release_suspended(envelope: Envelope[MemberSuspended]) -> None:
    """Free vehicles from somebody who may act no longer, for now."""
    actions.release_member(envelope.event.organization_id, envelope.event.user_id, "MEMBER_SUSPENDED")


@handles(
    MemberRemoved,
    effect="action",
    description="Closes the former member's assignments that have not begun and flags those that run.",
)
def release_removed(envelope: Envelope[MemberRemoved]) -> None:
    """Free vehicles from somebody who left."""
    actions.release_member(envelope.event.organization_id, envelope.event.user_id, "MEMBER_REMOVED")


@handles(
    SettingChanged,
    effect="projection",
    from_start=True,
    description="Keeps whether a driving licence is required, where eligibility is decided.",
)
def keep_setting(envelope: Envelope[SettingChanged]) -> None:
    """Keep the platform's newest choice; events of one setting may arrive in any order."""
    event = envelope.event
    if event.key != LICENCE_SETTING or event.organization_id is not None:
        return
    kept = db.session.get(AssignmentSetting, event.key)
    if kept is None:
        db.session.add(AssignmentSetting(key=event.key, value=event.after, changed_at=envelope.occurred_at))
    elif kept.changed_at <= envelope.occurred_at:
        kept.value, kept.changed_at = event.after, envelope.occurred_at
