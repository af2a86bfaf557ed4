"""Facts about bookings. They keep one order with everything else about the vehicle.

Purpose, requester and employee are seen by the corporate side only; drafts by nobody else, for good.
"""

from typing import ClassVar
from uuid import UUID

from karokar.events.base import BookingId, Code, Event, Moment, NoteId, OrganizationId, UserId, VehicleId, fact

_DRAFT_AUDIENCE = ("corporate_organization_id",)
_CORPORATE_ONLY = dict.fromkeys(("purpose", "requested_by", "employee_id"), "corporate_organization_id")


class _BookingEvent(Event, frozen=True, kw_only=True):
    """`start` and `end` are the booked period, half-open; `reference` is what people say ("B-4K7-29F")."""

    aggregate_type: ClassVar[str] = "Booking"
    aggregate_field: ClassVar[str | None] = "booking_id"
    booking_id: BookingId
    reference: Code
    vehicle_id: VehicleId
    vendor_organization_id: OrganizationId
    corporate_organization_id: OrganizationId
    requested_by: UserId
    start: Moment
    end: Moment


@fact("BookingDrafted", "drafted a booking", stream="vehicle_id", audience=_DRAFT_AUDIENCE, private=_CORPORATE_ONLY)
class BookingDrafted(_BookingEvent, frozen=True, kw_only=True):
    """Sent when a draft was made."""


@fact("BookingEdited", "edited the draft", stream="vehicle_id", audience=_DRAFT_AUDIENCE, private=_CORPORATE_ONLY)
class BookingEdited(_BookingEvent, frozen=True, kw_only=True):
    """Sent when a draft's period or purpose changed."""


@fact(
    "BookingDiscarded",
    "discarded the draft",
    stream="vehicle_id",
    audience=_DRAFT_AUDIENCE,
    private=_CORPORATE_ONLY,
    tone="neutral",
)
class BookingDiscarded(_BookingEvent, frozen=True, kw_only=True):
    """Sent just before a draft is deleted."""


@fact("BookingRequested", "requested the booking", stream="vehicle_id", private=_CORPORATE_ONLY, tone="wait")
class BookingRequested(_BookingEvent, frozen=True, kw_only=True):
    """Sent when a draft was submitted to the vendor."""


@fact("BookingApproved", "approved the booking", stream="vehicle_id", private=_CORPORATE_ONLY, tone="good")
class BookingApproved(_BookingEvent, frozen=True, kw_only=True):
    """Sent when the vendor approved; the vehicle is held until `held_until` (end plus the vendor's buffer)."""

    held_until: Moment


@fact(
    "BookingRejected",
    "rejected the booking",
    version=2,
    stream="vehicle_id",
    private=_CORPORATE_ONLY,
    tone="bad",
    details=("reason", "note_id"),
)
class BookingRejected(_BookingEvent, frozen=True, kw_only=True):
    """Sent when the vendor said no; `offered_vehicle_id` names another vehicle that it would rent instead."""

    reason: Code
    note_id: NoteId | None = None
    offered_vehicle_id: VehicleId | None = None


@fact("BookingAssigned", "assigned an employee", stream="vehicle_id", private=_CORPORATE_ONLY)
class BookingAssigned(_BookingEvent, frozen=True, kw_only=True):
    """Sent when the company chose who gets the vehicle; `round` counts the choices, from 1."""

    employee_id: UserId
    round: int


@fact(
    "BookingActivated",
    "handed the vehicle over",
    stream="vehicle_id",
    private=_CORPORATE_ONLY,
    tone="live",
    details=("odometer", "fuel_percent"),
)
class BookingActivated(_BookingEvent, frozen=True, kw_only=True):
    """Sent at the handover; odometer in kilometres, fuel in percent."""

    employee_id: UserId | None = None
    activated_at: Moment
    odometer: int
    fuel_percent: int


@fact(
    "BookingCompleted",
    "took the vehicle back",
    stream="vehicle_id",
    private=_CORPORATE_ONLY,
    tone="good",
    details=("odometer", "fuel_percent", "is_damaged"),
)
class BookingCompleted(_BookingEvent, frozen=True, kw_only=True):
    """Sent at the return; odometer in kilometres, fuel in percent."""

    employee_id: UserId | None = None
    actual_end: Moment
    odometer: int
    fuel_percent: int
    is_damaged: bool = False


@fact(
    "BookingCancelled",
    "cancelled the booking",
    version=2,
    stream="vehicle_id",
    private=_CORPORATE_ONLY,
    tone="neutral",
    details=("reason", "note_id"),
)
class BookingCancelled(_BookingEvent, frozen=True, kw_only=True):
    """Sent when a booking that had not begun was called off, by a side or by the clock (UNANSWERED, NO_SHOW)."""

    employee_id: UserId | None = None
    reason: Code
    note_id: NoteId | None = None
    cancelled_at: Moment
    former_status: Code


@fact(
    "BookingTerminated",
    "ended the booking early",
    version=2,
    stream="vehicle_id",
    private=_CORPORATE_ONLY,
    tone="bad",
    details=("reason", "note_id"),
)
class BookingTerminated(_BookingEvent, frozen=True, kw_only=True):
    """Sent when a running booking was ended before its time, at `actual_end`."""

    employee_id: UserId | None = None
    reason: Code
    note_id: NoteId | None = None
    actual_end: Moment


@fact("BookingOverdue", "noticed that the vehicle is late", stream="vehicle_id", private=_CORPORATE_ONLY, tone="bad")
class BookingOverdue(_BookingEvent, frozen=True, kw_only=True):
    """Sent by the clock, once, when a running booking passed its end."""

    employee_id: UserId | None = None


@fact("BookingReminded", "sent a reminder about the booking", stream="vehicle_id", private=_CORPORATE_ONLY, tone="wait")
class BookingReminded(_BookingEvent, frozen=True, kw_only=True):
    """Sent by the clock an hour after the start of a booking that nobody has collected."""

    employee_id: UserId | None = None


@fact(
    "BookingDelayed",
    "noticed that the vehicle is still out with an earlier booking",
    stream="vehicle_id",
    private=_CORPORATE_ONLY,
)
class BookingDelayed(_BookingEvent, frozen=True, kw_only=True):
    """Sent by the clock, once, when the vehicle of a booking that begins within a day has not come back from an earlier
    booking, which should have returned it at `due_back`.
    """

    employee_id: UserId | None = None
    due_back: Moment


@fact(
    "BookingVehicleAwaited",
    "noted that the vehicle is still to come back",
    stream="vehicle_id",
    private=_CORPORATE_ONLY,
)
class BookingVehicleAwaited(_BookingEvent, frozen=True, kw_only=True):
    """Sent with the end of a running booking that did not bring the vehicle back: it stays taken from `since` on."""

    employee_id: UserId | None = None
    since: Moment


@fact(
    "BookingVehicleReturned",
    "noted that the vehicle is back",
    stream="vehicle_id",
    private=_CORPORATE_ONLY,
    details=("odometer", "fuel_percent", "is_damaged"),
)
class BookingVehicleReturned(_BookingEvent, frozen=True, kw_only=True):
    """Sent when a vehicle came back after its booking had ended without it; odometer in kilometres, fuel in percent.

    Both are None where nobody noted a return: a broken down vehicle was put back on the road.
    """

    employee_id: UserId | None = None
    returned_at: Moment
    odometer: int | None = None
    fuel_percent: int | None = None
    is_damaged: bool = False


@fact(
    "BookingOdometerCorrected",
    "corrected an odometer reading",
    stream="vehicle_id",
    private=_CORPORATE_ONLY,
    details=("odometer",),
)
class BookingOdometerCorrected(_BookingEvent, frozen=True, kw_only=True):
    """Sent when the odometer reading of a handover (`handover_kind` OUT) or return (IN) was corrected, in kilometres.

    `read_at` is when the vehicle was handed over or came back.
    """

    employee_id: UserId | None = None
    handover_id: UUID
    handover_kind: Code
    read_at: Moment
    former_odometer: int
    odometer: int


@fact("BookingCommented", "wrote a message", stream="vehicle_id", private=_CORPORATE_ONLY)
class BookingCommented(_BookingEvent, frozen=True, kw_only=True):
    """Sent when a side left the other a message; the text stays in the booking."""

    comment_id: UUID
    by_organization_id: OrganizationId
