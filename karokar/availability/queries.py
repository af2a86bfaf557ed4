"""What may be asked about vehicles' calendars: who is free, what takes their time, and where it overlaps."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Double, Select, and_, case, cast, extract, func, or_, select

from karokar.availability.models import AvailabilityBlock, AvailabilityConflict
from karokar.availability.permissions import CONFLICT_READ, CONFLICT_RESOLVE
from karokar.availability.rules import BlockKind, ConflictStatus
from karokar.kernel.actor import Actor
from karokar.kernel.codes import in_words
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.many import fetch_ids
from karokar.kernel.paging import Page, count_each, count_up_to, count_words, paginate
from karokar.kernel.permissions import may, permitted, scope_of
from karokar.kernel.waiting import Figure, WaitingItem


@dataclass(frozen=True, kw_only=True)
class BlockFacts:
    """A period in which a vehicle is not free; `end` is None while it is open."""

    id: UUID
    vehicle_id: UUID
    kind: str
    start: datetime
    end: datetime | None
    source_type: str
    source_id: UUID
    organization_id: UUID | None = None
    corporate_organization_id: UUID | None = None
    released_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ConflictFacts:
    """Two blocks of a vehicle that overlap, and what became of it."""

    id: UUID
    vehicle_id: UUID
    organization_id: UUID
    corporate_organization_id: UUID | None
    first_source_type: str
    first_source_id: UUID
    second_source_type: str
    second_source_id: UUID
    start: datetime
    end: datetime | None
    status: str
    resolution: str
    note: str
    detected_at: datetime
    resolved_at: datetime | None
    resolved_by: UUID | None
    version: int

    @property
    def resolution_label(self) -> str:
        """How it ended, in words."""
        return in_words("AvailabilityConflict", "resolution", self.resolution) or ""

    @property
    def sources(self) -> tuple[tuple[str, UUID], tuple[str, UUID]]:
        """What takes the vehicle's time twice."""
        return (
            (self.first_source_type, self.first_source_id),
            (self.second_source_type, self.second_source_id),
        )


def _block_facts(row: AvailabilityBlock) -> BlockFacts:
    return BlockFacts(
        id=row.id,
        vehicle_id=row.vehicle_id,
        kind=row.kind,
        start=row.start,
        end=row.end,
        source_type=row.source_type,
        source_id=row.source_id,
        organization_id=row.organization_id,
        corporate_organization_id=row.corporate_organization_id,
        released_at=row.released_at,
    )


def _conflict_facts(row: AvailabilityConflict) -> ConflictFacts:
    names = ConflictFacts.__dataclass_fields__
    return ConflictFacts(**{name: getattr(row, name) for name in names})


def _overlaps(start: datetime, end: datetime) -> ColumnElement[bool]:
    """Blocks that share time with `[start, end)`; an emptied one shares none."""
    open_or_later = or_(AvailabilityBlock.end.is_(None), AvailabilityBlock.end > start)
    is_empty = and_(AvailabilityBlock.end.is_not(None), AvailabilityBlock.end <= AvailabilityBlock.start)
    return and_(AvailabilityBlock.start < end, open_or_later, ~is_empty)


def _overlapped(start: datetime, end: datetime, at: datetime) -> ColumnElement[bool]:
    """Blocks that shared time with `[start, end)` as the calendar stood at a moment."""
    was_made = or_(AvailabilityBlock.made_at.is_(None), AvailabilityBlock.made_at <= at)
    was_open_or_later = or_(AvailabilityBlock.planned_end.is_(None), AvailabilityBlock.planned_end > start)
    was_held = AvailabilityBlock.given_up_at > at
    overlapped = or_(
        and_(was_held, AvailabilityBlock.start < end, was_open_or_later),
        and_(or_(AvailabilityBlock.given_up_at.is_(None), ~was_held), _overlaps(start, end)),
    )
    return and_(AvailabilityBlock.start < end, was_made, overlapped)


def _as_it_was(row: AvailabilityBlock, at: datetime) -> BlockFacts:
    facts = _block_facts(row)
    if row.given_up_at is not None and row.given_up_at > at:
        facts = replace(facts, end=row.planned_end, released_at=None)
    if row.allocated_at is not None and row.allocated_at > at:
        facts = replace(facts, kind=BlockKind.RESERVED.value)
    return facts


def is_free(vehicle_id: UUID, start: datetime, end: datetime, *, ignore: Collection[UUID] = ()) -> bool:
    """Whether nothing takes the vehicle's time in `[start, end)`; blocks of the sources to ignore do not count.

    The calendar follows events and may be milliseconds old: it advises, it decides nothing.
    """
    statement = select(AvailabilityBlock.id).where(AvailabilityBlock.vehicle_id == vehicle_id, _overlaps(start, end))
    if ignore:
        statement = statement.where(AvailabilityBlock.source_id.not_in(list(ignore)))
    return db.session.scalars(statement.limit(1)).first() is None


def blocks(
    vehicle_ids: Iterable[UUID], start: datetime, end: datetime, *, at: datetime | None = None
) -> dict[UUID, list[BlockFacts]]:
    """Return what takes each vehicle's time in `[start, end)`, by start; a vehicle without any has an empty list.

    With `at`: what took it as the calendar stood then, whatever was made, put to use or given up since.
    """
    found: dict[UUID, list[BlockFacts]] = {vehicle_id: [] for vehicle_id in vehicle_ids}
    if not found:
        return found
    statement = (
        select(AvailabilityBlock)
        .where(
            AvailabilityBlock.vehicle_id.in_(list(found)),
            _overlaps(start, end) if at is None else _overlapped(start, end, at),
        )
        .order_by(AvailabilityBlock.start, AvailabilityBlock.id)
    )
    for row in db.session.scalars(statement):
        found[row.vehicle_id].append(_block_facts(row) if at is None else _as_it_was(row, at))
    return found


def busy_vehicle_ids(start: datetime, end: datetime) -> set[str]:
    """Return the ids, as `UUID.hex`, of all vehicles, whosever, whose time is taken somewhere in `[start, end)`."""
    column = AvailabilityBlock.vehicle_id
    if db.session.get_bind().dialect.name == "postgresql":
        # By the index of periods; an emptied block is an empty range, an open one ends nowhere.
        period = func.tstzrange(AvailabilityBlock.start, AvailabilityBlock.end)
        return set(fetch_ids(column, select(column).where(period.op("&&")(func.tstzrange(start, end)))))
    ended = select(column).where(
        AvailabilityBlock.end > start,
        AvailabilityBlock.start < end,
        AvailabilityBlock.end > AvailabilityBlock.start,
    )
    still_open = select(column).where(AvailabilityBlock.end.is_(None), AvailabilityBlock.start < end)
    either = ended.union(still_open).subquery()
    return set(fetch_ids(either.c.vehicle_id, select(either.c.vehicle_id)))


def late_vehicles(now: datetime) -> dict[UUID, BlockFacts]:
    """Return the vehicles that should be back by now and are not: in use, or in maintenance, beyond the planned end."""
    statement = select(AvailabilityBlock).where(
        AvailabilityBlock.released_at.is_(None),
        AvailabilityBlock.end <= now,
        AvailabilityBlock.kind.in_([BlockKind.ALLOCATED.value, BlockKind.MAINTENANCE.value]),
    )
    return {row.vehicle_id: _block_facts(row) for row in db.session.scalars(statement)}


def begin_between(start: datetime, end: datetime) -> list[tuple[UUID, UUID, datetime]]:
    """Return (vehicle, owner, start) of what begins in `[start, end)`: what a buffer after a booking may touch."""
    statement = select(AvailabilityBlock.vehicle_id, AvailabilityBlock.organization_id, AvailabilityBlock.start).where(
        AvailabilityBlock.start >= start,
        AvailabilityBlock.start < end,
        or_(AvailabilityBlock.end.is_(None), AvailabilityBlock.end > AvailabilityBlock.start),
    )
    return [(vehicle_id, owner_id, at) for vehicle_id, owner_id, at in db.session.execute(statement)]


def vehicles_of_company(
    organization_id: UUID, start: datetime, end: datetime, *, at: datetime | None = None
) -> set[UUID]:
    """Return the ids of the vehicles that a company has, or is to have, somewhere in `[start, end)`.

    With `at`: that it had, or was to have, as the calendar stood then.
    """
    statement = select(AvailabilityBlock.vehicle_id).where(
        AvailabilityBlock.corporate_organization_id == organization_id,
        _overlaps(start, end) if at is None else _overlapped(start, end, at),
    )
    return set(db.session.scalars(statement))


def find_blocks_of(source_type: str, source_id: UUID) -> list[BlockFacts]:
    """Return the blocks that one booking, assignment, window or vehicle ever made, by start."""
    statement = (
        select(AvailabilityBlock)
        .where(AvailabilityBlock.source_type == source_type, AvailabilityBlock.source_id == source_id)
        .order_by(AvailabilityBlock.start, AvailabilityBlock.source_seq)
    )
    return [_block_facts(row) for row in db.session.scalars(statement)]


# --- conflicts ------------------------------------------------------------------------------------------


def open_conflicts(
    *,
    vehicle_ids: Collection[UUID] | None = None,
    source_id: UUID | None = None,
    at: datetime | None = None,
    limit: int = 200,
) -> list[ConflictFacts]:
    """Return the open conflicts that the acting person may see, of some vehicles or of one source, by start.

    With `at`: those that were open then.
    """
    is_open = AvailabilityConflict.status == ConflictStatus.OPEN.value
    if at is not None:
        was_open = or_(AvailabilityConflict.resolved_at.is_(None), AvailabilityConflict.resolved_at > at)
        is_open = and_(AvailabilityConflict.detected_at <= at, was_open)
    statement = select(AvailabilityConflict).where(permitted(AvailabilityConflict, CONFLICT_READ), is_open)
    if vehicle_ids is not None:
        statement = statement.where(AvailabilityConflict.vehicle_id.in_(list(vehicle_ids)))
    if source_id is not None:
        statement = statement.where(
            or_(AvailabilityConflict.first_source_id == source_id, AvailabilityConflict.second_source_id == source_id)
        )
    statement = statement.order_by(AvailabilityConflict.start, AvailabilityConflict.id).limit(limit)
    return [_conflict_facts(row) for row in db.session.scalars(statement)]


SORTS = {
    "open": cast(extract("epoch", AvailabilityConflict.detected_at), Double)
    + case((AvailabilityConflict.status == ConflictStatus.OPEN.value, cast(100_000_000_000, Double)), else_=0.0),
    "found": AvailabilityConflict.detected_at,
    "start": AvailabilityConflict.start,
}
"""What the list of conflicts can be sorted by; "-open": open ones first, then the newest."""


def list_conflicts(
    *,
    status: str | None = None,
    vehicle_id: UUID | None = None,
    sort: str = "-open",
    cursor: str | None = None,
    size: int = 50,
    counted: bool = True,
) -> Page[ConflictFacts]:
    """Return one page of the conflicts that the acting person may see."""
    statement = _listed(status, vehicle_id)
    page = paginate(
        statement, sorts=SORTS, tie=AvailabilityConflict.id, sort=sort, cursor=cursor, size=size, counted=counted
    )
    return page.map(_conflict_facts)


def count_conflicts(*, status: str | None = None, vehicle_id: UUID | None = None, limit: int) -> int:
    """Return how many conflicts `list_conflicts` pages through, `limit` + 1 where they are more."""
    return count_up_to(_listed(status, vehicle_id), limit)


def _listed(status: str | None, vehicle_id: UUID | None) -> Select[AvailabilityConflict]:
    statement = select(AvailabilityConflict).where(permitted(AvailabilityConflict, CONFLICT_READ))
    if status:
        statement = statement.where(AvailabilityConflict.status == status)
    if vehicle_id is not None:
        statement = statement.where(AvailabilityConflict.vehicle_id == vehicle_id)
    return statement


def get_conflict(conflict_id: UUID) -> ConflictFacts:
    """Return a conflict that the acting person may see. Raises NotFound."""
    row = db.session.scalars(
        select(AvailabilityConflict).where(
            AvailabilityConflict.id == conflict_id, permitted(AvailabilityConflict, CONFLICT_READ)
        )
    ).one_or_none()
    if row is None:
        raise NotFound(AvailabilityConflict.label)
    return _conflict_facts(row)


def _way_out(row: AvailabilityConflict, actor: Actor) -> str:
    """Return what the acting side can do about a conflict, in one sentence."""
    sources = {row.first_source_type, row.second_source_type}
    ways = []
    if row.organization_id == actor.organization_id:
        ways += ["put the vehicle back on the road"] if "Vehicle" in sources else []
        ways += ["move the maintenance"] if "MaintenanceWindow" in sources else []
    ways += ["cancel the booking or take another vehicle for it"] if "Booking" in sources else []
    ways += ["close the assignment"] if "Assignment" in sources else []
    return f"{', '.join([*ways, 'or say that it goes ahead anyway']).capitalize()}."


def list_waiting_for(actor: Actor) -> list[WaitingItem]:
    """Return the open conflicts for those who may decide about them."""
    if actor.organization_id is None or not may(CONFLICT_RESOLVE, actor):
        return []
    statement = (
        select(AvailabilityConflict)
        .where(
            permitted(AvailabilityConflict, CONFLICT_RESOLVE, actor),
            AvailabilityConflict.status == ConflictStatus.OPEN.value,
        )
        .order_by(AvailabilityConflict.start)
        .limit(50)
    )
    return [
        WaitingItem(
            kind="Conflict",
            title=f"{SOURCE_NAMES[row.first_source_type]} and {SOURCE_NAMES[row.second_source_type].lower()} overlap",
            since=row.detected_at,
            due=row.start,
            endpoint="availability.conflict",
            values={"conflict_id": str(row.id)},
            verb="Resolve",
            detail=_way_out(row, actor),
            subject_id=row.id,
            about=(("Vehicle", row.vehicle_id),),
            period=(row.start, row.end),
        )
        for row in db.session.scalars(statement)
    ]


def list_figures_for(actor: Actor) -> list[Figure]:
    """Return how many conflicts are open, for those who may see any."""
    if scope_of(CONFLICT_READ, actor) is None:
        return []
    statement = select(AvailabilityConflict).where(permitted(AvailabilityConflict, CONFLICT_READ, actor))
    count = count_each(statement, AvailabilityConflict.status, [ConflictStatus.OPEN.value])
    number = count.get(ConflictStatus.OPEN.value, 0)
    return [
        Figure(
            label="Conflicts",
            value=count_words(number),
            endpoint="availability.conflicts",
            values={"status": ConflictStatus.OPEN.value},
            tone="bad" if number else "",
        )
    ]


SOURCE_NAMES = {
    "Booking": "A booking",
    "Assignment": "An assignment",
    "MaintenanceWindow": "Maintenance",
    "Vehicle": "A suspension",
}
"""What people call the things that take a vehicle's time."""

KIND_NAMES = {
    BlockKind.RESERVED.value: "Reserved",
    BlockKind.ALLOCATED.value: "In use",
    BlockKind.MAINTENANCE.value: "Maintenance",
    BlockKind.SUSPENDED.value: "Off the road",
}
"""What people call the kinds of blocks."""
