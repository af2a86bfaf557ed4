"""What other contexts may ask about bookings, whoever is acting: who asks has decided what may be shown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from karokar.booking import rules
from karokar.booking.models import Booking, BookingHandover
from karokar.booking.rules import Status
from karokar.kernel import clock
from karokar.kernel.database.many import is_one_of
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.vehicles.handover import HandoverFacts, handover_facts

VACANCIES = frozenset(vacancy.value for vacancy in rules.Vacancy)
"""The shown states of a booking that needs another driver."""


@dataclass(frozen=True, kw_only=True)
class BookingFacts:
    """A booking as others know it. Purpose and people concern the corporate side only."""

    id: UUID
    reference: str
    vehicle_id: UUID
    vendor_organization_id: UUID
    corporate_organization_id: UUID
    requested_by: UUID
    employee_id: UUID | None
    round: int
    start: datetime
    end: datetime
    held_until: datetime | None
    status: str
    state: str
    purpose: str
    reason: str | None
    note: str
    actual_end: datetime | None
    activated_at: datetime | None
    place: str
    place_time_zone: str
    is_awaited: bool
    returned_at: datetime | None

    @property
    def ended_at(self) -> datetime | None:
        """When the company ceased to have the vehicle, or is to; None while it is awaited."""
        return None if self.is_awaited else self.returned_at or self.actual_end or self.end

    @property
    def reason_label(self) -> str:
        """The reason in words; empty where there is none."""
        return rules.reason_label(self.reason)


def facts(row: Booking) -> BookingFacts:
    """Return what others may know of a booking."""
    return BookingFacts(
        id=row.id,
        reference=row.reference,
        vehicle_id=row.vehicle_id,
        vendor_organization_id=row.vendor_organization_id,
        corporate_organization_id=row.corporate_organization_id,
        requested_by=row.requested_by,
        employee_id=row.employee_id,
        round=row.round,
        start=row.start,
        end=row.end,
        held_until=row.held_until,
        status=row.status,
        state=row.state,
        purpose=row.purpose,
        reason=row.reason,
        note=row.note,
        actual_end=row.actual_end,
        activated_at=row.activated_at,
        place=row.place,
        place_time_zone=row.place_time_zone,
        is_awaited=row.is_awaited,
        returned_at=row.returned_at,
    )


def get_booking(booking_id: UUID) -> BookingFacts:
    """Return a booking. Raises NotFound."""
    found = bookings([booking_id]).get(booking_id)
    if found is None:
        raise NotFound(Booking.label)
    return found


def bookings(ids: Iterable[UUID]) -> dict[UUID, BookingFacts]:
    """Return the bookings of these ids; an unknown one is left out."""
    wanted = set(ids)
    if not wanted:
        return {}
    return {row.id: facts(row) for row in db.session.scalars(select(Booking).where(Booking.id.in_(wanted)))}


def earliest_start() -> datetime:
    """Return the earliest start that a request sent now may have."""
    return clock.now() - rules.GRACE


def which_are_vacant(ids: Iterable[UUID]) -> set[UUID]:
    """Return which of these bookings need another driver and are not over."""
    statement = select(Booking.id, Booking.status, Booking.vacancy).where(
        Booking.id.in_(list(ids)), Booking.end > clock.now()
    )
    found = db.session.execute(statement)
    return {row.id for row in found if rules.state_of(row.status, row.vacancy) in VACANCIES}


def references(ids: Iterable[UUID]) -> dict[UUID, tuple[str, str]]:
    """Return reference and shown state of the bookings of these ids, thousands at once; an unknown one is left out."""
    wanted = {booking_id.hex for booking_id in ids}
    if not wanted:
        return {}
    columns = (Booking.id, Booking.reference, Booking.status, Booking.vacancy)
    found = db.session.execute(select(*columns).where(is_one_of(Booking.id, wanted)))
    return {row.id: (row.reference, rules.state_of(row.status, row.vacancy)) for row in found}


def count_live(vehicle_id: UUID) -> int:
    """Return how many bookings hold the vehicle: APPROVED, ASSIGNED or ACTIVE."""
    statement = select(func.count(Booking.id)).where(
        Booking.vehicle_id == vehicle_id, Booking.status.in_([status.value for status in rules.LIVE])
    )
    return db.session.scalar(statement) or 0


def is_awaited() -> ColumnElement[bool]:
    """Bookings that have ended while their vehicle is still to come back."""
    return and_(Booking.awaited_since.is_not(None), Booking.returned_at.is_(None))


def list_awaited(vehicle_id: UUID) -> list[UUID]:
    """Return the bookings of a vehicle that ended without bringing it back."""
    return list(db.session.scalars(select(Booking.id).where(Booking.vehicle_id == vehicle_id, is_awaited())))


def list_still_out(now: datetime) -> list[Booking]:
    """Return the bookings whose vehicle should be back by now and is not, the latest end first."""
    is_late = and_(Booking.status == Status.ACTIVE.value, Booking.end <= now)
    return list(db.session.scalars(select(Booking).where(or_(is_late, is_awaited())).order_by(Booking.end.desc())))


def was_out(booking: Booking, at: datetime) -> bool:
    """Whether another booking had the vehicle of this one at a moment that has passed."""
    back_at = case((Booking.awaited_since.is_not(None), Booking.returned_at), else_=Booking.actual_end)
    statement = select(Booking.id).where(
        Booking.vehicle_id == booking.vehicle_id,
        Booking.id != booking.id,
        Booking.activated_at <= at,
        or_(back_at.is_(None), back_at > at),
    )
    return db.session.scalar(statement.limit(1)) is not None


def holding_in_period(vehicle_ids: Iterable[UUID], start: datetime, end: datetime) -> list[BookingFacts]:
    """Return what `live_in_period` returns and the bookings whose vehicle is awaited: nobody knows until when."""
    is_live = and_(
        Booking.status.in_([status.value for status in rules.LIVE]), Booking.start < end, Booking.held_until > start
    )
    statement = select(Booking).where(
        Booking.vehicle_id.in_(list(vehicle_ids)), or_(is_live, and_(is_awaited(), Booking.awaited_since < end))
    )
    return [facts(row) for row in db.session.scalars(statement.order_by(Booking.start, Booking.id))]


def live_in_period(vehicle_ids: Iterable[UUID], start: datetime, end: datetime) -> list[BookingFacts]:
    """Return the bookings that hold one of the vehicles at some time in `[start, end)`, by start."""
    statement = (
        select(Booking)
        .where(
            Booking.vehicle_id.in_(list(vehicle_ids)),
            Booking.status.in_([status.value for status in rules.LIVE]),
            Booking.start < end,
            Booking.held_until > start,
        )
        .order_by(Booking.start, Booking.id)
    )
    return [facts(row) for row in db.session.scalars(statement)]


def _is_request(at: datetime | None) -> ColumnElement[bool]:
    """Bookings that wait for an answer, or did at a moment."""
    is_one = Booking.status == Status.REQUESTED.value
    if at is None:
        return is_one
    return and_(Booking.submitted_at <= at, or_(Booking.answered_at > at, is_one))


def requests_in_period(
    vehicle_ids: Iterable[UUID], start: datetime, end: datetime, *, at: datetime | None = None
) -> list[BookingFacts]:
    """Return the unanswered requests for one of the vehicles that overlap `[start, end)`, by start.

    With `at`: those that were unanswered then.
    """
    statement = (
        select(Booking)
        .where(
            Booking.vehicle_id.in_(list(vehicle_ids)),
            _is_request(at),
            Booking.start < end,
            Booking.end > start,
        )
        .order_by(Booking.start, Booking.id)
    )
    return [facts(row) for row in db.session.scalars(statement)]


def vehicles_requested_by(
    organization_id: UUID, start: datetime, end: datetime, *, at: datetime | None = None
) -> set[UUID]:
    """Return the vehicles that a company has asked for, without an answer yet, somewhere in `[start, end)`.

    With `at`: without an answer then.
    """
    statement = select(Booking.vehicle_id).where(
        Booking.corporate_organization_id == organization_id,
        _is_request(at),
        Booking.start < end,
        Booking.end > start,
    )
    return set(db.session.scalars(statement))


def list_cancellable(organization_id: UUID) -> Sequence[UUID]:
    """Return the bookings that would be called off if the organization (either side of them) were suspended."""
    statement = select(Booking.id).where(
        or_(Booking.vendor_organization_id == organization_id, Booking.corporate_organization_id == organization_id),
        Booking.status.in_([status.value for status in rules.CANCELLABLE]),
    )
    return db.session.scalars(statement).all()


def find_handovers(booking_id: UUID) -> dict[str, HandoverFacts]:
    """Return what was found when the booking's vehicle went OUT and came IN, as far as it has."""
    rows = db.session.scalars(select(BookingHandover).where(BookingHandover.booking_id == booking_id))
    return {row.kind: handover_facts(row) for row in rows}
