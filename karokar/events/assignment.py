"""Facts about assignments: which employee has which vehicle. Seen by the company and the employee."""

from typing import ClassVar
from uuid import UUID

from karokar.events.base import (
    AssignmentId,
    BookingId,
    Code,
    Event,
    Moment,
    NoteId,
    OrganizationId,
    UserId,
    VehicleId,
    fact,
)


class _AssignmentEvent(Event, frozen=True, kw_only=True):
    """`booking_id` is None for a company's own vehicle, `end` is None for an open-ended assignment."""

    aggregate_type: ClassVar[str] = "Assignment"
    aggregate_field: ClassVar[str | None] = "assignment_id"
    assignment_id: AssignmentId
    booking_id: BookingId | None = None
    vehicle_id: VehicleId
    corporate_organization_id: OrganizationId
    employee_id: UserId
    start: Moment
    end: Moment | None = None


@fact("AssignmentCreated", "assigned the vehicle", stream="vehicle_id", tone="wait")
class AssignmentCreated(_AssignmentEvent, frozen=True, kw_only=True):
    """Sent when an employee is to get a vehicle: by the booking's event, or directly for a company's own."""

    round: int = 1


@fact("AssignmentAccepted", "accepted the assignment", stream="vehicle_id", tone="good")
class AssignmentAccepted(_AssignmentEvent, frozen=True, kw_only=True):
    """Sent when the named employee accepted."""


@fact("AssignmentRejected", "declined the assignment", version=2, stream="vehicle_id", tone="bad", details=("note_id",))
class AssignmentRejected(_AssignmentEvent, frozen=True, kw_only=True):
    """Sent when the named employee declined."""

    note_id: NoteId | None = None


@fact(
    "AssignmentActivated",
    "received the vehicle",
    stream="vehicle_id",
    tone="live",
    details=("odometer", "fuel_percent"),
    person="employee_id",
)
class AssignmentActivated(_AssignmentEvent, frozen=True, kw_only=True):
    """Sent when the employee has the vehicle: after the booking's handover, or by starting a direct one.

    Odometer in kilometres and fuel in percent for a direct one; with a booking they are in the booking's event.
    """

    activated_at: Moment
    odometer: int | None = None
    fuel_percent: int | None = None


@fact(
    "AssignmentCompleted",
    "returned the vehicle",
    stream="vehicle_id",
    tone="good",
    details=("odometer", "fuel_percent"),
    person="employee_id",
)
class AssignmentCompleted(_AssignmentEvent, frozen=True, kw_only=True):
    """Sent when the employee gave the vehicle back; odometer in kilometres and fuel in percent for a direct one."""

    actual_end: Moment
    odometer: int | None = None
    fuel_percent: int | None = None


@fact("AssignmentOdometerCorrected", "corrected an odometer reading", stream="vehicle_id", details=("odometer",))
class AssignmentOdometerCorrected(_AssignmentEvent, frozen=True, kw_only=True):
    """Sent when the odometer reading of a handover (`handover_kind` OUT) or return (IN) of a company's own vehicle was
    corrected, in kilometres; `read_at` is when it was handed over or came back.
    """

    handover_id: UUID
    handover_kind: Code
    read_at: Moment
    former_odometer: int
    odometer: int


@fact("AssignmentClosed", "closed the assignment", stream="vehicle_id", tone="neutral", details=("reason",))
class AssignmentClosed(_AssignmentEvent, frozen=True, kw_only=True):
    """Sent when an assignment ended administratively: booking over, replaced by a later round, member left, expired."""

    reason: Code
    closed_at: Moment


@fact("AssignmentReminded", "sent a reminder to answer the assignment", stream="vehicle_id", tone="wait")
class AssignmentReminded(_AssignmentEvent, frozen=True, kw_only=True):
    """Sent by the clock a day and two hours before the start of an assignment that is not yet answered."""

    hours_before: int


@fact("AssignmentFlagged", "flagged the assignment", stream="vehicle_id", tone="bad", details=("reason",))
class AssignmentFlagged(_AssignmentEvent, frozen=True, kw_only=True):
    """Sent when the employee of a running assignment was suspended or removed: somebody must fetch the vehicle."""

    reason: Code
