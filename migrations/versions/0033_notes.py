"""What people typed leaves events and the audit log: each context keeps notes, and events refer to them.

The texts of stored events and audit records become rows of the contexts' notes; the payloads become those of the next
version. Records get the hash of their new content, and the chain is removed: the sealer builds it anew from the first
record (docs/decisions/0060). The downgrade puts the texts back.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0033_notes"
down_revision = "0032_files"
branch_labels = None
depends_on = None

AT_ONCE = 500
Rewritten = tuple[int, dict[str, Any], dict[str, Any]]
"""An event's version, payload and changes."""

DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)

PRODUCERS = (
    "assignment", "availability", "booking", "delivery", "fleet", "identity", "organization", "verification",
)  # fmt: skip
PRODUCER_OF = {
    "Assignment": "assignment", "AvailabilityConflict": "availability", "Booking": "booking", "Vehicle": "fleet",
    "MaintenanceWindow": "fleet", "Membership": "identity", "Role": "identity", "Organization": "organization",
    "Verification": "verification", "System": "delivery",
}  # fmt: skip
# The field of each event's payload that held a text in version 1.
TYPED_FIELD = {
    "AssignmentRejected": "reason", "AvailabilityConflictResolved": "note", "BookingCancelled": "note",
    "BookingRejected": "note", "BookingTerminated": "note", "DeliveryDismissed": "reason", "HandlerPaused": "reason",
    "MemberRemoved": "reason", "MemberSuspended": "reason", "OdometerVoided": "reason", "OrganizationApproved": "notes",
    "OrganizationReinstated": "notes", "OrganizationRejected": "notes", "OrganizationSuspended": "notes",
    "VehicleMaintenanceCancelled": "reason", "VehicleRetired": "reason", "VehicleSuspended": "note",
    "VerificationRejected": "note", "VerificationRevoked": "note",
}  # fmt: skip
# What is recorded as changed of these columns held texts.
TYPED_COLUMNS = {
    "Assignment": {"reason": "note", "notes_out": "notes_out", "notes_in": "notes_in"},
    "AvailabilityConflict": {"note": "note"},
    "Booking": {"place": "place", "purpose": "purpose", "note": "note"},
    "MaintenanceWindow": {"description": "description", "cancel_reason": "cancel_reason"},
    "Membership": {"reason": "reason"},
    "Role": {"description": "description"},
    "Vehicle": {"address": "address", "suspension_note": "suspension_note"},
    "Verification": {"note": "note"},
}
HASHED = (
    "position", "event_id", "event_type", "version", "entity_type", "entity_id", "actor_id", "organization_id",
    "occurred_at", "summary", "payload", "changes",
)  # fmt: skip

EVENTS = sa.table(
    "events",
    sa.column("id", sa.BigInteger()),
    sa.column("event_id", sa.Uuid()),
    sa.column("event_type", sa.Text()),
    sa.column("version", sa.SmallInteger()),
    sa.column("aggregate_type", sa.Text()),
    sa.column("aggregate_id", sa.Uuid()),
    sa.column("occurred_at", TIME),
    sa.column("payload", DOCUMENT),
    sa.column("metadata", DOCUMENT),
)
RECORDS = sa.table(
    "audit_records",
    *(sa.column(name, sa.Uuid()) for name in ("event_id", "entity_id", "actor_id", "organization_id")),
    *(sa.column(name, sa.String()) for name in ("event_type", "entity_type", "summary", "content_hash")),
    sa.column("position", sa.BigInteger()),
    sa.column("version", sa.Integer()),
    sa.column("occurred_at", TIME),
    sa.column("payload", DOCUMENT),
    sa.column("changes", DOCUMENT),
)
MESSAGES = sa.table(
    "notifications", sa.column("id", sa.Uuid()), sa.column("source_event_id", sa.Uuid()), sa.column("data", DOCUMENT)
)


def notes_table(producer: str) -> sa.TableClause:
    """Return the table of a producer's notes."""
    return sa.table(
        f"{producer}_notes",
        *(sa.column(name, sa.Uuid()) for name in ("id", "event_id", "about_id", "author_id", "organization_id")),
        *(sa.column(name, sa.String()) for name in ("about_type", "field", "text")),
        sa.column("written_at", TIME),
    )


class Notes:
    """The notes that are made, and the newest of each column of each thing."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.newest: dict[tuple[UUID, str], UUID] = {}
        self._last = time.time_ns() // 1_000_000 << 12

    def write(self, event: Any, field: str, text: str) -> UUID:
        """Return the id of a new note, greater than those before it."""
        self._last += 1
        random = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
        note_id = UUID(int=(self._last >> 12) << 80 | 0x7 << 76 | (self._last & 0xFFF) << 64 | 0b10 << 62 | random)
        actor, behalf = event.metadata.get("actorId"), event.metadata.get("organizationId")
        self.rows.setdefault(PRODUCER_OF[event.aggregate_type], []).append(
            {
                "id": note_id,
                "event_id": event.event_id,
                "about_type": event.aggregate_type,
                "about_id": event.aggregate_id,
                "field": field,
                "text": text,
                "author_id": UUID(actor) if actor else None,
                "organization_id": UUID(behalf) if behalf else None,
                "written_at": event.occurred_at,
            }
        )
        self.newest[event.aggregate_id, field] = note_id
        return note_id

    def flush(self) -> None:
        """Store what was written."""
        for producer, rows in self.rows.items():
            op.get_bind().execute(sa.insert(notes_table(producer)), rows)
        self.rows.clear()


def upgrade() -> None:
    """Make the notes, and move the texts into them."""
    for producer in PRODUCERS:
        op.create_table(
            f"{producer}_notes",
            sa.Column("id", sa.Uuid(), nullable=False),
            sa.Column("event_id", sa.Uuid(), nullable=False, comment="outbox.events"),
            sa.Column("about_type", sa.String(), nullable=False),
            sa.Column("about_id", sa.Uuid(), nullable=False),
            sa.Column("field", sa.String(), nullable=False),
            sa.Column("text", sa.String()),
            sa.Column("author_id", sa.Uuid(), comment="identity.users"),
            sa.Column("organization_id", sa.Uuid(), comment="organization.organizations"),
            sa.Column("written_at", TIME, nullable=False),
            sa.PrimaryKeyConstraint("id", name=f"pk_{producer}_notes"),
        )
        op.create_index(f"ix_{producer}_notes_about_id_field", f"{producer}_notes", ["about_id", "field"])
    op.add_column(
        "assignments",
        sa.Column("note", sa.String(500), nullable=False, server_default="", comment="Why the employee declined"),
    )
    op.execute("update assignments set note = reason, reason = '' where status = 'REJECTED'")
    notes = Notes()
    rewrite(lambda event: to_references(event, notes), notes.flush)


def downgrade() -> None:
    """Put the texts back, and remove the notes."""
    texts: dict[str, str] = {}
    for producer in PRODUCERS:
        table = notes_table(producer)
        for note_id, text in op.get_bind().execute(sa.select(table.c.id, table.c.text)):
            texts[str(note_id)] = text or ""
    rewrite(lambda event: to_texts(event, texts), lambda: None)
    op.execute("update assignments set reason = note where status = 'REJECTED'")
    op.drop_column("assignments", "note")
    for producer in PRODUCERS:
        op.drop_table(f"{producer}_notes")


# One event ------------------------------------------------------------------------------------------------------------


def to_references(event: Any, notes: Notes) -> Rewritten:
    """Return an event's version, payload and changes with notes in place of texts."""
    version, payload = event.version, dict(event.payload)
    changes = dict(event.metadata.get("changes") or {})
    named: str | None = None
    by_text: dict[str, UUID] = {}
    field = TYPED_FIELD.get(event.event_type) if version == 1 else None
    if field is not None:
        text = str(payload.pop(field, "") or "").strip()
        if text:
            by_text[text] = notes.write(event, "note", text)
            named = str(by_text[text])
        payload["noteId"], version = named, 2
    for name, column in TYPED_COLUMNS.get(event.aggregate_type, {}).items():
        change = changes.get(name)
        if not isinstance(change, list) or (column != name and event.event_type != "AssignmentRejected"):
            continue
        del changes[name]
        before, after = (str(one or "").strip() for one in change)
        if not before and not after:
            continue
        former = notes.newest.get((event.aggregate_id, column)) if before else None
        latter = (by_text.get(after) or notes.write(event, column, after)) if after else None
        if latter is not None:
            notes.newest[event.aggregate_id, column] = latter
        changes[column] = [{"noteId": str(one)} if one else None for one in (former, latter)]
    if event.aggregate_type == "Organization" and isinstance(changes.get("details"), list):
        changes["details"] = {"personal": True}
    if event.event_type == "AuditExported":
        selection = dict(payload.get("selection") or {})
        typed = [name for name in ("entity", "actor") if name in selection and not is_id(selection[name])]
        payload["selection"] = {name: value for name, value in selection.items() if name not in typed}
    return version, payload, changes


def to_texts(event: Any, texts: dict[str, str]) -> Rewritten:
    """Return an event's version, payload and changes with texts in place of notes."""
    version, payload = event.version, dict(event.payload)
    field = TYPED_FIELD.get(event.event_type) if version == 2 else None
    if field is not None:
        payload[field], version = texts.get(str(payload.pop("noteId", None)), ""), 1
    changes = {}
    for name, change in (event.metadata.get("changes") or {}).items():
        is_reference = isinstance(change, list) and any(isinstance(one, dict) and "noteId" in one for one in change)
        column = "reason" if is_reference and event.event_type == "AssignmentRejected" and name == "note" else name
        changes[column] = (
            [texts.get(str(one["noteId"]), "") if isinstance(one, dict) else None for one in change]
            if is_reference
            else change
        )
    return version, payload, changes


def is_id(text: str) -> bool:
    """Tell whether a text is an id."""
    try:
        UUID(text.strip())
    except ValueError:
        return False
    return True


# All of them ----------------------------------------------------------------------------------------------------------


def rewrite(change: Callable[[Any], Rewritten], flush: Callable[[], None]) -> None:
    """Rewrite events, what audit and notification took from them, and forget the chain."""
    connection = op.get_bind()
    is_rewritten = False
    guards = lift_guards(connection)
    for events in in_chunks(connection):
        changed = {}
        for event in events:
            version, payload, changes = change(event)
            if (version, payload, changes) != (event.version, event.payload, event.metadata.get("changes") or {}):
                changed[event.event_id] = (event, version, payload, changes)
        flush()
        for event, version, payload, changes in changed.values():
            connection.execute(
                sa.update(EVENTS)
                .where(EVENTS.c.id == event.id)
                .values(version=version, payload=payload, metadata={**event.metadata, "changes": changes})
            )
        if changed:
            is_rewritten = rewrite_records(connection, changed) or is_rewritten
            rewrite_messages(connection, changed)
    if is_rewritten:
        connection.execute(sa.text("delete from audit_chain"))
    put_guards_back(connection, guards)


def in_chunks(connection: sa.Connection) -> Iterator[list[Any]]:
    """Yield the events in the order in which they were recorded."""
    after = 0
    while True:
        rows = list(
            connection.execute(sa.select(EVENTS).where(EVENTS.c.id > after).order_by(EVENTS.c.id).limit(AT_ONCE))
        )
        if not rows:
            return
        yield rows
        after = rows[-1].id


def rewrite_records(connection: sa.Connection, changed: dict[UUID, Any]) -> bool:
    """Give audit records what their events hold now, and the hash of it; tell whether there were any."""
    rows = list(connection.execute(sa.select(RECORDS).where(RECORDS.c.event_id.in_(list(changed)))))
    for row in rows:
        event, version, payload, changes = changed[row.event_id]
        now = {**row._mapping, "version": version, "payload": payload, "changes": changes}  # noqa: SLF001 - a row's values
        now["summary"] = summary_of(event.event_type, row.summary, event.payload, payload)
        now["content_hash"] = content_hash({name: now[name] for name in HASHED})
        names = ("version", "payload", "changes", "summary", "content_hash")
        connection.execute(
            sa.update(RECORDS).where(RECORDS.c.position == row.position).values(**{name: now[name] for name in names})
        )
    return bool(rows)


def summary_of(event_type: str, summary: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return a record's line without the text that was its reason, or with it again."""
    if TYPED_FIELD.get(event_type) != "reason":
        return summary
    was, becomes = (str(one.get("reason") or "").replace("_", " ").lower() for one in (before, after))
    return summary.removesuffix(f" ({was})") + (f" ({becomes})" if becomes else "")


def rewrite_messages(connection: sa.Connection, changed: dict[UUID, Any]) -> None:
    """Give messages the note, or the text, that their event has now."""
    rows = list(connection.execute(sa.select(MESSAGES).where(MESSAGES.c.source_event_id.in_(list(changed)))))
    for row in rows:
        event, version, payload, _changes = changed[row.source_event_id]
        field = TYPED_FIELD.get(event.event_type)
        old, new = (field, "noteId") if version == 2 else ("noteId", field)
        if field is None or old not in row.data:
            continue
        data = {name: value for name, value in row.data.items() if name != old}
        data[new] = payload[new]
        connection.execute(sa.update(MESSAGES).where(MESSAGES.c.id == row.id).values(data=data))


def content_hash(row: dict[str, Any]) -> str:
    """Return the hash of a record as the audit log computes it."""
    text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=as_text)
    return sha256(text.encode()).hexdigest()


def as_text(value: object) -> str:
    """Return what JSON has no type for."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, UUID | date):
        return str(value)
    raise TypeError(type(value).__name__)


def lift_guards(connection: sa.Connection) -> list[Any]:
    """Let the audit tables be rewritten in this transaction, and return what `put_guards_back` needs."""
    if connection.dialect.name == "postgresql":
        for table in ("audit_records", "audit_chain"):
            connection.execute(sa.text(f"alter table {table} disable trigger {table}_are_kept"))
        return []
    guards = list(
        connection.execute(
            sa.text("select name, sql from sqlite_master where type = 'trigger' and name like 'audit_%'")
        )
    )
    for name, _sql in guards:
        connection.execute(sa.text(f"drop trigger {name}"))
    return guards


def put_guards_back(connection: sa.Connection, guards: list[Any]) -> None:
    """Refuse changes again."""
    if connection.dialect.name == "postgresql":
        for table in ("audit_records", "audit_chain"):
            connection.execute(sa.text(f"alter table {table} enable trigger {table}_are_kept"))
    for _name, sql in guards:
        connection.execute(sa.text(sql))
