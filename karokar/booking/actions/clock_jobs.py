"""What the clock does with bookings, and the calling off after an organization's suspension.

Each booking is changed in a transaction of its own: one that cannot be changed holds up no other.
"""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select

from karokar.booking import queries, rules
from karokar.booking.actions.locking import hold_booking
from karokar.booking.models import Booking, BookingPhoto, SuspensionWork
from karokar.booking.permissions import BOOKING_CANCEL
from karokar.booking.rules import Status
from karokar.events.base import Event
from karokar.events.bus import publish
from karokar.files.cleaning import clean_photos
from karokar.fleet import facts as fleet
from karokar.kernel import clock
from karokar.kernel.db import action, db
from karokar.kernel.schedule import every, work_through


@every(20)
def cancel_unanswered() -> int:
    """Call off the requests whose start has passed without an answer. Returns how many."""
    now = clock.now()
    return work_through(
        _ids(
            Booking.status == Status.REQUESTED.value,
            Booking.start <= now,
            or_(Booking.submitted_at < Booking.start, Booking.start <= now - rules.GRACE),
        ),
        _each(lambda booking: booking.expire(at=clock.now())),
    )


@every(60)
def cancel_no_shows() -> int:
    """Call off the bookings that nobody collected until their end. Returns how many."""
    return work_through(
        _ids(Booking.status.in_([Status.APPROVED.value, Status.ASSIGNED.value]), Booking.end <= clock.now()),
        _each(_give_up),
    )


@every(60)
def remind_of_handovers() -> int:
    """Remind, once, of the bookings that nobody collected within an hour after their start. Returns how many."""
    now = clock.now()
    return work_through(
        _ids(
            Booking.status.in_([Status.APPROVED.value, Status.ASSIGNED.value]),
            Booking.start <= now - rules.GRACE,
            Booking.end > now,
            Booking.reminded_at.is_(None),
            # Nobody can collect what is still out: both sides have heard of that.
            Booking.delayed_at.is_(None),
        ),
        _each(lambda booking: booking.remind(at=clock.now())),
    )


@every(60)
def notice_late_returns() -> int:
    """Note, once, which vehicles are not back although their booking's end has passed. Returns how many."""
    return work_through(
        _ids(Booking.status == Status.ACTIVE.value, Booking.end <= clock.now(), Booking.overdue_at.is_(None)),
        _each(lambda booking: booking.run_late(at=clock.now())),
    )


@every(60)
def notice_delays() -> int:
    """Note, once, which bookings that begin within a day have a vehicle that is still out. Returns how many."""
    late: dict[UUID, Booking] = {}
    for booking in queries.list_still_out(clock.now()):
        late.setdefault(booking.vehicle_id, booking)
    if not late:
        return 0
    due_back = {vehicle_id: booking.end for vehicle_id, booking in late.items()}
    return work_through(
        _ids(
            Booking.vehicle_id.in_(list(late)),
            Booking.status.in_([Status.APPROVED.value, Status.ASSIGNED.value]),
            Booking.start <= clock.now() + rules.SOON,
            Booking.end > clock.now(),
            Booking.delayed_at.is_(None),
        ),
        _each(lambda booking: booking.delay(due_back=due_back[booking.vehicle_id], at=clock.now())),
    )


@every(5)
def cancel_after_suspensions() -> int:
    """Call off what suspended organizations had asked for or been promised, some at a time. Returns how many."""
    cancelled = 0

    def work_off(event_id: UUID) -> bool:
        nonlocal cancelled
        done = _work_off(event_id)
        cancelled += done
        return done > 0

    work_through(select(SuspensionWork.event_id).where(SuspensionWork.ended_at.is_(None)), work_off)
    return cancelled


def _work_off(event_id: UUID) -> int:
    organization_id = db.session.get_one(SuspensionWork, event_id, populate_existing=True).organization_id
    party = or_(Booking.vendor_organization_id == organization_id, Booking.corporate_organization_id == organization_id)
    left = _ids(party, Booking.status.in_([status.value for status in rules.CANCELLABLE]))
    done = work_through(left, _each(lambda booking: booking.cancel_for_suspension(at=clock.now())), part=event_id)
    _note_progress(event_id, done, is_over=db.session.scalar(left.limit(1)) is None)
    return done


@action
def _note_progress(event_id: UUID, done: int, *, is_over: bool) -> None:
    work = db.session.get(SuspensionWork, event_id)
    if work is not None:
        work.cancelled += done
        if is_over:
            work.ended_at = clock.now()


def _give_up(booking: Booking) -> Event:
    """Call a booking off that nobody collected, for the reason that kept them from it."""
    reason = rules.why_not_collected(
        was_out=queries.was_out(booking, booking.start + rules.GRACE),
        is_on_the_road=fleet.get_vehicle(booking.vehicle_id).status == "ACTIVE",
    )
    return booking.give_up(at=clock.now(), reason=reason)


def _each(change: Callable[[Booking], Event]) -> Callable[[UUID], None]:
    """Return an action that changes a booking and tells it, with the locks that every such change takes."""

    @action
    def change_one(booking_id: UUID) -> None:
        publish(change(hold_booking(booking_id, BOOKING_CANCEL, None)))

    return change_one


def _ids(*conditions: ColumnElement[bool]) -> Select[UUID]:
    return select(Booking.id).where(*conditions).order_by(Booking.start)


@every(60, lane="runs")
def clean_stored_photos() -> int:
    """Clean photos that were stored before photos were cleaned, some at a time. Returns how many."""
    return clean_photos(BookingPhoto)
