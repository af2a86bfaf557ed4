"""The tables of the event engine. docs/events.md tells how they work together.

`events`, `event_subjects` and `event_log` are what happened, `progress`, `starts` and `handled` are how far delivery
is; rows of both groups are only ever added. `troubles` and `subscriptions` change: they hold what went wrong and who is
to be given what.

PostgreSQL and SQLite differ where one has what the other lacks: PostgreSQL stores the transaction that wrote each event
and gives positions afterwards (`event_log`, `ticks`); SQLite has one writer at a time, so an event's row number is its
position and `event_log` is a view.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Float,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from karokar.kernel.db import Base
from karokar.kernel.text.notes import Note

POSTGRESQL_ONLY: dict[str, Any] = {"dialects": ("postgresql",)}
SQLITE_ONLY: dict[str, Any] = {"dialects": ("sqlite",)}

SHARDS = 16
"""Into how many queues the streams are divided. Stored with each event, so it never changes."""

OPEN_STATES = ("retrying", "waiting", "dead")
"""States of a trouble that hold back what comes later for the same handler and key."""

RowNumber = BigInteger().with_variant(Integer, "sqlite")
SmallIntegers = ARRAY(SmallInteger).with_variant(JSON, "sqlite")
Integers = ARRAY(Integer).with_variant(JSON, "sqlite")


class _PostgresqlType(UserDefinedType[Any]):
    """A type that only PostgreSQL has; its values never leave the database."""

    cache_ok = True
    name: ClassVar[str]

    def get_col_spec(self, **_options: Any) -> str:
        return self.name


class Xid8(_PostgresqlType):
    """The number of a transaction, which never wraps around."""

    name = "xid8"


class Snapshot(_PostgresqlType):
    """Which transactions were visible at a moment."""

    name = "pg_snapshot"


# Known to whoever reads the tables back from the database, too.
ischema_names.update({"xid8": Xid8, "pg_snapshot": Snapshot})


class EventRow(Base):
    """A fact as it was recorded. `id` is the order of arrival, not the position; see EventLog."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("event_id"),
        UniqueConstraint("aggregate_type", "aggregate_id", "aggregate_seq"),
        Index("ix_events_shard_id", "shard", "id", info=SQLITE_ONLY),
        Index("ix_events_event_type_id", "event_type", "id"),
        Index("ix_events_correlation_id", "correlation_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    event_id: Mapped[UUID]
    event_type: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(SmallInteger)
    aggregate_type: Mapped[str] = mapped_column(Text)
    aggregate_id: Mapped[UUID]
    aggregate_seq: Mapped[int]
    stream: Mapped[str] = mapped_column(Text)
    shard: Mapped[int] = mapped_column(SmallInteger)
    # Stands in `metadata` as well; here so that everything one request or job set off is found at once.
    correlation_id: Mapped[UUID]
    occurred_at: Mapped[datetime]
    payload: Mapped[dict[str, Any]]
    # `metadata` is taken by SQLAlchemy's declarative classes.
    meta: Mapped[dict[str, Any]] = mapped_column("metadata")


# Outside of the class, so that no statement of the mapper asks SQLite for it.
EventRow.__table__.append_column(  # type: ignore[attr-defined] # It is a Table; the base class only knows FromClause.
    Column("xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()"), info=POSTGRESQL_ONLY)
)
Index("ix_events_xid", EventRow.__table__.c.xid, info=POSTGRESQL_ONLY)


class EventSubject(Base):
    """One entity that an event concerns; `event_id` is the number of the event's row."""

    __tablename__ = "event_subjects"

    subject_type: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(RowNumber, primary_key=True)


class EventLog(Base):
    """The order in which everybody reads: no position is ever filled in later. On SQLite this is a view."""

    __tablename__ = "event_log"
    __table_args__ = (
        UniqueConstraint("event_id"),
        Index("uq_event_log_shard_position", "shard", "position", unique=True),
        {"info": POSTGRESQL_ONLY},
    )

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(BigInteger)
    shard: Mapped[int] = mapped_column(SmallInteger)


class Tick(Base):
    """What the sequencer saw, and in which cluster, when it gave positions up to `position` (PostgreSQL only)."""

    __tablename__ = "ticks"
    __table_args__ = ({"info": POSTGRESQL_ONLY},)

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    snapshot: Mapped[Any] = mapped_column(Snapshot)
    at: Mapped[datetime]
    system_identifier: Mapped[int] = mapped_column(
        BigInteger, server_default=text("((pg_control_system()).system_identifier)")
    )


class Progress(Base):
    """How far a shard has been delivered: its newest row counts."""

    __tablename__ = "progress"

    shard: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]


class Start(Base):
    """Somebody began to deliver a shard up to `until`. Beyond the progress and old, it tells of a lost worker."""

    __tablename__ = "starts"
    __table_args__ = (Index("ix_starts_shard_until", "shard", "until"),)

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    shard: Mapped[int] = mapped_column(SmallInteger)
    until: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]


class Handled(Base):
    """Which handlers have handled the event at a position, and how many microseconds each took."""

    __tablename__ = "handled"

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    handlers: Mapped[list[int]] = mapped_column(SmallIntegers)
    us: Mapped[list[int]] = mapped_column(Integers)


BEHIND = "behind"
PAUSED = "paused"
UNKNOWN_HANDLER = "unknown handler"
UNKNOWN_CONTRACT = "unknown contract"
UNKNOWN = frozenset({UNKNOWN_HANDLER, UNKNOWN_CONTRACT})
"""Why a delivery waits for another version of this code."""


class DeferredDelivery(Base):
    """A delivery that did not go by itself.

    `reason` says why one waits: behind an earlier event of its key, for a paused handler, or for code that knows it.
    `error` is the error of its newest failed attempt.

    `stream` is the key by which its handler keeps order. `started` counts attempts begun, `failed` those that failed:
    a difference is an attempt that ended with its process. `since` is when the trouble began, or when it came to its
    end (dead, dismissed, done).
    """

    __tablename__ = "troubles"
    __table_args__ = (
        CheckConstraint("state in ('retrying', 'waiting', 'dead', 'dismissed', 'done')", name="state_is_known"),
        Index(
            "ix_troubles_open",
            "shard",
            "handler",
            "stream",
            "position",
            postgresql_where=text("state in ('retrying', 'waiting', 'dead')"),
            sqlite_where=text("state in ('retrying', 'waiting', 'dead')"),
        ),
        Index(
            "ix_troubles_due",
            "due_at",
            postgresql_where=text("state = 'retrying'"),
            sqlite_where=text("state = 'retrying'"),
        ),
        Index("ix_troubles_position", "position"),
    )

    handler: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(BigInteger)
    shard: Mapped[int] = mapped_column(SmallInteger)
    stream: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    started: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    failed: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    due_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    fingerprint: Mapped[str | None] = mapped_column(Text)
    since: Mapped[datetime]


def has_state(deferred_row: type[DeferredDelivery], *states: str) -> ColumnElement[bool]:
    """Return the condition that a trouble is in one of these states.

    The states are part of the statement, not values given with it: only so can a database know that it may use an index
    of the open ones.
    """
    return deferred_row.state.in_([literal_column(f"'{state}'", Text) for state in states])


class Subscription(Base):
    """A handler is given the events of one type after `since_position`, up to `until_position` where that is set."""

    __tablename__ = "subscriptions"

    handler: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    event_type: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    # By what the handler keeps order: "aggregate" or "stream".
    key: Mapped[str] = mapped_column(Text)
    since_position: Mapped[int] = mapped_column(BigInteger)
    until_position: Mapped[int | None] = mapped_column(BigInteger)
    paused_at: Mapped[datetime | None]


class DeliveryNote(Note, producer="delivery"):
    """What operators typed: why a handler was paused, and why deliveries stay undone."""


class Lease(Base):
    """Who does what only one may do at a time (`name`), until when by the database's clock."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    holder: Mapped[UUID]
    until: Mapped[datetime]


class Canary(Base):
    """A question sent down the path that events take: rung for like an event, answered by whoever drains."""

    __tablename__ = "canaries"
    __table_args__ = (
        Index(
            "ix_canaries_unanswered",
            "asked_at",
            postgresql_where=text("answered_at is null"),
            sqlite_where=text("answered_at is null"),
        ),
    )

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]


class LatencyCount(Base):
    """How long it took from an event to its handling, counted per shard up to `position`.

    `buckets` counts events per bucket of `karokar.outbox.monitoring.metrics.BUCKETS`, the last one what took longer.
    """

    __tablename__ = "latency_counts"

    shard: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger)
    buckets: Mapped[list[int]] = mapped_column(JSON)
    seconds: Mapped[float] = mapped_column(Float)


class Verification(Base):
    """A check of the promises for the events after `since_position`, up to `until_position`."""

    __tablename__ = "event_verifications"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    since_position: Mapped[int] = mapped_column(BigInteger)
    until_position: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    problems: Mapped[int]
