"""What the fleet does about other contexts' facts."""

from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import select

from karokar.events.assignment import (
    AssignmentAccepted,
    AssignmentActivated,
    AssignmentClosed,
    AssignmentCompleted,
    AssignmentCreated,
    AssignmentOdometerCorrected,
    AssignmentRejected,
)
from karokar.events.base import Envelope
from karokar.events.booking import (
    BookingActivated,
    BookingCompleted,
    BookingOdometerCorrected,
    BookingVehicleReturned,
)
from karokar.events.handlers import handles
from karokar.events.verification import VerificationApproved, VerificationExpired, VerificationRevoked
from karokar.fleet import actions, queries
from karokar.fleet.models import VehicleDriver
from karokar.fleet.rules import REQUIRED_DOCUMENTS, SOURCE_OF, VehicleStatus
from karokar.kernel.db import db


@handles(
    VerificationExpired,
    VerificationRevoked,
    effect="action",
    description="Takes a vehicle off the road when a document that it needs has run out.",
)
def suspend_without_documents(envelope: Envelope[VerificationExpired | VerificationRevoked]) -> None:
    """Suspend the vehicle by DOCUMENTS, unless another approval of the same kind still covers it."""
    event = envelope.event
    if event.entity_type != "Vehicle" or event.kind not in REQUIRED_DOCUMENTS or event.still_covered:
        return
    if queries.vehicles([event.entity_id]):
        reason = "DOCUMENT_EXPIRED" if isinstance(event, VerificationExpired) else "DOCUMENT_REVOKED"
        actions.suspend_for_documents(event.entity_id, reason=reason)


@handles(
    VerificationApproved,
    effect="action",
    description="Puts vehicles back on the road that only their documents kept off it.",
)
def lift_with_documents(envelope: Envelope[VerificationApproved]) -> None:
    """Lift suspensions by DOCUMENTS where everything that the vehicle needs is there again."""
    event = envelope.event
    if event.entity_type == "Vehicle" and queries.vehicles([event.entity_id]):
        actions.lift_document_suspension(event.entity_id)
    elif event.entity_type == "Organization":
        for vehicle_id in queries.list_suspended_for_documents(event.entity_id):
            actions.lift_document_suspension(vehicle_id)


_Read = BookingActivated | BookingCompleted | BookingVehicleReturned | AssignmentActivated | AssignmentCompleted
_Corrected = BookingOdometerCorrected | AssignmentOdometerCorrected


@handles(
    BookingActivated,
    BookingCompleted,
    BookingVehicleReturned,
    BookingOdometerCorrected,
    AssignmentActivated,
    AssignmentCompleted,
    AssignmentOdometerCorrected,
    effect="action",
    key="stream",
    description="Takes the odometer readings of handovers and returns into the vehicle's log, and their corrections.",
)
def log_odometer(envelope: Envelope[_Read | _Corrected]) -> None:
    """Record the reading, under an id that the event gives, so that it is recorded once; a correction replaces it.

    An assignment of a booking tells nothing new: the booking's own event has the reading.
    """
    event = envelope.event
    if isinstance(event, AssignmentActivated | AssignmentCompleted | AssignmentOdometerCorrected):
        source_id, is_told_elsewhere = event.assignment_id, event.booking_id is not None
    else:
        source_id, is_told_elsewhere = event.booking_id, False
    if is_told_elsewhere or event.odometer is None:
        return
    found = queries.vehicles([event.vehicle_id]).get(event.vehicle_id)
    if isinstance(event, BookingOdometerCorrected | AssignmentOdometerCorrected):
        if found is not None:
            actions.correct_odometer(
                event.vehicle_id,
                kilometres=event.odometer,
                read_at=event.read_at,
                source=SOURCE_OF[event.handover_kind].value,
                source_id=source_id,
                reason=f"Corrected to {event.odometer:,} km where it was recorded.",
                reading_id=_reading_id(envelope.event_id),
            )
        return
    if found is None or found.status == VehicleStatus.RETIRED:
        return
    is_return = not isinstance(event, BookingActivated | AssignmentActivated)
    actions.record_odometer(
        event.vehicle_id,
        kilometres=event.odometer,
        read_at=_read_at(event),
        source=SOURCE_OF["IN" if is_return else "OUT"].value,
        source_id=source_id,
        reading_id=_reading_id(envelope.event_id),
    )


def _read_at(event: _Read) -> datetime:
    if isinstance(event, BookingActivated | AssignmentActivated):
        return event.activated_at
    return event.returned_at if isinstance(event, BookingVehicleReturned) else event.actual_end


def _reading_id(event_id: UUID) -> UUID:
    return uuid5(event_id, "odometer")


_Assigned = (
    AssignmentCreated
    | AssignmentAccepted
    | AssignmentActivated
    | AssignmentRejected
    | AssignmentCompleted
    | AssignmentClosed
)


@handles(
    AssignmentCreated,
    AssignmentAccepted,
    AssignmentActivated,
    AssignmentRejected,
    AssignmentCompleted,
    AssignmentClosed,
    effect="projection",
    from_start=True,
    keeps=(VehicleDriver.assignment_id,),
    description="Knows whom each vehicle is assigned to, so that drivers may see it.",
)
def know_driver(envelope: Envelope[_Assigned]) -> None:
    """Keep one row per assignment; it ends when the assignment does."""
    event = envelope.event
    row = db.session.scalars(
        select(VehicleDriver).where(VehicleDriver.assignment_id == event.assignment_id)
    ).one_or_none()
    if row is None:
        row = VehicleDriver(
            assignment_id=event.assignment_id,
            vehicle_id=event.vehicle_id,
            employee_id=event.employee_id,
            applied_seq=0,
        )
        db.session.add(row)
    if row.applied_seq >= envelope.aggregate_seq:
        return
    row.applied_seq = envelope.aggregate_seq
    if isinstance(event, AssignmentRejected | AssignmentCompleted | AssignmentClosed):
        row.ended_at = envelope.occurred_at
