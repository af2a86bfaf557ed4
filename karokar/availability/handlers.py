"""How a vehicle's calendar follows the facts, in the order of the vehicle's stream. It never refuses one."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from karokar.availability import actions, rules
from karokar.availability.models import AvailabilityBlock
from karokar.availability.rules import BlockKind, SourceType
from karokar.events.assignment import (
    AssignmentActivated,
    AssignmentClosed,
    AssignmentCompleted,
    AssignmentCreated,
    AssignmentRejected,
)
from karokar.events.base import Envelope, Event
from karokar.events.booking import (
    BookingActivated,
    BookingApproved,
    BookingCancelled,
    BookingCompleted,
    BookingTerminated,
    BookingVehicleAwaited,
    BookingVehicleReturned,
)
from karokar.events.fleet import (
    VehicleActivated,
    VehicleMaintenanceCancelled,
    VehicleMaintenanceChanged,
    VehicleMaintenanceCompleted,
    VehicleMaintenanceScheduled,
    VehicleMaintenanceStarted,
    VehicleRetired,
    VehicleSuspended,
)
from karokar.events.handlers import handles
from karokar.kernel.db import db

Held = list[AvailabilityBlock]


def _reserve(envelope: Envelope[BookingApproved], _held: Held) -> None:
    event = envelope.event
    _block(
        envelope,
        BlockKind.RESERVED,
        start=event.start,
        end=event.held_until,
        owner=event.vendor_organization_id,
        corporate=event.corporate_organization_id,
    )


def _allocate(envelope: Envelope[BookingActivated | AssignmentActivated], held: Held) -> None:
    for block in held:
        # A vehicle that is handed over before its time is taken from then on.
        block.start = min(block.start, envelope.event.activated_at)
        block.kind = BlockKind.ALLOCATED.value
        block.allocated_at = envelope.occurred_at
        block.applied_seq = envelope.aggregate_seq


def _release_booking(envelope: Envelope[BookingCompleted | BookingCancelled | BookingTerminated], held: Held) -> None:
    event = envelope.event
    at = event.cancelled_at if isinstance(event, BookingCancelled) else event.actual_end
    _release(envelope, held, at)


def _await(envelope: Envelope[BookingVehicleAwaited], _held: Held) -> None:
    event = envelope.event
    _block(
        envelope,
        BlockKind.ALLOCATED,
        start=event.since,
        end=None,
        owner=event.vendor_organization_id,
        corporate=event.corporate_organization_id,
    )


def _come_back(envelope: Envelope[BookingVehicleReturned], held: Held) -> None:
    _release(envelope, held, envelope.event.returned_at)


def _allocate_directly(envelope: Envelope[AssignmentCreated], _held: Held) -> None:
    event = envelope.event
    if event.booking_id is None:  # otherwise the booking's own block says it
        _block(
            envelope,
            BlockKind.ALLOCATED,
            start=event.start,
            end=event.end,
            owner=event.corporate_organization_id,
            corporate=event.corporate_organization_id,
        )


def _release_assignment(
    envelope: Envelope[AssignmentRejected | AssignmentCompleted | AssignmentClosed], held: Held
) -> None:
    event = envelope.event
    at = envelope.occurred_at
    if isinstance(event, AssignmentCompleted):
        at = event.actual_end
    elif isinstance(event, AssignmentClosed):
        at = event.closed_at
    _release(envelope, held, at)


def _block_for_maintenance(envelope: Envelope[VehicleMaintenanceScheduled], _held: Held) -> None:
    event = envelope.event
    _block(envelope, BlockKind.MAINTENANCE, start=event.start, end=event.end, owner=event.organization_id)


def _move_maintenance(envelope: Envelope[VehicleMaintenanceChanged | VehicleMaintenanceStarted], held: Held) -> None:
    # A block is never lengthened: a window that moved gives its old block up whole and takes a new one.
    event = envelope.event
    if all((block.start, block.end) == (event.start, event.end) for block in held):
        for block in held:
            block.applied_seq = envelope.aggregate_seq
        return
    for block in held:
        block.end = block.start
        block.released_at = block.given_up_at = envelope.occurred_at
        block.applied_seq = envelope.aggregate_seq
    _block(envelope, BlockKind.MAINTENANCE, start=event.start, end=event.end, owner=event.organization_id)


def _release_maintenance(
    envelope: Envelope[VehicleMaintenanceCompleted | VehicleMaintenanceCancelled], held: Held
) -> None:
    event = envelope.event
    at = event.completed_at if isinstance(event, VehicleMaintenanceCompleted) else event.cancelled_at
    _release(envelope, held, at)


def _suspend(envelope: Envelope[VehicleSuspended], held: Held) -> None:
    if held:  # off the road already, by another kind
        for block in held:
            block.applied_seq = envelope.aggregate_seq
        return
    _block(
        envelope,
        BlockKind.SUSPENDED,
        start=envelope.occurred_at,
        end=None,
        owner=envelope.event.organization_id,
    )


def _lift(envelope: Envelope[VehicleActivated | VehicleRetired], held: Held) -> None:
    _release(envelope, held, envelope.occurred_at)


REACTIONS: dict[type[Event], Callable[[Envelope[Any], Held], None]] = {
    BookingApproved: _reserve,
    BookingActivated: _allocate,
    BookingCompleted: _release_booking,
    BookingCancelled: _release_booking,
    BookingTerminated: _release_booking,
    BookingVehicleAwaited: _await,
    BookingVehicleReturned: _come_back,
    AssignmentCreated: _allocate_directly,
    AssignmentActivated: _allocate,
    AssignmentRejected: _release_assignment,
    AssignmentCompleted: _release_assignment,
    AssignmentClosed: _release_assignment,
    VehicleMaintenanceScheduled: _block_for_maintenance,
    VehicleMaintenanceChanged: _move_maintenance,
    VehicleMaintenanceStarted: _move_maintenance,
    VehicleMaintenanceCompleted: _release_maintenance,
    VehicleMaintenanceCancelled: _release_maintenance,
    VehicleSuspended: _suspend,
    VehicleActivated: _lift,
    VehicleRetired: _lift,
}
"""What each fact does to the calendar: the reaction table of the domain."""


@handles(
    *REACTIONS,
    effect="projection",
    key="stream",
    from_start=True,
    keeps=(AvailabilityBlock.vehicle_id,),
    description="Keeps each vehicle's calendar: what takes its time, from when to when.",
)
def keep_calendar(envelope: Envelope[Any]) -> None:
    """Apply one fact to the blocks of what it is about; one that was applied before changes nothing."""
    blocks = _blocks_of(envelope)
    if any(block.applied_seq >= envelope.aggregate_seq for block in blocks):
        return
    held = [block for block in blocks if block.released_at is None]
    REACTIONS[type(envelope.event)](envelope, held)
    db.session.flush()


@handles(
    *REACTIONS,
    effect="action",
    key="stream",
    description="Opens a conflict where a calendar overlaps, and closes it when no overlap is left.",
)
def watch_conflicts(envelope: Envelope[Any]) -> None:
    """Compare the vehicle's calendar, as it is now, with the conflicts that are known."""
    actions.review_conflicts(envelope.event.vehicle_id)


def _blocks_of(envelope: Envelope[Any]) -> list[AvailabilityBlock]:
    statement = (
        select(AvailabilityBlock)
        .where(
            AvailabilityBlock.source_type == SourceType(envelope.aggregate_type).value,
            AvailabilityBlock.source_id == envelope.aggregate_id,
        )
        .order_by(AvailabilityBlock.source_seq)
    )
    return list(db.session.scalars(statement))


def _block(
    envelope: Envelope[Any],
    kind: BlockKind,
    *,
    start: datetime,
    end: datetime | None,
    owner: UUID,
    corporate: UUID | None = None,
) -> None:
    source_type = SourceType(envelope.aggregate_type).value
    db.session.add(
        AvailabilityBlock(
            id=rules.block_id(source_type, envelope.aggregate_id, envelope.aggregate_seq),
            vehicle_id=envelope.event.vehicle_id,
            organization_id=owner,
            corporate_organization_id=corporate,
            kind=kind.value,
            start=start,
            end=end,
            source_type=source_type,
            source_id=envelope.aggregate_id,
            source_event_id=envelope.event_id,
            source_seq=envelope.aggregate_seq,
            applied_seq=envelope.aggregate_seq,
            released_at=None,
            planned_end=end,
            made_at=envelope.occurred_at,
            allocated_at=None,
            given_up_at=None,
        )
    )


def _release(envelope: Envelope[Any], held: Held, at: datetime) -> None:
    for block in held:
        block.end = rules.shortened(block.start, block.end, at)
        block.released_at = at
        block.given_up_at = envelope.occurred_at
        block.applied_seq = envelope.aggregate_seq
