"""What takes a vehicle's time, and when."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select

from karokar.availability.models import AvailabilityBlock
from karokar.availability.rules import BlockKind
from karokar.kernel.db import db


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


def block_facts(row: AvailabilityBlock) -> BlockFacts:
    """Return a block as others know it."""
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
    facts = block_facts(row)
    if row.given_up_at is not None and row.given_up_at > at:
        facts = replace(facts, end=row.planned_end, released_at=None)
    if row.allocated_at is not None and row.allocated_at > at:
        facts = replace(facts, kind=BlockKind.RESERVED.value)
    return facts


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
        found[row.vehicle_id].append(block_facts(row) if at is None else _as_it_was(row, at))
    return found


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
    return [block_facts(row) for row in db.session.scalars(statement)]


KIND_NAMES = {
    BlockKind.RESERVED.value: "Reserved",
    BlockKind.ALLOCATED.value: "In use",
    BlockKind.MAINTENANCE.value: "Maintenance",
    BlockKind.SUSPENDED.value: "Off the road",
}
"""What people call the kinds of blocks."""
