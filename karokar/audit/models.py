"""Who did what, when, to what and for whom: written once, never changed, sealed by one signed chain."""

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Index, String, UniqueConstraint, exists, false, select
from sqlalchemy.orm import Mapped, mapped_column

from karokar.audit.rules import content_hash
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.db import Base


class AuditRecord(Base):
    """One event, as evidence: complete in itself, so that it can be checked without the event.

    The database refuses UPDATE and DELETE. `event_hash` is that of the whole event as it was stored; `content_hash`
    covers every other column.
    """

    __tablename__ = "audit_records"
    __table_args__ = (
        UniqueConstraint("event_id"),
        Index("ix_audit_records_entity", "entity_type", "entity_id", "position"),
        Index("ix_audit_records_actor_id_position", "actor_id", "position"),
        Index("ix_audit_records_event_type_position", "event_type", "position"),
        Index("ix_audit_records_occurred_at", "occurred_at"),
    )

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[UUID]  # outbox
    event_type: Mapped[str]
    version: Mapped[int]
    entity_type: Mapped[str]
    entity_id: Mapped[UUID]
    actor_id: Mapped[UUID | None]  # identity: the user; None: the system
    organization_id: Mapped[UUID | None]  # organization: on whose behalf; None: the system's own
    occurred_at: Mapped[datetime]
    summary: Mapped[str]
    payload: Mapped[dict[str, Any]]
    changes: Mapped[dict[str, Any]]
    event_hash: Mapped[str] = mapped_column(server_default="")
    content_hash: Mapped[str]

    @staticmethod
    def within(scope: Scope, actor: Actor) -> ColumnElement[bool]:
        """An organization searches the records of events that it sees."""
        if scope is Scope.ALL:
            return ~false()
        if actor.organization_id is None:
            return false()
        return exists(
            select(AuditAudience.position).where(
                AuditAudience.organization_id == actor.organization_id,
                AuditAudience.position == AuditRecord.position,
            )
        )

    def computed_hash(self) -> str:
        """The hash that the row's content has now."""
        return content_hash({name: getattr(self, name) for name in HASHED})


HASHED = (
    "position", "event_id", "event_type", "version", "entity_type", "entity_id", "actor_id", "organization_id",
    "occurred_at", "summary", "payload", "changes", "event_hash",
)  # fmt: skip
"""The columns that `content_hash` covers: all but itself."""


class AuditAudience(Base):
    """An organization that sees the event at a position: what its people may search. Not evidence, only an index."""

    __tablename__ = "audit_audiences"

    organization_id: Mapped[UUID] = mapped_column(primary_key=True)  # organization
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class AuditSeal(Base):
    """A link of the chain: the link before and the record's content hash, signed with a key, in order of position."""

    __tablename__ = "audit_chain"

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[str]
    key_id: Mapped[str] = mapped_column(server_default="")
    sealed_at: Mapped[datetime]


class AuditWatch(Base):
    """How far the clock's verification has come, and what it found: one row.

    `reached` is the position from which it goes on; `problem` says what is wrong at `position`, empty for nothing.
    """

    __tablename__ = "audit_watch"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reached: Mapped[int] = mapped_column(BigInteger)
    verified_at: Mapped[datetime]
    position: Mapped[int | None] = mapped_column(BigInteger)
    problem: Mapped[str]


class AuditDelivery(Base):
    """Up to which position a place outside (the webhook, an address) has taken a signed checkpoint, and when."""

    __tablename__ = "audit_deliveries"

    place: Mapped[str] = mapped_column(String(20), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    taken_at: Mapped[datetime]


WEBHOOK = "webhook"


def mail_place(address: str) -> str:
    """Return what an address is called as a place: its fingerprint, for the table holds nothing personal."""
    return f"mail {hashlib.sha256(address.lower().encode()).hexdigest()[:12]}"
