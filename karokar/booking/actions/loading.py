"""How an action takes hold of what it changes and of what it decides by, always in the same order."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from karokar.booking import rules
from karokar.booking.models import NO_OVERLAP, Booking
from karokar.fleet import queries as fleet
from karokar.fleet.queries import VehicleFacts
from karokar.kernel.actor import current_actor
from karokar.kernel.db import db
from karokar.kernel.errors import StateConflict
from karokar.kernel.permissions import load
from karokar.organization import queries as organization
from karokar.verification import queries as verification

NOT_AVAILABLE = StateConflict(
    "VEHICLE_NOT_AVAILABLE",
    "Somebody else holds the vehicle in this period. Choose another vehicle or another period.",
)
REFUSALS = {NO_OVERLAP: NOT_AVAILABLE}
"""What a broken constraint means to people, for every action that can make a booking hold its vehicle."""


def hold_booking(
    booking_id: UUID, permission: str, version: int | None, *, needs_active_organizations: bool = False
) -> Booking:
    """Return the booking, locked with the calendar of its vehicle (and, where asked for, its organizations).

    Raises what `load` raises, and ORGANIZATION_NOT_ACTIVE.
    """
    seen = load(Booking, booking_id, permission)
    if needs_active_organizations:
        organization.hold_active([seen.vendor_organization_id, seen.corporate_organization_id])
    fleet.lock_calendar(seen.vehicle_id)
    return load(Booking, booking_id, permission, version=version, lock=True)


def hold_bookable_vehicle(booking: Booking) -> VehicleFacts:
    """Return the booking's vehicle, held, if it may be rented out for the period.

    Raises VEHICLE_NOT_ACTIVE and VEHICLE_IN_MAINTENANCE.
    """
    vehicle = fleet.hold_vehicle(booking.vehicle_id)
    if vehicle.organization_id != booking.vendor_organization_id or not vehicle.is_offered:
        raise StateConflict(
            "VEHICLE_NOT_ACTIVE", f"{vehicle.label} is not on the road at the moment. Choose another vehicle."
        )
    windows = fleet.windows(vehicle.id, booking.start, booking.end)
    if windows:
        raise StateConflict(
            "VEHICLE_IN_MAINTENANCE",
            f"{vehicle.label} is in maintenance within this period. Choose another period or another vehicle.",
            start=windows[0].start,
            end=windows[0].end,
        )
    return vehicle


def check_registered(organization_ids: Iterable[UUID]) -> None:
    """Raise REGISTRATION_EXPIRED where a registration is no longer verified: then nothing new begins."""
    for organization_id in organization_ids:
        if not verification.is_covered("Organization", organization_id, "ORGANIZATION_REGISTRATION"):
            name = organization.get_organization(organization_id).name
            raise StateConflict(
                "REGISTRATION_EXPIRED",
                f"The registration of {name} is not verified at the moment, so nothing new can be booked. "
                "It goes on as soon as a current registration document is approved.",
            )


def holding(vehicle_id: UUID, start: datetime, until: datetime, *, except_id: UUID | None = None) -> list[Booking]:
    """Return the bookings that hold the vehicle at some time in `[start, until)`."""
    statement = (
        select(Booking)
        .where(
            Booking.vehicle_id == vehicle_id,
            Booking.status.in_([status.value for status in rules.LIVE]),
            Booking.start < until,
            Booking.held_until > start,
        )
        .order_by(Booking.start)
    )
    if except_id is not None:
        statement = statement.where(Booking.id != except_id)
    return list(db.session.scalars(statement))


def held_until(booking: Booking) -> datetime:
    """Return until when an approval would hold the vehicle: the end plus the vendor's buffer."""
    vendor = organization.get_organization(booking.vendor_organization_id)
    return booking.end + timedelta(minutes=vendor.buffer_minutes)


def acts_as_vendor(booking: Booking) -> bool:
    """Whether the acting organization is the booking's vendor."""
    return current_actor().organization_id == booking.vendor_organization_id
