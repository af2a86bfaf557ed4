"""Every fact becomes a record. No context writes audit records itself, so none can forget one."""

from collections.abc import Sequence
from typing import Any

import msgspec

from karokar.audit.models import HASHED, AuditAudience, AuditRecord
from karokar.audit.rules import content_hash, stored_hash, summary
from karokar.events.base import Envelope, Event
from karokar.events.contracts.visibility import organizations_seeing
from karokar.events.handlers import handles
from karokar.kernel.database.rows import insert_missing


@handles("*", many=True, from_start=True, description="Writes one audit record for each event.")
def write_records(envelopes: Sequence[Envelope[Event]]) -> None:
    """Write a record of each event, and note who may search it. Delivered again, it finds them written."""
    insert_missing(AuditRecord, [record_of(envelope) for envelope in envelopes])
    insert_missing(
        AuditAudience,
        [
            {"organization_id": organization_id, "position": envelope.position}
            for envelope in envelopes
            for organization_id in organizations_seeing(envelope)
        ],
    )


def record_of(envelope: Envelope[Event]) -> dict[str, Any]:
    """Return the row that an event makes, with its content hash."""
    event = envelope.event
    payload: dict[str, Any] = msgspec.to_builtins(event)
    row: dict[str, Any] = {
        "position": envelope.position,
        "event_id": envelope.event_id,
        "event_type": event.event_type,
        "version": event.schema_version,
        "entity_type": envelope.aggregate_type,
        "entity_id": envelope.aggregate_id,
        "actor_id": envelope.actor_id,
        "organization_id": envelope.organization_id,
        "occurred_at": envelope.occurred_at,
        "summary": summary(event.sentence, payload),
        "payload": payload,
        "changes": dict(envelope.metadata.get("changes") or {}),
        "event_hash": stored_hash(
            event_id=envelope.event_id,
            event_type=event.event_type,
            version=envelope.stored_version,
            aggregate=(envelope.aggregate_type, envelope.aggregate_id, envelope.aggregate_seq),
            occurred_at=envelope.occurred_at,
            payload=msgspec.json.decode(envelope.stored_payload),
            metadata=dict(envelope.metadata),
        ),
    }
    return {**row, "content_hash": content_hash({name: row[name] for name in HASHED})}
