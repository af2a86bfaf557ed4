"""Evidence that does not rest on the database alone.

The chain's links are signed, each record holds the hash of its event as it is stored, and the tables of events refuse
changes as those of the audit log do. Links from before were not signed: they are removed, and the sealer makes new ones
from the first record on (docs/decisions/0061).
"""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0034_evidence"
down_revision = "0033_notes"
branch_labels = None
depends_on = None

AT_ONCE = 1000
DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)
RECORDS, CHAIN = "audit_records", "audit_chain"
KEPT = ("events", "event_subjects", "event_log")
HASHED = (
    "position", "event_id", "event_type", "version", "entity_type", "entity_id", "actor_id", "organization_id",
    "occurred_at", "summary", "payload", "changes",
)  # fmt: skip

AUDIT = sa.table(
    RECORDS,
    *(sa.column(name, sa.Uuid()) for name in ("event_id", "entity_id", "actor_id", "organization_id")),
    *(sa.column(name, sa.String()) for name in ("event_type", "entity_type", "summary", "event_hash", "content_hash")),
    sa.column("position", sa.BigInteger()),
    sa.column("version", sa.Integer()),
    sa.column("occurred_at", TIME),
    sa.column("payload", DOCUMENT),
    sa.column("changes", DOCUMENT),
)
EVENTS = sa.table(
    "events",
    sa.column("event_id", sa.Uuid()),
    sa.column("event_type", sa.Text()),
    sa.column("version", sa.SmallInteger()),
    sa.column("aggregate_type", sa.Text()),
    sa.column("aggregate_id", sa.Uuid()),
    sa.column("aggregate_seq", sa.Integer()),
    sa.column("occurred_at", TIME),
    sa.column("payload", DOCUMENT),
    sa.column("metadata", DOCUMENT),
)


def upgrade() -> None:
    """Add the columns and what the clock's verification remembers, hash all events, and refuse changes of them."""
    op.create_table(
        "audit_watch",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reached", sa.BigInteger(), nullable=False),
        sa.Column("verified_at", TIME, nullable=False),
        sa.Column("position", sa.BigInteger()),
        sa.Column("problem", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_watch"),
    )
    guards = lift_guards()
    op.add_column(RECORDS, sa.Column("event_hash", sa.String(), nullable=False, server_default=""))
    op.add_column(CHAIN, sa.Column("key_id", sa.String(), nullable=False, server_default=""))
    rehash((*HASHED, "event_hash"))
    put_guards_back(guards)
    for table in kept():
        guard(table)


def downgrade() -> None:
    """Let events be changed, and remove the columns; the chain begins anew."""
    for table in kept():
        unguard(table)
    guards = lift_guards()
    rehash(HASHED)
    op.drop_column(CHAIN, "key_id")
    op.drop_column(RECORDS, "event_hash")
    put_guards_back(guards)
    op.drop_table("audit_watch")


def rehash(hashed: tuple[str, ...]) -> None:
    """Give each record the hashes of its event and of its content, and forget the chain."""
    connection = op.get_bind()
    for rows in in_chunks(connection):
        events = {
            row.event_id: row
            for row in connection.execute(
                sa.select(EVENTS).where(EVENTS.c.event_id.in_([row.event_id for row in rows]))
            )
        }
        changed = []
        for row in rows:
            event = events.get(row.event_id)
            now = {**row._mapping, "event_hash": stored_hash(event) if event is not None else ""}  # noqa: SLF001 - values
            content = content_hash({name: now[name] for name in hashed})
            changed.append({"at": row.position, "event_hash_": now["event_hash"], "content_hash_": content})
        if changed:
            connection.execute(
                sa.update(AUDIT)
                .where(AUDIT.c.position == sa.bindparam("at"))
                .values(event_hash=sa.bindparam("event_hash_"), content_hash=sa.bindparam("content_hash_")),
                changed,
            )
    connection.execute(sa.text(f"delete from {CHAIN}"))


def in_chunks(connection: sa.Connection) -> Iterator[list[Any]]:
    """Yield the records in order."""
    after = 0
    while True:
        rows = list(
            connection.execute(
                sa.select(AUDIT).where(AUDIT.c.position > after).order_by(AUDIT.c.position).limit(AT_ONCE)
            )
        )
        if not rows:
            return
        yield rows
        after = rows[-1].position


def stored_hash(row: Any) -> str:
    """Return the hash of an event as the audit log computes it."""
    document = [
        str(row.event_id), row.event_type, row.version, row.aggregate_type, str(row.aggregate_id), row.aggregate_seq,
        in_utc(row.occurred_at), row.payload, row.metadata,
    ]  # fmt: skip
    return sha256(msgspec.json.encode(document, order="sorted")).hexdigest()


def content_hash(row: dict[str, Any]) -> str:
    """Return the hash of a record as the audit log computes it."""
    text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=as_text)
    return sha256(text.encode()).hexdigest()


def as_text(value: object) -> str:
    """Return what JSON has no type for."""
    if isinstance(value, datetime):
        return in_utc(value)
    if isinstance(value, UUID | date):
        return str(value)
    raise TypeError(type(value).__name__)


def in_utc(moment: datetime) -> str:
    """Return a time in UTC, to the microsecond."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


# Guards ---------------------------------------------------------------------------------------------------------------


def is_postgresql() -> bool:
    """Tell which database it is."""
    return bool(op.get_bind().dialect.name == "postgresql")


def kept() -> tuple[str, ...]:
    """Return the tables of events; on SQLite the log is a view."""
    return KEPT if is_postgresql() else KEPT[:2]


def guard(table: str) -> None:
    """Let the database refuse every change of a table but new rows."""
    if is_postgresql():
        op.execute(
            f"create trigger {table}_are_kept before update or delete or truncate on {table}"
            " for each statement execute function refuse_to_rewrite_audit()"
        )
        return
    for verb in ("update", "delete"):
        op.execute(
            f"create trigger {table}_refuse_{verb} before {verb} on {table}"
            f" begin select raise(abort, '{table} is append-only'); end"
        )


def unguard(table: str) -> None:
    """Let a table be changed."""
    if is_postgresql():
        op.execute(f"drop trigger {table}_are_kept on {table}")
        return
    for verb in ("update", "delete"):
        op.execute(f"drop trigger {table}_refuse_{verb}")


def lift_guards() -> list[Any]:
    """Let the audit tables be rewritten in this transaction, and return what `put_guards_back` needs."""
    connection = op.get_bind()
    if is_postgresql():
        for table in (RECORDS, CHAIN):
            op.execute(f"alter table {table} disable trigger {table}_are_kept")
        return []
    guards = list(
        connection.execute(
            sa.text("select name, sql from sqlite_master where type = 'trigger' and name like 'audit_%'")
        )
    )
    for name, _sql in guards:
        op.execute(f"drop trigger {name}")
    return guards


def put_guards_back(guards: list[Any]) -> None:
    """Refuse changes again."""
    if is_postgresql():
        for table in (RECORDS, CHAIN):
            op.execute(f"alter table {table} enable trigger {table}_are_kept")
    for _name, sql in guards:
        op.execute(sql)
