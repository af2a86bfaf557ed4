"""Conflicts in vehicles' calendars: found and closed as the calendar changes, or decided by a person."""

from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import aliased

from karokar.availability import rules
from karokar.availability.models import AvailabilityBlock, AvailabilityConflict
from karokar.availability.permissions import CONFLICT_RESOLVE
from karokar.availability.rules import ConflictStatus, Resolution, SourceType
from karokar.events.bus import publish
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.db import action, db
from karokar.kernel.permissions import load
from karokar.kernel.schedule import every


@action
def review_conflicts(vehicle_id: UUID) -> int:
    """Open a conflict for each new overlap in a vehicle's calendar, close those without one; return how many changed.

    What a person decided stays decided: a conflict is known by its two blocks, and opens once.
    """
    held = {
        block.id: block
        for block in db.session.scalars(
            select(AvailabilityBlock).where(
                AvailabilityBlock.vehicle_id == vehicle_id, AvailabilityBlock.released_at.is_(None)
            )
        )
    }
    known = {
        conflict.id: conflict
        for conflict in db.session.scalars(
            select(AvailabilityConflict).where(AvailabilityConflict.vehicle_id == vehicle_id).with_for_update()
        )
    }
    clashes = {
        rules.conflict_id(first.id, second.id): (held[first.id], held[second.id])
        for first, second in rules.clashes([block.span for block in held.values()])
    }
    now = clock.now()
    changed = 0
    for conflict_id, (first, second) in clashes.items():
        if conflict_id not in known:
            conflict, event = AvailabilityConflict.between(first, second, at=now)
            db.session.add(conflict)
            publish(event)
            changed += 1
    for conflict_id, conflict in known.items():
        if conflict.status == ConflictStatus.OPEN and conflict_id not in clashes:
            publish(conflict.resolve(Resolution.NO_OVERLAP, at=now))
            changed += 1
    return changed


@action
def resolve_conflict(conflict_id: UUID, *, note: str, version: int | None = None) -> UUID:
    """Decide that both go ahead anyway, with a note that the other side reads, and return the conflict's id.

    Nothing is booked, moved or cancelled by this. Raises RuleBroken NOTE_NEEDED, StateConflict
    INVALID_CONFLICT_TRANSITION, StaleVersion, NotFound.
    """
    conflict = load(AvailabilityConflict, conflict_id, CONFLICT_RESOLVE, version=version, lock=True)
    publish(conflict.resolve(Resolution.ACCEPTED, at=clock.now(), by=current_actor().user_id, note=note))
    return conflict.id


@every(300)
def review_stale_calendars() -> None:
    """Review the calendars whose conflicts do not match their blocks: a delivery that failed for a while left them."""
    for vehicle_id in _stale():
        review_conflicts(vehicle_id)


_BECOMES = (SourceType.VEHICLE.value, SourceType.WINDOW.value)


def _stale() -> list[UUID]:
    first, second = aliased(AvailabilityBlock), aliased(AvailabilityBlock)
    now = clock.now()
    unknown = (
        select(first.vehicle_id)
        .join(second, and_(second.vehicle_id == first.vehicle_id, second.id > first.id))
        .where(
            first.released_at.is_(None),
            second.released_at.is_(None),
            or_(first.source_id != second.source_id, first.source_type != second.source_type),
            or_(first.end.is_(None), and_(first.end > now, first.end > second.start)),
            or_(second.end.is_(None), and_(second.end > now, second.end > first.start)),
            # What becomes of a vehicle that a booking has not brought back is no conflict with it.
            ~and_(first.source_type == "Booking", first.end.is_(None), second.source_type.in_(_BECOMES)),
            ~and_(second.source_type == "Booking", second.end.is_(None), first.source_type.in_(_BECOMES)),
            ~select(AvailabilityConflict.id)
            .where(
                AvailabilityConflict.vehicle_id == first.vehicle_id,
                AvailabilityConflict.first_block_id.in_([first.id, second.id]),
                AvailabilityConflict.second_block_id.in_([first.id, second.id]),
            )
            .exists(),
        )
    )
    over = (
        select(AvailabilityConflict.vehicle_id)
        .join(
            AvailabilityBlock,
            AvailabilityBlock.id.in_([AvailabilityConflict.first_block_id, AvailabilityConflict.second_block_id]),
        )
        .where(AvailabilityConflict.status == ConflictStatus.OPEN.value, AvailabilityBlock.released_at.is_not(None))
    )
    return list(db.session.scalars(unknown.union(over)))
