"""From a wish to a request: draft, edit, discard, submit."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select

from karokar.booking import rules
from karokar.booking.circumstances import judge_request
from karokar.booking.models import Booking
from karokar.booking.permissions import BOOKING_CREATE, BOOKING_DISCARD, BOOKING_EDIT, BOOKING_SUBMIT
from karokar.booking.rules import obstacles
from karokar.events.bus import publish
from karokar.fleet import facts as fleet
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken
from karokar.kernel.permissions import check, load
from karokar.organization import facts as organization


@action
def create_booking(vehicle_id: UUID, start: datetime, end: datetime, purpose: str = "") -> UUID:
    """Draft a booking of a vendor's vehicle for the acting company and return its id.

    Raises PermissionDenied, NotFound (no such vehicle on the market), NOT_BOOKABLE (a company's own), PERIOD_INVALID.
    """
    check(BOOKING_CREATE)
    actor = current_actor()
    vehicle = fleet.get_vehicle(vehicle_id)
    if vehicle.organization_id == actor.organization_id:
        raise RuleBroken(
            "NOT_BOOKABLE", "This is your company's own vehicle: it needs no booking. Assign it to an employee."
        )
    if not vehicle.is_offered or actor.organization_id is None or actor.user_id is None:
        raise NotFound("vehicle")
    booking, event = Booking.draft(
        reference=_unused_reference(),
        vehicle_id=vehicle.id,
        vendor_organization_id=vehicle.organization_id,
        corporate_organization_id=actor.organization_id,
        requested_by=actor.user_id,
        start=start,
        end=end,
        purpose=purpose or "",
        place=", ".join(part for part in (vehicle.address, vehicle.city) if part),
        place_time_zone=vehicle.time_zone,
    )
    db.session.add(booking)
    publish(event)
    return booking.id


@action
def edit_booking(
    booking_id: UUID, start: datetime, end: datetime, purpose: str = "", *, version: int | None = None
) -> Booking:
    """Change a draft's period or purpose. Raises INVALID_BOOKING_TRANSITION, PERIOD_INVALID, StaleVersion."""
    booking = load(Booking, booking_id, BOOKING_EDIT, version=version, lock=True)
    publish(booking.edit(start=start, end=end, purpose=purpose or ""))
    return booking


@action
def discard_booking(booking_id: UUID, *, version: int | None = None) -> None:
    """Delete a draft; its events stay. Raises INVALID_BOOKING_TRANSITION, StaleVersion."""
    booking = load(Booking, booking_id, BOOKING_DISCARD, version=version, lock=True)
    publish(booking.discard())
    db.session.delete(booking)


@action
def submit_booking(booking_id: UUID, *, version: int | None = None) -> Booking:
    """Send a draft to the vendor.

    Raises INVALID_BOOKING_TRANSITION, StaleVersion, ORGANIZATION_NOT_ACTIVE, and the first of
    `obstacles.request_problems`: START_PASSED, END_PASSED, PERIOD_TOO_LONG, REGISTRATION_EXPIRED,
    REPRESENTATIVE_NOT_VERIFIED, VEHICLE_NOT_ACTIVE, VEHICLE_IN_MAINTENANCE, DOCUMENT_EXPIRES, VEHICLE_NOT_AVAILABLE.
    """
    seen = load(Booking, booking_id, BOOKING_SUBMIT)
    organization.hold_active([seen.vendor_organization_id, seen.corporate_organization_id])
    fleet.lock_calendar(seen.vehicle_id)
    booking = load(Booking, booking_id, BOOKING_SUBMIT, version=version, lock=True)
    rules.MACHINE.next(booking.status, "submit")
    obstacles.refuse(
        judge_request(
            fleet.hold_vehicle(booking.vehicle_id), booking.corporate_organization_id, booking.start, booking.end
        )
    )
    event = booking.submit(at=clock.now())
    publish(event)
    return booking


@action
def request_booking(vehicle_id: UUID, start: datetime, end: datetime, purpose: str = "") -> UUID:
    """Draft a booking and send it to the vendor at once; both or neither. Returns its id; raises what both raise."""
    booking_id = create_booking(vehicle_id, start, end, purpose)
    submit_booking(booking_id)
    return booking_id


def _unused_reference() -> str:
    for _ in range(20):
        reference = rules.new_reference()
        if not db.session.scalar(select(exists().where(Booking.reference == reference))):
            return reference
    raise RuntimeError("No unused reference was found.")
