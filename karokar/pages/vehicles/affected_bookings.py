"""What a period off the road takes from those who count on the vehicle."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from karokar.availability import facts as availability
from karokar.booking import facts as bookings


@dataclass(frozen=True)
class Hit:
    """A booking or an assignment whose time a window takes."""

    kind: str
    id: UUID
    label: str
    start: datetime
    end: datetime | None


def hits(vehicle_id: UUID, start: datetime, end: datetime) -> list[Hit]:
    """Return the bookings, and a company's own assignments, whose time `[start, end)` takes."""
    found = [
        Hit("booking", booking.id, booking.reference, booking.start, booking.end)
        for booking in bookings.live_in_period([vehicle_id], start, end)
    ]
    found += [
        Hit("assignment", block.source_id, "An assignment", block.start, block.end)
        for block in availability.blocks([vehicle_id], start, end)[vehicle_id]
        if block.source_type == "Assignment" and block.released_at is None
    ]
    return sorted(found, key=lambda one: one.start)
