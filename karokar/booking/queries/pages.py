"""What the pages of bookings show: only what the acting person may see."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, null, or_, select, union_all

from karokar.booking import rules
from karokar.booking.models import Booking, BookingComment, BookingPhoto
from karokar.booking.permissions import BOOKING_READ
from karokar.booking.queries.facts import is_awaited
from karokar.booking.rules import Status, Vacancy
from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.pages.paging import PAGE_SIZE, Page, count_up_to, count_where, paginate
from karokar.kernel.permissions import permitted

SORTS: dict[str, Any] = {
    "start": Booking.start,
    "end": Booking.end,
    "reference": Booking.reference,
    "status": Booking.status,
}


@dataclass(frozen=True, kw_only=True)
class BookingFilter:
    """What a list of bookings is narrowed to; None means everything. `text` is a reference or a part of one;
    `vehicle_ids` are the vehicles that the text means besides (found by the one who asks).
    """

    text: str | None = None
    vehicle_ids: Sequence[UUID] = ()
    status: str | None = None
    organization_id: UUID | None = None
    vehicle_id: UUID | None = None
    employee_id: UUID | None = None
    from_: datetime | None = None
    until: datetime | None = None
    sort: str = "-start"


def get_seen(booking_id: UUID) -> Booking:
    """Return a booking that the acting person may see. Raises NotFound."""
    row = db.session.scalars(
        select(Booking).where(Booking.id == booking_id, permitted(Booking, BOOKING_READ))
    ).one_or_none()
    if row is None:
        raise NotFound(Booking.label)
    return row


def openable() -> dict[str, Select[UUID]]:
    """Return the ids of the things whose page the acting person may open, by kind."""
    return {"booking": select(Booking.id).where(permitted(Booking, BOOKING_READ))}


def list_bookings(
    wanted: BookingFilter, *, cursor: str | None = None, size: int = PAGE_SIZE, counted: bool = True
) -> Page[Booking]:
    """Return one page of the bookings that the acting person may see, as narrowed."""
    return paginate(
        _listed(wanted), sorts=SORTS, tie=Booking.id, sort=_sort(wanted), cursor=cursor, size=size, counted=counted
    )


def count_listed(wanted: BookingFilter, limit: int) -> int:
    """Return how many bookings `list_bookings` pages through, `limit` + 1 where they are more."""
    return count_up_to(_listed(wanted), limit)


def iterate_bookings(wanted: BookingFilter) -> Iterator[Booking]:
    """Return all bookings that `list_bookings` would show, in its order."""
    sort = _sort(wanted)
    column = SORTS.get(sort.removeprefix("-"), Booking.start)
    order = column.desc() if sort.startswith("-") else column.asc()
    statement = _listed(wanted).order_by(order, Booking.id).execution_options(yield_per=500)
    return iter(db.session.scalars(statement))


def _sort(wanted: BookingFilter) -> str:
    # Of one state alone the state orders nothing: the database would look for its bookings among all, by id.
    return "-start" if wanted.status and wanted.sort.removeprefix("-") == "status" else wanted.sort


def _listed(wanted: BookingFilter) -> Select[Booking]:
    conditions: list[ColumnElement[bool]] = [permitted(Booking, BOOKING_READ)]
    if wanted.text:
        signs = rules.reference_signs(wanted.text)
        plain = func.replace(Booking.reference, "-", "")
        options: list[ColumnElement[bool]] = [plain.like(f"%{signs}%")] if signs else []
        if wanted.vehicle_ids:
            options.append(Booking.vehicle_id.in_(list(wanted.vehicle_ids)))
        conditions.append(or_(*options) if options else Booking.reference == "")
    if wanted.status:
        conditions.append(Booking.is_in(wanted.status))
    if wanted.organization_id:
        conditions.append(
            or_(
                Booking.vendor_organization_id == wanted.organization_id,
                Booking.corporate_organization_id == wanted.organization_id,
            )
        )
    if wanted.vehicle_id:
        conditions.append(Booking.vehicle_id == wanted.vehicle_id)
    if wanted.employee_id:
        conditions.append(Booking.employee_id == wanted.employee_id)
    if wanted.from_:
        conditions += [Booking.end > wanted.from_, Booking.start >= _first_start(wanted.from_)]
    if wanted.until:
        conditions += [Booking.start < wanted.until, Booking.end <= _last_end(wanted.until)]
    return select(Booking).where(*conditions)


def _first_start(moment: datetime) -> datetime:
    """Return when the first of the bookings starts that end after a moment: before it, an order by start holds none.

    Said with the question it lets the database begin there, where it would read all that was over before.
    """
    return _bound(Booking.start, moment, func.min) or moment


def _last_end(moment: datetime) -> datetime:
    """Return when the last of the bookings ends that start before a moment."""
    return _bound(Booking.end, moment, func.max) or moment


def _bound(column: Any, moment: datetime, furthest: Any) -> datetime | None:
    """Return the furthest start or end of the bookings that run at a moment, anybody's; None where none does."""
    runs: ColumnElement[bool] = and_(Booking.start < moment, Booking.end > moment)
    if db.session.get_bind().dialect.name == "postgresql":
        # By the index of periods.
        runs = func.tstzrange(Booking.start, Booking.end).op("@>", is_comparison=True)(literal(moment))
    # Found first, compared then: asked for the furthest alone, the database would go by the column's own order.
    running = select(column.label("bound")).where(runs).offset(0).subquery()
    return db.session.scalar(select(furthest(running.c.bound)))


def count_by_status(*, vehicle_id: UUID | None = None) -> dict[str, int]:
    """Return how many of the bookings that the acting person may see are in each shown state; see `count_where`."""
    statement = select(Booking.id).where(permitted(Booking, BOOKING_READ))
    if vehicle_id is not None:
        statement = statement.where(Booking.vehicle_id == vehicle_id)
    return _count_by_state(statement)


def count_with(corporate_organization_id: UUID) -> dict[str, int]:
    """Return how the acting vendor's bookings with a company ended, or stand, by shown state; see `count_where`."""
    statement = select(Booking.id).where(
        permitted(Booking, BOOKING_READ), Booking.corporate_organization_id == corporate_organization_id
    )
    return _count_by_state(statement)


def _count_by_state(statement: Select[Any]) -> dict[str, int]:
    return count_where(statement, {state.value: Booking.is_in(state.value) for state in (*Status, *Vacancy)})


# --- one booking ------------------------------------------------------------------------------------------------------


def list_comments(booking_id: UUID) -> Sequence[BookingComment]:
    """Return the messages on a booking, oldest first. The caller has checked that the booking may be seen."""
    statement = (
        select(BookingComment)
        .where(BookingComment.booking_id == booking_id)
        .order_by(BookingComment.written_at, BookingComment.id)
    )
    return db.session.scalars(statement).all()


def find_out(vehicle_id: UUID, *, except_id: UUID) -> Booking | None:
    """Return the booking that has a vehicle out now, besides this one; None where it is back."""
    is_out = or_(Booking.status == Status.ACTIVE.value, is_awaited())
    statement = select(Booking).where(Booking.vehicle_id == vehicle_id, is_out, Booking.id != except_id)
    return db.session.scalars(statement).first()


def find_delay(booking: Booking) -> Booking | None:
    """Return the earlier booking that keeps the vehicle of one that is to begin soon; None where it is or will be back.

    A vehicle that is late is told of a day before the next booking begins, one that is missing at once.
    """
    if booking.status not in {Status.APPROVED.value, Status.ASSIGNED.value}:
        return None
    other = find_out(booking.vehicle_id, except_id=booking.id)
    now = clock.now()
    if other is None or not (other.is_awaited or (other.end <= now and booking.start <= now + rules.SOON)):
        return None
    return other


def due_back(booking_id: UUID) -> datetime | None:
    """Return when the earlier booking that keeps the vehicle of this one should have returned it; see `find_delay`."""
    row = db.session.get(Booking, booking_id)
    other = find_delay(row) if row is not None else None
    return other.end if other is not None else None


def list_photos(booking_id: UUID) -> Sequence[BookingPhoto]:
    """Return the pictures of a booking's handovers, without their bytes, in the order in which they came."""
    statement = select(BookingPhoto).where(BookingPhoto.booking_id == booking_id).order_by(BookingPhoto.id)
    return db.session.scalars(statement).all()


def get_photo(booking_id: UUID, photo_id: UUID) -> BookingPhoto:
    """Return a picture of a booking that the acting person may see. Raises NotFound."""
    get_seen(booking_id)
    row = db.session.get(BookingPhoto, photo_id)
    if row is None or row.booking_id != booking_id:
        raise NotFound("photo")
    return row


@dataclass(frozen=True)
class Extract:
    """The first of some bookings, and how many there are."""

    rows: Sequence[Booking]
    count: int


def neighbours(
    booking: Booking, first: datetime, last: datetime, *, until: datetime, limit: int
) -> tuple[Extract, Extract]:
    """Return what else is in the vehicle's calendar, the first of each.

    That is the bookings that hold it at some time in `[first, last)`, by start; and the requests that an approval,
    holding it until `until`, would make impossible, by when they were sent.
    """
    is_request = Booking.status == Status.REQUESTED.value
    holds = and_(
        Booking.status.in_([status.value for status in rules.LIVE]), Booking.start < last, Booking.held_until > first
    )
    competes = and_(is_request, Booking.start < until, Booking.end > booking.start)
    by = case((is_request, func.coalesce(Booking.submitted_at, Booking.created_at)), else_=Booking.start)
    numbered = (
        select(
            Booking.id,
            func.row_number().over(partition_by=is_request, order_by=[by, Booking.id]).label("number"),
            func.count().over(partition_by=is_request).label("count"),
        )
        .where(
            permitted(Booking, BOOKING_READ),
            Booking.vehicle_id == booking.vehicle_id,
            Booking.id != booking.id,
            or_(holds, competes),
        )
        .subquery()
    )
    statement = (
        select(Booking, numbered.c.count)
        .join(numbered, numbered.c.id == Booking.id)
        .where(numbered.c.number <= limit)
        .order_by(numbered.c.number)
    )
    found = db.session.execute(statement).all()
    parts: tuple[list[tuple[Booking, int]], list[tuple[Booking, int]]] = ([], [])
    for row, count in found:
        parts[row.status == Status.REQUESTED.value].append((row, count))
    holders, requests = (Extract([row for row, _ in part], part[0][1] if part else 0) for part in parts)
    return holders, requests


# --- today ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Today:
    """What a day brings: vehicles to hand over, to take back, that are late, and requests without an answer."""

    going_out: Sequence[Booking]
    coming_back: Sequence[Booking]
    late: Sequence[Booking]
    waiting: Sequence[Booking]
    out_now: int
    still_out: frozenset[UUID] = frozenset()
    """Which of the vehicles to hand over somebody else has not brought back."""

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is to be done."""
        return not (self.going_out or self.coming_back or self.late or self.waiting)


def today(now: datetime, day_end: datetime) -> Today:
    """Return what is due for the acting person between now and the end of the day (handovers that are late, too)."""
    mine = permitted(Booking, BOOKING_READ)
    before_handover = Booking.status.in_([Status.APPROVED.value, Status.ASSIGNED.value])
    is_out = Booking.status == Status.ACTIVE.value

    def found(*conditions: ColumnElement[bool], by: Any = Booking.start) -> Sequence[Booking]:
        return db.session.scalars(select(Booking).where(mine, *conditions).order_by(by, Booking.id).limit(200)).all()

    going_out = found(before_handover, Booking.start < day_end, Booking.end > now)
    out_now, still_out = _out(and_(mine, is_out), {row.vehicle_id for row in going_out})
    return Today(
        going_out=going_out,
        coming_back=found(is_out, Booking.end >= now, Booking.end < day_end, by=Booking.end),
        late=found(or_(and_(is_out, Booking.end < now), is_awaited()), by=Booking.end),
        waiting=found(Booking.status == Status.REQUESTED.value),
        out_now=out_now,
        still_out=still_out,
    )


def _out(counted: ColumnElement[bool], vehicle_ids: Collection[UUID]) -> tuple[int, frozenset[UUID]]:
    """Return how many bookings meet the condition, and which of the vehicles are out with any booking."""
    count = select(null().label("vehicle_id"), func.count(Booking.id)).where(counted)
    is_out = or_(Booking.status == Status.ACTIVE.value, is_awaited())
    out = select(Booking.vehicle_id, literal(0)).where(Booking.vehicle_id.in_(vehicle_ids), is_out)
    rows: Sequence[Any] = db.session.execute(union_all(out, count)).all()
    return max(row[1] for row in rows), frozenset(row.vehicle_id for row in rows if row.vehicle_id is not None)
