"""Records are sealed, compared with the log, and it is noted who took them away."""

from typing import Any

import msgspec
from sqlalchemy import select

from karokar.audit.handlers import record_of
from karokar.audit.models import AuditRecord, AuditSeal
from karokar.audit.permissions import AUDIT_EXPORT
from karokar.audit.queries import newest_seal
from karokar.audit.rules import FIRST_LINK, Finding, Keys, next_link, stored_hash
from karokar.events.audit import AuditExported
from karokar.events.base import Envelope
from karokar.events.bus import publish
from karokar.events.contracts.codec import PayloadRefused, UnknownContract, decode
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.db import action, db
from karokar.kernel.permissions import check
from karokar.kernel.schedule import every
from karokar.kernel.settings import settings
from karokar.outbox.models import EventRow
from karokar.outbox.reading.log import read_log, settled_position

HANDLER = "audit.write_records"
_AT_ONCE = 2000


@every(5)
def seal_chain() -> int:
    """Seal the records up to where nothing can come any more, and return how many were sealed.

    Two sealers at once cannot both succeed: they would write the same link.
    """
    sealed = 0
    while count := seal_some(settled_position(HANDLER)):
        sealed += count
    return sealed


@action
def seal_some(settled: int) -> int:
    """Append links for the next records up to a position, and return how many."""
    last = newest_seal()
    if last >= settled:
        return 0
    previous = (
        db.session.scalar(select(AuditSeal.hash).where(AuditSeal.position == last)) if last else None
    ) or FIRST_LINK
    rows = db.session.execute(
        select(AuditRecord.position, AuditRecord.content_hash)
        .where(AuditRecord.position > last, AuditRecord.position <= settled)
        .order_by(AuditRecord.position)
        .limit(_AT_ONCE)
    ).all()
    now, keys = clock.now(), Keys.of(settings().audit_keys)
    for position, content in rows:
        previous = next_link(keys, keys.signing_id, previous, content)
        db.session.add(AuditSeal(position=position, hash=previous, key_id=keys.signing_id, sealed_at=now))
    return len(rows)


@action
def record_export(subject: str, format_: str, rows: int, selection: dict[str, str]) -> None:
    """Note that the acting person takes data away: which list, in what format, how much, found how."""
    check(AUDIT_EXPORT)
    publish(
        AuditExported(
            organization_id=current_actor().organization_id,
            subject=subject,
            format=format_,
            rows=rows,
            selection=selection,
        )
    )


def compare_with_log(after: int = 0, until: int | None = None) -> Finding | None:
    """Compare each record with the event that it is of; return the first position where they differ, None if none.

    `after` and `until` are positions. Events that the audit handler has not reached yet are left out.
    """
    settled = settled_position(HANDLER)
    settled = settled if until is None else min(until, settled)
    records = _records(after, settled)
    record = next(records, None)
    for position, row in read_log(after, settled):
        if record is not None and record.position < position:
            return Finding(record.position, "There is a record, but no event: it was inserted.")
        if record is None or record.position > position:
            return Finding(position, "There is an event, but no record: it was removed.")
        differing = _differences(record, position, row)
        if differing:
            return Finding(position, f"The record differs from its event in {', '.join(differing)}.")
        record = next(records, None)
    return Finding(record.position, "There is a record, but no event: it was inserted.") if record else None


def _records(after: int, until: int) -> Any:
    while True:
        rows = db.session.execute(
            select(*AuditRecord.__table__.columns)
            .where(AuditRecord.position > after, AuditRecord.position <= until)
            .order_by(AuditRecord.position)
            .limit(_AT_ONCE)
        ).all()
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].position


def _differences(record: Any, position: int, row: EventRow) -> list[str]:
    """Return in what a record is not what its event would make now: all that is stored of the event counts."""
    stored = stored_hash(
        event_id=row.event_id,
        event_type=row.event_type,
        version=row.version,
        aggregate=(row.aggregate_type, row.aggregate_id, row.aggregate_seq),
        occurred_at=row.occurred_at,
        payload=row.payload,
        metadata=row.meta,
    )
    if record.event_hash != stored:
        return ["what is stored of the event"]
    try:
        event = decode(row.event_type, row.version, row.payload)
    except (UnknownContract, PayloadRefused):
        return []
    envelope = Envelope(position, row.event_id, event, row.aggregate_type, row.aggregate_id, row.aggregate_seq,
                        row.occurred_at, row.meta, row.version, msgspec.json.encode(row.payload).decode())  # fmt: skip
    expected = record_of(envelope)
    compared = ["event_id", "event_type", "entity_type", "entity_id", "actor_id", "organization_id", "occurred_at",
                "changes"]  # fmt: skip
    # A record keeps the words and the version of the day on which it was written.
    if record.version == expected["version"]:
        compared.append("payload")
    return [name for name in compared if getattr(record, name) != expected[name]]
