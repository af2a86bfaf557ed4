"""What the clock does with bookings, and the calling off after an organization's suspension.

Each booking is changed in a transaction of its own: one that cannot be changed holds up no other.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from karokar.booking import rules
from karokar.booking.actions.loading import hold_booking
from karokar.booking.models import Booking, SuspensionWork
from karokar.booking.permissions import BOOKING_CANCEL
from karokar.booking.rules import Status
from karokar.events.base import Event
from karokar.events.bus import publish
from karokar.kernel import clock
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, StateConflict
from karokar.kernel.schedule import every

CHUNK = 100
"""How many bookings one run of a job takes at most; the next run takes the next ones."""


@every(20)
def cancel_unanswered() -> int:
    """Call off the requests whose start has passed without an answer. Returns how many."""
    now = clock.now()
    return _each(
        _ids(
            Booking.status == Status.REQUESTED.value,
            Booking.start <= now,
            or_(Booking.submitted_at < Booking.start, Booking.start <= now - rules.GRACE),
        ),
        lambda booking_id: _change(booking_id, lambda booking: booking.expire(at=clock.now())),
    )


@every(60)
def cancel_no_shows() -> int:
    """Call off the bookings that nobody collected until their end. Returns how many."""
    return _each(
        _ids(Booking.status.in_([Status.APPROVED.value, Status.ASSIGNED.value]), Booking.end <= clock.now()),
        lambda booking_id: _change(booking_id, lambda booking: booking.give_up(at=clock.now())),
    )


@every(60)
def remind_of_handovers() -> int:
    """Remind, once, of the bookings that nobody collected within an hour after their start. Returns how many."""
    now = clock.now()
    return _each(
        _ids(
            Booking.status.in_([Status.APPROVED.value, Status.ASSIGNED.value]),
            Booking.start <= now - rules.GRACE,
            Booking.end > now,
            Booking.reminded_at.is_(None),
        ),
        lambda booking_id: _change(booking_id, lambda booking: booking.remind(at=clock.now())),
    )


@every(60)
def notice_late_returns() -> int:
    """Note, once, which vehicles are not back although their booking's end has passed. Returns how many."""
    return _each(
        _ids(Booking.status == Status.ACTIVE.value, Booking.end <= clock.now(), Booking.overdue_at.is_(None)),
        lambda booking_id: _change(booking_id, lambda booking: booking.run_late(at=clock.now())),
    )


@every(5)
def cancel_after_suspensions() -> int:
    """Call off what suspended organizations had asked for or been promised, some at a time. Returns how many."""
    works = db.session.execute(
        select(SuspensionWork.event_id, SuspensionWork.organization_id).where(SuspensionWork.ended_at.is_(None))
    ).all()
    return sum(_work_off(event_id, organization_id) for event_id, organization_id in works)


def _work_off(event_id: UUID, organization_id: UUID) -> int:
    party = or_(Booking.vendor_organization_id == organization_id, Booking.corporate_organization_id == organization_id)
    is_before_start = Booking.status.in_([status.value for status in rules.CANCELLABLE])
    ids = _ids(party, is_before_start)
    done = _each(
        ids, lambda booking_id: _change(booking_id, lambda booking: booking.cancel_for_suspension(at=clock.now()))
    )
    _note_progress(event_id, done, is_over=len(ids) < CHUNK)
    return done


@action
def _note_progress(event_id: UUID, done: int, *, is_over: bool) -> None:
    work = db.session.get(SuspensionWork, event_id)
    if work is not None:
        work.cancelled += done
        if is_over:
            work.ended_at = clock.now()


@action
def _change(booking_id: UUID, change: Callable[[Booking], Event]) -> None:
    """Change a booking and tell it, with the locks that every such change takes."""
    publish(change(hold_booking(booking_id, BOOKING_CANCEL, None)))


def _ids(*conditions: ColumnElement[bool]) -> Sequence[UUID]:
    return db.session.scalars(select(Booking.id).where(*conditions).order_by(Booking.start).limit(CHUNK)).all()


def _each(ids: Sequence[UUID], change: Callable[[UUID], None]) -> int:
    """Do it for each; one that somebody else changed meanwhile is left to the next run."""
    done = 0
    for booking_id in ids:
        try:
            change(booking_id)
        except (StateConflict, NotFound):
            continue
        done += 1
    return done
