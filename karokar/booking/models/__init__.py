"""Bookings, their messages and their handover records."""

from karokar.booking.models.booking import Booking
from karokar.booking.models.periods import NO_OVERLAP
from karokar.booking.models.records import (
    BookingComment,
    BookingHandover,
    BookingNote,
    BookingPhoto,
    SuspensionWork,
)

__all__ = [
    "NO_OVERLAP",
    "Booking",
    "BookingComment",
    "BookingHandover",
    "BookingNote",
    "BookingPhoto",
    "SuspensionWork",
]
