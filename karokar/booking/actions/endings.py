"""How a booking ends (returned, called off, ended early), and the messages along the way."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from karokar.booking import queries, rules
from karokar.booking.actions.handover import add_handover
from karokar.booking.actions.locking import acts_as_vendor, hold_booking
from karokar.booking.models import Booking, BookingComment
from karokar.booking.permissions import (
    BOOKING_APPROVE,
    BOOKING_ASSIGN,
    BOOKING_CANCEL,
    BOOKING_COMPLETE,
    BOOKING_READ,
    BOOKING_TERMINATE,
)
from karokar.events.bus import publish
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken
from karokar.kernel.permissions import check, load
from karokar.kernel.vehicles.handover import Found, PhotoUpload, check_damage


@action
def complete_booking(
    booking_id: UUID,
    odometer: int,
    fuel_percent: int,
    *,
    returned_at: datetime | None = None,
    is_damaged: bool = False,
    checks: Sequence[str] = (),
    notes: str = "",
    photos: Sequence[PhotoUpload] = (),
    version: int | None = None,
) -> Booking:
    """Take the vehicle back, now or as it was at `returned_at`, with what was found on it; also one whose booking has
    ended without it.

    Raises INVALID_BOOKING_TRANSITION, StaleVersion, READING_INVALID, RETURN_TIME_INVALID, DAMAGE_NOT_DESCRIBED,
    PHOTO_INVALID.
    """
    booking = hold_booking(booking_id, BOOKING_COMPLETE, version)
    now = clock.now()
    found = Found(
        odometer=odometer,
        fuel_percent=fuel_percent,
        checks=checks,
        is_damaged=is_damaged,
        notes=notes,
        photos=photos,
    )
    check_damage(found)
    take_back = booking.bring_back if booking.is_awaited else booking.complete
    publish(
        take_back(
            odometer=odometer,
            fuel_percent=fuel_percent,
            is_damaged=is_damaged,
            returned_at=returned_at or now,
            at=now,
        )
    )
    add_handover(booking, "IN", found, at=booking.returned_at or booking.actual_end or now)
    return booking


@action
def cancel_booking(booking_id: UUID, reason: str, note: str, *, version: int | None = None) -> Booking:
    """Call a booking off before its handover; a vendor only what it has approved.

    Raises INVALID_BOOKING_TRANSITION, StaleVersion, REASON_NEEDED.
    """
    booking = hold_booking(booking_id, BOOKING_CANCEL, version)
    publish(booking.cancel(reason=reason, note=note, at=clock.now(), by_vendor=acts_as_vendor(booking)))
    return booking


@action
def terminate_booking(booking_id: UUID, reason: str, note: str, *, version: int | None = None) -> Booking:
    """End a running booking early; its vehicle stays taken where the reason says that it is not back.

    Raises INVALID_BOOKING_TRANSITION, StaleVersion, REASON_NEEDED.
    """
    booking = hold_booking(booking_id, BOOKING_TERMINATE, version)
    now = clock.now()
    publish(booking.terminate(reason=reason, note=note, at=now))
    if reason in rules.NOT_BACK:
        publish(booking.await_return(at=now))
    return booking


@action
def release_after_repair(vehicle_id: UUID) -> None:
    """A vehicle that broke down or had an accident is back on the road: it is no longer awaited."""
    now = clock.now()
    for booking_id in queries.list_awaited(vehicle_id):
        booking = hold_booking(booking_id, BOOKING_COMPLETE, None)
        if booking.is_awaited and booking.reason in rules.BACK_WHEN_ACTIVATED:
            publish(booking.bring_back(odometer=None, fuel_percent=None, is_damaged=False, returned_at=now, at=now))


@action
def comment_booking(booking_id: UUID, text: str) -> UUID:
    """Leave the other side a message on a booking and return its id.

    For whoever answers requests (vendor) or chooses employees (company). Raises PermissionDenied, NotFound,
    STILL_A_DRAFT, MESSAGE_EMPTY.
    """
    booking = load(Booking, booking_id, BOOKING_READ)
    actor = current_actor()
    check(BOOKING_APPROVE if acts_as_vendor(booking) else BOOKING_ASSIGN)
    if actor.organization_id is None or actor.user_id is None:
        raise NotFound(Booking.label)
    text = (text or "").strip()
    if not text or len(text) > 2000:
        sentence = "Write a message of at most 2,000 characters."
        raise RuleBroken("MESSAGE_EMPTY", sentence, fields={"text": sentence})
    comment = BookingComment(
        booking_id=booking.id, organization_id=actor.organization_id, author_id=actor.user_id, text=text
    )
    event = booking.comment(comment.id, actor.organization_id)
    db.session.add(comment)
    publish(event)
    return comment.id
