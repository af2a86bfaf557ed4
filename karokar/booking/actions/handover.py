"""Who gets the vehicle, and the handover."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from karokar.assignment import facts as assignment
from karokar.booking import queries
from karokar.booking.actions.locking import REFUSALS, acts_as_vendor, hold_booking
from karokar.booking.models import Booking, BookingHandover, BookingPhoto
from karokar.booking.permissions import BOOKING_ACTIVATE, BOOKING_ASSIGN, BOOKING_COMPLETE
from karokar.events.bus import publish
from karokar.fleet import facts as fleet
from karokar.identity import facts as identity
from karokar.kernel import clock
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken, StateConflict
from karokar.kernel.vehicles.handover import Found, PhotoUpload, handover_values, keep_handover
from karokar.organization import facts as organization
from karokar.verification import facts as verification


@action
def assign_booking(booking_id: UUID, employee_id: UUID, *, version: int | None = None) -> Booking:
    """Choose the employee who gets the vehicle, or another one than before.

    Raises INVALID_BOOKING_TRANSITION, StaleVersion, ORGANIZATION_NOT_ACTIVE, EMPLOYEE_NOT_ELIGIBLE (says why).
    """
    booking = hold_booking(booking_id, BOOKING_ASSIGN, version, needs_active_organizations=True)
    event = booking.assign(employee_id)
    check_eligible(booking, employee_id)
    publish(event)
    return booking


def check_eligible(booking: Booking, employee_id: UUID) -> None:
    """Raise EMPLOYEE_NOT_ELIGIBLE, saying why, unless the person may get the booking's vehicle."""
    members = [
        member for member in identity.list_members(booking.corporate_organization_id) if member.user_id == employee_id
    ]
    found = assignment.list_candidates(
        members,
        verification.coverages("User", [employee_id]),
        booking.start,
        booking.end,
        except_booking_id=booking.id,
    )
    refusal = found[0].refusal if found else "This person is not an active member of your company."
    if refusal:
        raise RuleBroken("EMPLOYEE_NOT_ELIGIBLE", refusal, fields={"employee_id": refusal})


@action(refusals=REFUSALS)
def activate_booking(
    booking_id: UUID,
    odometer: int,
    fuel_percent: int,
    *,
    checks: Sequence[str] = (),
    notes: str = "",
    photos: Sequence[PhotoUpload] = (),
    version: int | None = None,
) -> Booking:
    """Hand the vehicle over, with what was found on it. Odometer in kilometres, fuel or charge in percent.

    Raises INVALID_BOOKING_TRANSITION, StaleVersion, ORGANIZATION_NOT_ACTIVE, VEHICLE_NOT_ACTIVE, NOT_ACCEPTED,
    TOO_EARLY, TOO_LATE, VEHICLE_STILL_OUT, READING_INVALID, PHOTO_INVALID.
    """
    booking = hold_booking(booking_id, BOOKING_ACTIVATE, version, needs_active_organizations=True)
    now = clock.now()
    event = booking.activate(odometer=odometer, fuel_percent=fuel_percent, at=now)
    vehicle = fleet.hold_vehicle(booking.vehicle_id)
    if vehicle.status != "ACTIVE":
        raise StateConflict(
            "VEHICLE_NOT_ACTIVE",
            f"{vehicle.label} is not on the road at the moment, so it can't be handed over. "
            "Have it activated first, or cancel the booking.",
        )
    if assignment.find_accepted(booking.id, booking.round) is None:
        raise StateConflict(
            "NOT_ACCEPTED",
            "The employee has not accepted the assignment yet. Ask them to, or assign somebody else.",
        )
    _check_back(booking)
    publish(event)
    found = Found(odometer=odometer, fuel_percent=fuel_percent, checks=checks, notes=notes, photos=photos)
    add_handover(booking, "OUT", found, at=now)
    return booking


def _check_back(booking: Booking) -> None:
    """Raise VEHICLE_STILL_OUT while another booking has the vehicle, naming it and whom to call."""
    other = queries.find_out(booking.vehicle_id, except_id=booking.id)
    if other is None:
        return
    # Who has the vehicle is the vendor's knowledge; a company that waits for it calls the vendor.
    party = other.corporate_organization_id if acts_as_vendor(booking) else booking.vendor_organization_id
    contact = organization.get_organization(party)
    phone = f" Call {contact.contact_phone}." if contact.contact_phone else ""
    raise StateConflict(
        "VEHICLE_STILL_OUT",
        f"The vehicle has not come back from {other.reference} yet.{phone} Take it back first.",
        reference=other.reference,
        phone=contact.contact_phone,
    )


@action
def correct_odometer(booking_id: UUID, kind: str, odometer: int, *, version: int | None = None) -> Booking:
    """Correct the odometer reading, in kilometres, of the handover ("OUT") or the return ("IN"), also after the end.

    For whoever may record that handover or return. Raises NotFound (nothing recorded yet), StaleVersion,
    READING_INVALID.
    """
    booking = hold_booking(booking_id, BOOKING_ACTIVATE if kind == "OUT" else BOOKING_COMPLETE, version)
    statement = select(BookingHandover).where(BookingHandover.booking_id == booking.id, BookingHandover.kind == kind)
    handover = db.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if handover is None:
        raise NotFound("handover record")
    publish(booking.correct_odometer(handover, odometer, at=clock.now()))
    return booking


def add_handover(booking: Booking, kind: str, found: Found, *, at: datetime) -> None:
    """Keep what was found on the vehicle when it went OUT or came IN. Raises PHOTO_INVALID."""
    values = handover_values(kind, found, booking.vendor_organization_id, at)
    handover = BookingHandover(booking_id=booking.id, **values)
    keep_handover(handover, BookingPhoto, found.photos, booking_id=booking.id)
