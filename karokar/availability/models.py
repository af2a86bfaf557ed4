"""The timeline of each vehicle, as other contexts' facts make it, and the conflicts in it."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, Index, String, Text, false, or_, text
from sqlalchemy.orm import Mapped, mapped_column

from karokar.availability import rules
from karokar.availability.rules import BlockKind, ConflictStatus, Resolution, Span
from karokar.events.availability import AvailabilityConflictDetected, AvailabilityConflictResolved
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.db import Aggregate, Base
from karokar.kernel.errors import RuleBroken, StateConflict
from karokar.kernel.text.notes import TYPED, Note, new_note

_KINDS = ", ".join(f"'{kind.value}'" for kind in BlockKind)


class AvailabilityBlock(Base):
    """A period in which a vehicle is not free. Kept by events alone: its id, times and ends follow from them.

    `end` is None while it is open. `released_at` tells when it was given up, and shortens it; nothing lengthens it.
    What it was before stays known: `planned_end`, and at which facts' times it was made, put to use and given up. So
    the calendar can be asked how it stood at any moment.
    """

    __tablename__ = "availability_blocks"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_KINDS})", name="kind_known"),
        CheckConstraint('"end" IS NULL OR "end" >= start', name="ends_after_start"),
        CheckConstraint('released_at IS NULL OR "end" IS NOT NULL', name="released_block_has_an_end"),
        Index("ix_availability_blocks_source", "source_type", "source_id"),
        Index("ix_availability_blocks_vehicle_id_start", "vehicle_id", "start"),
        Index("ix_availability_blocks_corporate_organization_id_start", "corporate_organization_id", "start"),
        Index("ix_availability_blocks_start", "start"),
        Index("ix_availability_blocks_end_start", "end", "start", "vehicle_id"),
        Index(
            "ix_availability_blocks_held",
            "vehicle_id",
            postgresql_where=text("released_at IS NULL"),
            sqlite_where=text("released_at IS NULL"),
        ),
        Index(
            "ix_availability_blocks_held_end",
            "end",
            postgresql_where=text("released_at IS NULL"),
            sqlite_where=text("released_at IS NULL"),
        ),
        Index(
            "ix_availability_blocks_open",
            "start",
            "vehicle_id",
            postgresql_where=text('"end" IS NULL'),
            sqlite_where=text('"end" IS NULL'),
        ),
        Index(
            "ix_availability_blocks_period",
            text('tstzrange(start, "end")'),
            postgresql_using="gist",
            info={"dialects": ("postgresql",)},
        ).ddl_if(dialect="postgresql"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    vehicle_id: Mapped[UUID] = mapped_column()  # fleet's Vehicle
    organization_id: Mapped[UUID] = mapped_column()  # organization's Organization, the vehicle's owner
    corporate_organization_id: Mapped[UUID | None]  # organization's Organization that is to have the vehicle
    kind: Mapped[str] = mapped_column(String(20))
    start: Mapped[datetime]
    end: Mapped[datetime | None]
    source_type: Mapped[str] = mapped_column(String(20))
    source_id: Mapped[UUID] = mapped_column()  # booking's, assignment's or fleet's, by source_type
    source_event_id: Mapped[UUID] = mapped_column()  # outbox's event that made the block
    source_seq: Mapped[int]
    applied_seq: Mapped[int]
    released_at: Mapped[datetime | None]
    planned_end: Mapped[datetime | None]  # as it was made
    made_at: Mapped[datetime | None]  # when the fact that made it came about
    allocated_at: Mapped[datetime | None]  # likewise, the fact that put a reserved vehicle to use
    given_up_at: Mapped[datetime | None]  # likewise, the fact that released it; `released_at` may lie before

    @property
    def span(self) -> Span:
        """The block as far as conflicts are concerned."""
        return Span(self.id, (self.source_type, self.source_id), self.start, self.end)


class AvailabilityConflict(Aggregate):
    """Two blocks of one vehicle that overlap. One for each pair of blocks, for ever: its id is derived from them."""

    __tablename__ = "availability_conflicts"
    aggregate_type: ClassVar[str] = "AvailabilityConflict"
    label: ClassVar[str] = "conflict"
    __table_args__ = (
        CheckConstraint("status IN ('OPEN', 'RESOLVED')", name="status_known"),
        CheckConstraint("resolution IN ('', 'NO_OVERLAP', 'ACCEPTED')", name="resolution_known"),
        CheckConstraint("(status = 'RESOLVED') = (resolved_at IS NOT NULL)", name="resolved_at_when_resolved"),
        CheckConstraint('"end" IS NULL OR "end" > start', name="ends_after_start"),
        Index("ix_availability_conflicts_vehicle_id_status", "vehicle_id", "status"),
        Index("ix_availability_conflicts_organization_id_status", "organization_id", "status"),
        Index("ix_availability_conflicts_corporate_status", "corporate_organization_id", "status"),
        Index("ix_availability_conflicts_other_corporate_status", "other_corporate_organization_id", "status"),
    )

    vehicle_id: Mapped[UUID] = mapped_column()  # fleet's Vehicle
    organization_id: Mapped[UUID] = mapped_column()  # organization's Organization, the vehicle's owner
    corporate_organization_id: Mapped[UUID | None]  # organization's Organization that is to have the vehicle
    other_corporate_organization_id: Mapped[UUID | None]  # likewise, where the other block is another company's
    first_block_id: Mapped[UUID] = mapped_column()  # AvailabilityBlock; no key, for blocks can be built anew
    first_source_type: Mapped[str] = mapped_column(String(20))
    first_source_id: Mapped[UUID] = mapped_column()
    second_block_id: Mapped[UUID] = mapped_column()  # likewise
    second_source_type: Mapped[str] = mapped_column(String(20))
    second_source_id: Mapped[UUID] = mapped_column()
    start: Mapped[datetime]
    end: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(String(20), default=ConflictStatus.OPEN.value)
    resolution: Mapped[str] = mapped_column(String(20), default="")
    note: Mapped[str] = mapped_column(Text, default="", info=TYPED)
    detected_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[UUID | None]  # identity's User; none: no overlap was left

    @staticmethod
    def within(scope: Scope, actor: Actor) -> ColumnElement[bool]:
        """OWN: conflicts of the organization's own vehicles; PARTY: these, and those of what it booked."""
        if actor.organization_id is None or scope not in {Scope.OWN, Scope.PARTY}:
            return false()
        own = AvailabilityConflict.organization_id == actor.organization_id
        if scope is Scope.OWN:
            return own
        return or_(
            own,
            AvailabilityConflict.corporate_organization_id == actor.organization_id,
            AvailabilityConflict.other_corporate_organization_id == actor.organization_id,
        )

    @classmethod
    def between(
        cls, first: AvailabilityBlock, second: AvailabilityBlock, *, at: datetime
    ) -> tuple["AvailabilityConflict", AvailabilityConflictDetected]:
        """Return the new, OPEN conflict of two overlapping blocks, the one that begins earlier named first, and the
        event.
        """
        first, second = sorted((first, second), key=lambda block: (block.start, block.id))
        shared = rules.overlap(first.span, second.span)
        if shared is None:
            message = "Blocks that share no time are no conflict."
            raise ValueError(message)
        companies = dict.fromkeys(block.corporate_organization_id for block in (first, second))
        company, other, *_ = *filter(None, companies), None, None
        conflict = cls(
            id=rules.conflict_id(first.id, second.id),
            vehicle_id=first.vehicle_id,
            organization_id=first.organization_id,
            corporate_organization_id=company,
            other_corporate_organization_id=other,
            first_block_id=first.id,
            first_source_type=first.source_type,
            first_source_id=first.source_id,
            second_block_id=second.id,
            second_source_type=second.source_type,
            second_source_id=second.source_id,
            start=shared[0],
            end=shared[1],
            status=ConflictStatus.OPEN.value,
            detected_at=at,
        )
        return conflict, AvailabilityConflictDetected(**conflict._facts())

    def resolve(
        self, resolution: Resolution, *, at: datetime, by: UUID | None = None, note: str = ""
    ) -> AvailabilityConflictResolved:
        """Close the conflict. A person's decision needs a note.

        Raises StateConflict INVALID_CONFLICT_TRANSITION, VEHICLE_NOT_ACTIVE for a suspension that somebody wants to
        ignore, RuleBroken NOTE_NEEDED.
        """
        following = rules.CONFLICT_MACHINE.next(self.status, "resolve")
        sources = {self.first_source_type, self.second_source_type}
        if resolution is Resolution.ACCEPTED and not rules.can_go_ahead(sources):
            raise StateConflict(
                "VEHICLE_NOT_ACTIVE",
                "The vehicle is off the road, so this can't go ahead. Put it back on the road, cancel what is booked, "
                "or take another vehicle for it.",
            )
        if resolution is Resolution.ACCEPTED and not note.strip():
            sentence = "Say why it goes ahead anyway; the other side reads it."
            raise RuleBroken("NOTE_NEEDED", sentence, fields={"note": sentence})
        self.status = following.value
        self.resolution = resolution.value
        self.note = note.strip()
        self.resolved_at = at
        self.resolved_by = by
        return AvailabilityConflictResolved(**self._facts(), resolution=self.resolution, note_id=new_note(self.note))

    def _facts(self) -> dict[str, Any]:
        names = (
            "vehicle_id", "organization_id", "corporate_organization_id", "other_corporate_organization_id",
            "first_source_type", "first_source_id", "second_source_type", "second_source_id", "start", "end",
        )  # fmt: skip
        return {"conflict_id": self.id, **{name: getattr(self, name) for name in names}}


class AvailabilityNote(Note, producer="availability"):
    """What people typed about conflicts: why both go ahead."""
