"""What holds for a vehicle's calendar: periods, overlaps, conflicts. Decisions without a database."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import combinations
from uuid import UUID, uuid5

from karokar.kernel.state_machine import StateMachine, Transition
from karokar.kernel.text.codes import name_codes

NAMESPACE = UUID("6e0d3f5a-7c43-5b0e-9d0a-2f5a4f0a9b1c")
"""From this and what caused it, a block's or conflict's id is derived: built again, it is the same."""


class BlockKind(StrEnum):
    """Why a vehicle is not free."""

    RESERVED = "RESERVED"
    ALLOCATED = "ALLOCATED"
    MAINTENANCE = "MAINTENANCE"
    SUSPENDED = "SUSPENDED"


class SourceType(StrEnum):
    """Which kind of thing takes a vehicle's time."""

    BOOKING = "Booking"
    ASSIGNMENT = "Assignment"
    WINDOW = "MaintenanceWindow"
    VEHICLE = "Vehicle"


class ConflictStatus(StrEnum):
    """Whether somebody still has to look at a conflict."""

    OPEN = "OPEN"
    RESOLVED = "RESOLVED"


class Resolution(StrEnum):
    """How a conflict ended: no overlap was left, or a person decided that it goes ahead anyway."""

    NO_OVERLAP = "NO_OVERLAP"
    ACCEPTED = "ACCEPTED"


name_codes(
    "AvailabilityConflict",
    "resolution",
    {Resolution.NO_OVERLAP: "Nothing overlaps any more", Resolution.ACCEPTED: "It goes ahead anyway"},
)

CONFLICT_MACHINE = StateMachine(
    ConflictStatus,
    (Transition(ConflictStatus.OPEN, ConflictStatus.RESOLVED, "resolve", "AvailabilityConflictResolved"),),
    code="INVALID_CONFLICT_TRANSITION",
    refusal=lambda _status, _verb: "This conflict is resolved already. Reload the page to see how.",
)
"""Every change of a conflict's status; what is not here is refused."""


def can_go_ahead(source_types: Collection[str]) -> bool:
    """Whether both sides of a conflict can go ahead: what is off the road can't be handed over, whatever people say."""
    return SourceType.VEHICLE not in source_types


@dataclass(frozen=True)
class Span:
    """A block as far as conflicts are concerned; `end` is None for one that is open."""

    id: UUID
    source: tuple[str, UUID]
    start: datetime
    end: datetime | None


def overlap(first: Span, second: Span) -> tuple[datetime, datetime | None] | None:
    """Return the time that two blocks share, None for none. Periods are half-open: touching is not sharing."""
    start = max(first.start, second.start)
    ends = [end for end in (first.end, second.end) if end is not None]
    end = min(ends) if ends else None
    return None if end is not None and end <= start else (start, end)


def clashes(held: Sequence[Span]) -> list[tuple[Span, Span]]:
    """Return the pairs of held blocks of different sources that share time, the earlier beginning first."""
    ordered = sorted(held, key=lambda span: (span.start, span.id))
    return [
        (first, second)
        for first, second in combinations(ordered, 2)
        if first.source != second.source and not _explains(first, second) and overlap(first, second) is not None
    ]


def _explains(first: Span, second: Span) -> bool:
    """Whether a suspension or maintenance is what becomes of a vehicle that a booking has not brought back."""
    return any(
        one.source[0] == SourceType.BOOKING
        and one.end is None
        and other.source[0] in {SourceType.VEHICLE, SourceType.WINDOW}
        for one, other in ((first, second), (second, first))
    )


def block_id(source_type: str, source_id: UUID, source_seq: int) -> UUID:
    """Return the id of the block that the source's event of this sequence number made."""
    return uuid5(NAMESPACE, f"{source_type}:{source_id}:{source_seq}")


def conflict_id(first: UUID, second: UUID) -> UUID:
    """Return the id of the conflict of two blocks, in either order."""
    return uuid5(NAMESPACE, "conflict:" + ":".join(sorted((str(first), str(second)))))


def shortened(start: datetime, end: datetime | None, released_at: datetime) -> datetime:
    """Return the end of a block that is released: never later than it was, never before its start."""
    latest = released_at if end is None else min(end, released_at)
    return max(start, latest)
