"""How an action takes hold of what it changes and of what it decides by, always in the same order."""

from datetime import datetime, timedelta
from uuid import UUID

from karokar.booking.models import NO_OVERLAP, Booking
from karokar.fleet import facts as fleet
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import StateConflict
from karokar.kernel.permissions import load
from karokar.organization import facts as organization

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


def held_until(booking: Booking) -> datetime:
    """Return until when an approval would hold the vehicle: the end plus the vendor's buffer."""
    vendor = organization.get_organization(booking.vendor_organization_id)
    return booking.end + timedelta(minutes=vendor.buffer_minutes)


def acts_as_vendor(booking: Booking) -> bool:
    """Whether the acting organization is the booking's vendor."""
    return current_actor().organization_id == booking.vendor_organization_id
