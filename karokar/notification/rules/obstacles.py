"""What keeps a promised vehicle from being handed over, as messages say it: each reader is told their own way out."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID

PROMISING = frozenset(
    {
        "AssignmentAccepted",
        "AssignmentCreated",
        "AssignmentRejected",
        "AssignmentReminded",
        "BookingApproved",
        "BookingAssigned",
        "BookingDelayed",
        "BookingReminded",
    }
)
"""Events after which somebody expects to collect a vehicle, or to hand one over."""

FIELD = "obstacles"
"""Where a message's data holds what stood in the way when it was written."""


class Obstacle(StrEnum):
    """Why a vehicle can't be handed over."""

    OFF_THE_ROAD = "OFF_THE_ROAD"
    STILL_OUT = "STILL_OUT"


class Reader(StrEnum):
    """In what role somebody reads a message about a promised vehicle; an owner is a company with its own vehicle."""

    VENDOR = "VENDOR"
    COMPANY = "COMPANY"
    DRIVER = "DRIVER"
    OWNER = "OWNER"
    OWNERS_DRIVER = "OWNERS_DRIVER"


_SENTENCES: Mapping[str, str] = {
    Obstacle.OFF_THE_ROAD: "{vehicle} is off the road, so it can't be handed over.",
    Obstacle.STILL_OUT: "{vehicle} has not come back from an earlier booking, so it can't be handed over yet.",
}
_OF_VENDORS: Mapping[str, str] = {
    Obstacle.OFF_THE_ROAD: "Get it back on the road, or cancel the booking.",
    Obstacle.STILL_OUT: "Call the company that has it, and record the return as soon as it is back.",
}
_WAYS_OUT: Mapping[str, str] = {
    Reader.COMPANY: "Call {vendor}, or take another vehicle.",
    Reader.DRIVER: "Call {vendor} before you travel to collect it.",
    Reader.OWNER: "Get it back on the road, or give the employee another vehicle.",
    Reader.OWNERS_DRIVER: "Ask your company before you travel to collect it.",
}


def reader_of(event: Any, organization_id: UUID | None, *, is_driver: bool) -> Reader:
    """Return in what role an organization's member, or the driver, reads about a booking's or an assignment's event, or
    that a vehicle on which they count is off the road.
    """
    if event.aggregate_type == "Vehicle":
        is_owner = organization_id == event.organization_id
        if is_driver:
            return Reader.OWNERS_DRIVER if is_owner else Reader.DRIVER
        return Reader.VENDOR if is_owner else Reader.COMPANY
    if event.aggregate_type == "Assignment" and event.booking_id is None:
        return Reader.OWNERS_DRIVER if is_driver else Reader.OWNER
    if is_driver:
        return Reader.DRIVER
    is_vendor = organization_id == getattr(event, "vendor_organization_id", None)
    return Reader.VENDOR if is_vendor else Reader.COMPANY


def warning(data: Mapping[str, Any]) -> str:
    """Return what stood in the way when a message with this data was written, and the reader's way out, as a text with
    `{names}`; empty for nothing.
    """
    held: Mapping[str, Any] = data.get(FIELD) or {}
    found: Sequence[str] = held.get("found") or ()
    reader = held.get("reader", Reader.COMPANY)
    if reader == Reader.VENDOR:
        return " ".join(f"{_SENTENCES[one]} {_OF_VENDORS[one]}" for one in found)
    return " ".join([*(_SENTENCES[one] for one in found), _WAYS_OUT[reader]]) if found else ""
