"""From a wish to a request: draft, edit, discard, submit."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select

from karokar.availability import queries as availability
from karokar.booking import rules
from karokar.booking.actions.loading import NOT_AVAILABLE, check_registered, held_until, hold_bookable_vehicle, holding
from karokar.booking.models import Booking
from karokar.booking.permissions import BOOKING_CREATE, BOOKING_DISCARD, BOOKING_EDIT, BOOKING_SUBMIT
from karokar.events.bus import publish
from karokar.fleet import queries as fleet
from karokar.identity import queries as identity
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken, StateConflict
from karokar.kernel.permissions import check, load
from karokar.organization import queries as organization
from karokar.verification import queries as verification


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

    Raises INVALID_BOOKING_TRANSITION, StaleVersion, START_PASSED, ORGANIZATION_NOT_ACTIVE, REGISTRATION_EXPIRED,
    REPRESENTATIVE_NOT_VERIFIED, VEHICLE_NOT_ACTIVE, VEHICLE_IN_MAINTENANCE, VEHICLE_NOT_AVAILABLE.
    """
    seen = load(Booking, booking_id, BOOKING_SUBMIT)
    parties = [seen.vendor_organization_id, seen.corporate_organization_id]
    organization.hold_active(parties)
    fleet.lock_calendar(seen.vehicle_id)
    booking = load(Booking, booking_id, BOOKING_SUBMIT, version=version, lock=True)
    event = booking.submit(at=clock.now())
    check_registered(parties)
    _check_representative(booking.corporate_organization_id)
    hold_bookable_vehicle(booking)
    # Our own bookings are the truth; availability adds what only it knows and may be some milliseconds behind.
    holders = holding(booking.vehicle_id, booking.start, held_until(booking))
    own = [row.reference for row in holders if row.corporate_organization_id == booking.corporate_organization_id]
    if own:
        raise StateConflict(
            NOT_AVAILABLE.code,
            f"Your own booking {own[0]} keeps the vehicle in this period, with the vendor's time for turnaround. "
            "Choose another period or another vehicle.",
            reference=own[0],
        )
    if holders or not availability.is_free(booking.vehicle_id, booking.start, booking.end):
        raise NOT_AVAILABLE
    publish(event)
    return booking


@action
def request_booking(vehicle_id: UUID, start: datetime, end: datetime, purpose: str = "") -> UUID:
    """Draft a booking and send it to the vendor at once; both or neither. Returns its id; raises what both raise."""
    booking_id = create_booking(vehicle_id, start, end, purpose)
    submit_booking(booking_id)
    return booking_id


def _check_representative(organization_id: UUID) -> None:
    """A company may ask for vehicles only while somebody who answers for it has shown who they are."""
    admins = [member for member in identity.list_members(organization_id) if member.role == "CORPORATE_ADMIN"]
    if not any(verification.is_covered("User", member.user_id, "REPRESENTATIVE_IDENTITY") for member in admins):
        raise StateConflict(
            "REPRESENTATIVE_NOT_VERIFIED",
            "Before you can send requests, the identity of one of your company's administrators has to be verified. "
            "Hand in the document: home leads you to it. Send the request once it is approved.",
        )


def _unused_reference() -> str:
    for _ in range(20):
        reference = rules.new_reference()
        if not db.session.scalar(select(exists().where(Booking.reference == reference))):
            return reference
    raise RuntimeError("No unused reference was found.")
