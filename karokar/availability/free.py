"""Is a vehicle free? The one definition: search, request, decision, offers, assignments and every action ask it here.

A vehicle is free for `[start, end)` when
- nothing takes its time from the start until the end of its owner's turnaround time after the end,
- it is back: nobody has it beyond the end of their booking, and no maintenance overruns, where the period begins soon,
- each document that it needs is approved until the end.

Whether it is on the road, and whether the organizations take part, is not a matter of time: the rules of bookings and
assignments ask for that themselves.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select

from karokar.availability.models import AvailabilityBlock
from karokar.availability.queries import BlockFacts, block_facts, blocks
from karokar.availability.rules import BlockKind
from karokar.booking import facts as bookings
from karokar.booking.facts import BookingFacts
from karokar.fleet import facts as fleet
from karokar.fleet.facts import REQUIRED_DOCUMENTS, VehicleFacts, WindowFacts
from karokar.kernel import clock
from karokar.kernel.database.many import fetch_ids
from karokar.kernel.db import db
from karokar.organization import facts as organizations
from karokar.verification import facts as verifications

LATE_COUNTS_FOR = timedelta(days=1)
"""A vehicle that is not back in time is not free for what begins this soon."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
FEW = 50
"""Of so many vehicles the bookings and maintenance themselves are asked as well, whose events may be under way."""


@dataclass(frozen=True)
class Reason:
    """Why a vehicle is not free: the kind of block, DOCUMENT, BUFFER, or LATE (due back at `until`).

    `until` is None where nobody knows. `document` names what expires, `booking_ids` are the bookings that hold it.
    """

    kind: str
    until: datetime | None
    document: str = ""
    booking_ids: tuple[UUID, ...] = ()


def turnaround_of(owner_ids: Iterable[UUID]) -> dict[UUID, timedelta]:
    """Return how long each of these owners needs for a vehicle between two bookings."""
    found = organizations.organizations(owner_ids)
    return {id_: timedelta(minutes=one.buffer_minutes) for id_, one in found.items() if one.type == "VENDOR"}


def taken_among(
    ids: Collection[str],
    start: datetime,
    end: datetime,
    turnaround: Mapping[UUID, timedelta],
    *,
    without: UUID | None = None,
    is_exact: bool = True,
) -> set[str]:
    """Return those of some vehicles that are not free in `[start, end)`. Ids are `UUID.hex`, there and back.

    `turnaround` is the time that each owner needs after a booking; an owner that it does not name needs none. The
    calendar follows events and may be milliseconds old; of a FEW vehicles the bookings and the maintenance themselves
    are asked as well, unless the calendar will do (`is_exact`): for what a page offers and an action asks again. What
    one booking (`without`) holds does not count.
    """
    now = clock.now()
    found = verifications.lapsing_ids("Vehicle", REQUIRED_DOCUMENTS, LONG_AGO, end, among=ids)
    if len(ids) <= FEW:
        found |= _held_of_few([UUID(id_) for id_ in ids], start, end, turnaround, without=without, is_exact=is_exact)
    else:
        found |= _busy(start, end, without) | _in_turnaround(end, turnaround, without)
        if start < now + LATE_COUNTS_FOR:
            found |= {vehicle_id.hex for vehicle_id in _late(now)}
    return found & set(ids)


def _held_of_few(
    ids: Sequence[UUID],
    start: datetime,
    end: datetime,
    turnaround: Mapping[UUID, timedelta],
    *,
    without: UUID | None,
    is_exact: bool,
) -> set[str]:
    """Return which of a few vehicles are held, by the calendar or by bookings and maintenance, or are not back."""
    now = clock.now()
    is_soon = start < now + LATE_COUNTS_FOR
    until = end + max(turnaround.values(), default=timedelta())
    found = set()
    statement = select(AvailabilityBlock).where(
        AvailabilityBlock.vehicle_id.in_(ids),
        AvailabilityBlock.start < until,
        or_(
            AvailabilityBlock.end.is_(None),
            AvailabilityBlock.end > start,
            AvailabilityBlock.released_at.is_(None),
        ),
    )
    held = []
    for block in db.session.scalars(statement):
        if block.end is not None and block.end <= start:
            is_late = block.end <= now and block.kind in _IN_HANDS and is_soon
            if is_late and block.source_id != without:
                found.add(block.vehicle_id.hex)
        elif block.end is None or block.end > block.start:
            held.append((block.source_id, block.vehicle_id, block.start, block.organization_id))
    if is_exact:
        live = bookings.holding_in_period(ids, start, until)
        held += [(one.id, one.vehicle_id, one.start, one.vendor_organization_id) for one in live]
        held += [(one.id, one.vehicle_id, one.start, one.organization_id) for one in fleet.windows(ids, start, until)]
    return found | {
        vehicle_id.hex
        for id_, vehicle_id, begins, owner_id in held
        if id_ != without and begins < end + turnaround.get(owner_id, timedelta())
    }


def why_taken(
    vehicles: Collection[VehicleFacts],
    start: datetime,
    end: datetime,
    turnaround: Mapping[UUID, timedelta] | None = None,
    *,
    is_exact: bool = True,
) -> dict[UUID, list[Reason]]:
    """Return why each of these vehicles is not free in `[start, end)`, an empty list for one that is.

    `turnaround` and `is_exact` as in `taken_among`; a turnaround of None is looked up.
    """
    if turnaround is None:
        turnaround = turnaround_of({one.organization_id for one in vehicles})
    found: dict[UUID, list[Reason]] = {one.id: [] for one in vehicles}
    taken = taken_among([one.id.hex for one in vehicles], start, end, turnaround, is_exact=is_exact)
    found |= explain_taken([one.id for one in vehicles if one.id.hex in taken], start, end, turnaround)
    return found


def explain_taken(
    ids: list[UUID], start: datetime, end: datetime, turnaround: Mapping[UUID, timedelta]
) -> dict[UUID, list[Reason]]:
    """Return what keeps these vehicles, of which `taken_among` said that they are not free."""
    if not ids:
        return {}
    now = clock.now()
    late = _late(now, AvailabilityBlock.vehicle_id.in_(ids)) if start < now + LATE_COUNTS_FOR else {}
    lapsed = _lapsed(ids, end)
    held = blocks(ids, start, end)
    until = end + max(turnaround.values(), default=timedelta())
    promised: dict[UUID, list[BookingFacts]] = {}
    for booking in bookings.holding_in_period(ids, start, until):
        promised.setdefault(booking.vehicle_id, []).append(booking)
    windows = {window.vehicle_id: window for window in fleet.windows(ids, start, end)}
    return {
        id_: _reasons(
            held[id_],
            promised.get(id_, []),
            end,
            window=windows.get(id_),
            late=late.get(id_),
            lapsed=lapsed.get(id_),
        )
        for id_ in ids
    }


def is_free(vehicle_id: UUID, start: datetime, end: datetime) -> bool:
    """Whether a vehicle is free in `[start, end)`. Raises NotFound."""
    return not why_taken([fleet.get_vehicle(vehicle_id)], start, end)[vehicle_id]


def _late(now: datetime, *only: ColumnElement[bool]) -> dict[UUID, BlockFacts]:
    """Return the vehicles that should be back by now and are not: in use, or in maintenance, beyond the planned end."""
    statement = select(AvailabilityBlock).where(
        AvailabilityBlock.released_at.is_(None),
        AvailabilityBlock.end <= now,
        AvailabilityBlock.kind.in_(_IN_HANDS),
        *only,
    )
    return {row.vehicle_id: block_facts(row) for row in db.session.scalars(statement)}


def _busy(start: datetime, end: datetime, without: UUID | None) -> set[str]:
    """Return the ids of the vehicles whose time is taken somewhere in `[start, end)`."""
    column = AvailabilityBlock.vehicle_id
    only = _except(without)
    if db.session.get_bind().dialect.name == "postgresql":
        # By the index of periods; an emptied block is an empty range, an open one ends nowhere.
        period = func.tstzrange(AvailabilityBlock.start, AvailabilityBlock.end)
        statement = select(column).where(period.op("&&")(func.tstzrange(start, end)), *only)
        return set(fetch_ids(column, statement))
    ended = select(column).where(
        AvailabilityBlock.end > start,
        AvailabilityBlock.start < end,
        AvailabilityBlock.end > AvailabilityBlock.start,
        *only,
    )
    still_open = select(column).where(AvailabilityBlock.end.is_(None), AvailabilityBlock.start < end, *only)
    either = ended.union(still_open).subquery()
    return set(fetch_ids(either.c.vehicle_id, select(either.c.vehicle_id)))


def _in_turnaround(end: datetime, turnaround: Mapping[UUID, timedelta], without: UUID | None) -> set[str]:
    """Return the ids of the vehicles whose next block begins within the owner's turnaround after the end."""
    longest = max(turnaround.values(), default=timedelta())
    if not longest:
        return set()
    statement = select(AvailabilityBlock.vehicle_id, AvailabilityBlock.organization_id, AvailabilityBlock.start).where(
        AvailabilityBlock.start >= end,
        AvailabilityBlock.start < end + longest,
        or_(AvailabilityBlock.end.is_(None), AvailabilityBlock.end > AvailabilityBlock.start),
        *_except(without),
    )
    return {
        vehicle_id.hex
        for vehicle_id, owner_id, at in db.session.execute(statement)
        if at < end + turnaround.get(owner_id, timedelta())
    }


def _except(source_id: UUID | None) -> list[ColumnElement[bool]]:
    return [] if source_id is None else [AvailabilityBlock.source_id != source_id]


def _lapsed(vehicle_ids: list[UUID], end: datetime) -> dict[UUID, Reason]:
    """Return which document of each of these vehicles ends before the period does."""
    lapsed = {}
    for vehicle_id, covered in verifications.coverages("Vehicle", vehicle_ids).items():
        for kind, name in REQUIRED_DOCUMENTS.items():
            expires_at = covered[kind].expires_at
            if covered[kind].status in {"APPROVED", "EXPIRED"} and expires_at is not None and expires_at < end:
                lapsed[vehicle_id] = Reason("DOCUMENT", expires_at, name)
    return lapsed


def _reasons(
    held: list[BlockFacts],
    promised: list[BookingFacts],
    end: datetime,
    *,
    window: WindowFacts | None,
    late: BlockFacts | None,
    lapsed: Reason | None,
) -> list[Reason]:
    """Return one reason per kind, with the latest end of what gives it."""
    ends: dict[str, list[datetime | None]] = {}
    for block in held:
        ends.setdefault(block.kind, []).append(block.end)
    by_id = tuple(booking.id for booking in promised)
    within = [booking for booking in promised if booking.start < end]
    if within and not ends.keys() & _HOLDING:
        ends["RESERVED"] = [None if booking.is_awaited else booking.held_until for booking in within]
    if window is not None:
        ends.setdefault(BlockKind.MAINTENANCE.value, []).append(window.end)
    reasons = [
        Reason(kind, None if None in known else max(known), booking_ids=by_id if kind in _HOLDING else ())  # type: ignore[type-var]
        for kind, known in ends.items()
    ]
    if late is not None:
        reasons.append(Reason("LATE", late.end))
    if lapsed is not None:
        reasons.append(lapsed)
    return reasons or [Reason("BUFFER", None, booking_ids=by_id)]


_IN_HANDS = (BlockKind.ALLOCATED.value, BlockKind.MAINTENANCE.value)
"""Of these a vehicle has to come back before it is free."""
_HOLDING = frozenset({BlockKind.RESERVED.value, BlockKind.ALLOCATED.value})
