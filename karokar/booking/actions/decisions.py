"""The vendor's answer: approve (and turn down who loses by it), reject (and offer another vehicle)."""

from uuid import UUID

from sqlalchemy import select

from karokar.availability import facts as availability
from karokar.booking import rules
from karokar.booking.actions.locking import REFUSALS, held_until, hold_booking
from karokar.booking.circumstances import judge_approval
from karokar.booking.models import Booking
from karokar.booking.permissions import BOOKING_APPROVE, BOOKING_REJECT
from karokar.booking.rules import obstacles
from karokar.events.bus import publish
from karokar.fleet import facts as fleet
from karokar.kernel import clock
from karokar.kernel.db import action, db
from karokar.kernel.errors import RuleBroken
from karokar.kernel.permissions import check


@action(refusals=REFUSALS)
def approve_booking(
    booking_id: UUID,
    *,
    version: int | None = None,
    reject_overlapping: bool = False,
    reason: str = "",
    note: str = "",
) -> Booking:
    """Promise the vehicle; with `reject_overlapping` turn down the requests that lose by it, with reason and note.

    Raises INVALID_BOOKING_TRANSITION, StaleVersion, ORGANIZATION_NOT_ACTIVE, REASON_NEEDED, and the first of
    `obstacles.approval_problems`: START_PASSED, END_PASSED, PERIOD_TOO_LONG, REGISTRATION_EXPIRED, VEHICLE_NOT_ACTIVE,
    VEHICLE_IN_MAINTENANCE, DOCUMENT_EXPIRES, VEHICLE_NOT_AVAILABLE.
    """
    booking = hold_booking(booking_id, BOOKING_APPROVE, version, needs_active_organizations=True)
    rules.MACHINE.next(booking.status, "approve")
    obstacles.refuse(
        judge_approval(
            fleet.hold_vehicle(booking.vehicle_id), booking.corporate_organization_id, booking.start, booking.end
        )
    )
    event = booking.approve(held_until=held_until(booking), at=clock.now())
    publish(event)
    if reject_overlapping:
        check(BOOKING_REJECT)
        for other in _losing_to(booking):
            publish(other.reject(reason=reason, note=note, at=clock.now()))
    return booking


@action
def reject_booking(
    booking_id: UUID,
    reason: str,
    note: str,
    *,
    offered_vehicle_id: UUID | None = None,
    version: int | None = None,
) -> Booking:
    """Turn a request down, with another vehicle of the fleet offered instead where one is named.

    Raises INVALID_BOOKING_TRANSITION, StaleVersion, REASON_NEEDED, OFFER_NOT_POSSIBLE.
    """
    booking = hold_booking(booking_id, BOOKING_REJECT, version)
    event = booking.reject(reason=reason, note=note, at=clock.now(), offered_vehicle_id=offered_vehicle_id)
    if offered_vehicle_id is not None:
        _check_offer(booking, offered_vehicle_id)
    publish(event)
    return booking


def _losing_to(booking: Booking) -> list[Booking]:
    """Return, locked, the requests for the same vehicle that the approval makes impossible."""
    statement = (
        select(Booking)
        .where(
            Booking.vehicle_id == booking.vehicle_id,
            Booking.status == rules.Status.REQUESTED.value,
            Booking.id != booking.id,
            Booking.start < booking.held_until,
            Booking.end > booking.start,
        )
        .order_by(Booking.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(db.session.scalars(statement))


def _check_offer(booking: Booking, vehicle_id: UUID) -> None:
    found = fleet.vehicles([vehicle_id]).get(vehicle_id)
    sentence = ""
    if found is None or found.organization_id != booking.vendor_organization_id or vehicle_id == booking.vehicle_id:
        sentence = "Choose another vehicle of your own fleet."
    elif not found.is_offered:
        sentence = f"{found.label} is not on the road at the moment. Offer another one."
    elif not availability.is_free(vehicle_id, booking.start, booking.end):
        sentence = f"{found.label} is not free in this period. Offer another one."
    if sentence:
        raise RuleBroken("OFFER_NOT_POSSIBLE", sentence, fields={"offered_vehicle_id": sentence})
