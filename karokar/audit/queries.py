"""What audit answers: the records that somebody may search, and whether they are still as they were written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import Select, func, select

from karokar.audit.models import HASHED, WEBHOOK, AuditDelivery, AuditRecord, AuditSeal, AuditWatch, mail_place
from karokar.audit.permissions import AUDIT_READ
from karokar.audit.rules import FIRST_LINK, Evidence, Finding, Keys, content_hash, first_fault
from karokar.events.base import CATALOG, LATEST, Envelope
from karokar.events.contracts.visibility import sees_everything, visible
from karokar.kernel import clock
from karokar.kernel.actor import Actor, current_actor
from karokar.kernel.db import db
from karokar.kernel.pages.paging import PAGE_SIZE, Page, count_up_to, paginate
from karokar.kernel.permissions import permitted, scope_of
from karokar.kernel.settings import settings
from karokar.kernel.text.notes import texts_of
from karokar.kernel.text.references import REFERENCE, REMOVED, notes_in

_CHUNK = 1000
UNSEALED_ALERT = timedelta(minutes=1)


@dataclass(frozen=True)
class Record:
    """A record as one viewer sees it: without what is private to another side.

    `is_sealed`: the chain holds it. `notes` are the texts that it refers to, by id.
    """

    position: int
    event_id: UUID
    event_type: str
    entity_type: str
    entity_id: UUID
    actor_id: UUID | None
    organization_id: UUID | None
    occurred_at: datetime
    summary: str
    payload: Mapping[str, Any]
    changes: Mapping[str, Any]
    is_sealed: bool
    notes: Mapping[UUID, str] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """The text that was typed with what happened; empty where there is none."""
        note_id = self.payload.get(REFERENCE)
        return self.notes.get(UUID(str(note_id)), REMOVED) if note_id else ""


@dataclass(frozen=True)
class ChainStatus:
    """How far the records are sealed, and since when the oldest one waits for it (None: none waits).

    `fault` is what the clock's verification found, `verified_at` when it last looked.
    """

    newest_record: int
    newest_seal: int
    unsealed_since: datetime | None
    fault: Finding | None = None
    verified_at: datetime | None = None

    @property
    def is_late(self) -> bool:
        """Whether a record waits for its seal longer than it should: a reason for an alert."""
        return self.unsealed_since is not None and self.unsealed_since < clock.now() - UNSEALED_ALERT


def list_records(
    *,
    event_type: str | None = None,
    producer: str | None = None,
    entity_type: str | None = None,
    entity: str | None = None,
    actor: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    size: int = PAGE_SIZE,
    counted: bool = True,
) -> Page[Record]:
    """Return a page of the records that the acting person may search, newest first; ids that are none match nothing."""
    statement = _wanted(
        event_type=event_type,
        producer=producer,
        entity_type=entity_type,
        entity=entity,
        actor=actor,
        since=since,
        until=until,
    )
    page = paginate(
        statement,
        sorts={"position": AuditRecord.position},
        tie=AuditRecord.position,
        sort="-position",
        cursor=cursor,
        size=size,
        counted=counted,
    )
    viewer, sealed = _reader(), newest_seal()
    seen = [found for row in page.rows if (found := _seen(row, viewer, sealed)) is not None]
    return replace(page, rows=_with_notes(seen))


def count_records(*, limit: int, **wanted: Any) -> int:
    """Return how many records a search means, `limit` + 1 where they are more."""
    return count_up_to(_wanted(**wanted), limit)


def _wanted(
    *,
    event_type: str | None = None,
    producer: str | None = None,
    entity_type: str | None = None,
    entity: str | None = None,
    actor: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Select[AuditRecord]:
    statement = select(AuditRecord).where(permitted(AuditRecord, AUDIT_READ))
    if event_type:
        statement = statement.where(AuditRecord.event_type == event_type)
    if producer:
        names = [name for name, class_ in LATEST.items() if class_.producer == producer]
        statement = statement.where(AuditRecord.event_type.in_(names))
    if entity_type:
        statement = statement.where(AuditRecord.entity_type == entity_type)
    if entity:
        statement = statement.where(AuditRecord.entity_id == _id(entity))
    if actor:
        statement = statement.where(AuditRecord.actor_id == _id(actor))
        if not sees_everything(current_actor()):
            # Whom another tenant's people are is not to be found out by searching for them.
            statement = statement.where(AuditRecord.organization_id == current_actor().organization_id)
    if since:
        statement = statement.where(AuditRecord.occurred_at >= since)
    if until:
        statement = statement.where(AuditRecord.occurred_at < until)
    return statement


def _id(text: str) -> UUID:
    try:
        return UUID(text.strip())
    except ValueError:
        return UUID(int=0)


def _with_notes(records: list[Record]) -> list[Record]:
    wanted = [notes_in(record.payload, record.changes) for record in records]
    texts = texts_of(set().union(*wanted))
    return [
        replace(record, notes={note_id: texts[note_id] for note_id in ids if note_id in texts})
        for record, ids in zip(records, wanted, strict=True)
    ]


def _reader() -> Actor:
    """Return the acting person as a viewer: who may search the audit log reads the events that it records."""
    actor = current_actor()
    scope = scope_of(AUDIT_READ, actor)
    if scope is None or actor.is_system:
        return actor
    return replace(actor, permissions=MappingProxyType({**actor.permissions, "event.read": scope}))


def _seen(row: AuditRecord, viewer: Actor, sealed: int) -> Record | None:
    class_ = CATALOG.get((row.event_type, row.version))
    payload, changes = row.payload, row.changes
    actor_id, organization_id = row.actor_id, row.organization_id
    if class_ is None:
        if not sees_everything(viewer):
            return None
    else:
        envelope = Envelope(
            row.position,
            row.event_id,
            msgspec.convert(row.payload, class_),
            row.entity_type,
            row.entity_id,
            0,
            row.occurred_at,
            {
                "actorId": str(row.actor_id) if row.actor_id else None,
                "organizationId": str(row.organization_id) if row.organization_id else None,
                "changes": row.changes,
            },
        )
        seen = visible(envelope, viewer, row.payload)
        if seen is None:
            return None
        payload, changes = dict(seen.payload), dict(seen.changes)
        actor_id, organization_id = seen.actor_id, seen.organization_id
    return Record(
        position=row.position,
        event_id=row.event_id,
        event_type=row.event_type,
        entity_type=row.entity_type,
        entity_id=row.entity_id,
        actor_id=actor_id,
        organization_id=organization_id,
        occurred_at=row.occurred_at,
        summary=row.summary,
        payload=payload,
        changes=changes,
        is_sealed=row.position <= sealed,
    )


# The chain ------------------------------------------------------------------------------------------------------------


def newest_seal() -> int:
    """Return the position up to which records are sealed."""
    return db.session.scalar(select(func.max(AuditSeal.position))) or 0


def chain_status() -> ChainStatus:
    """Return how far the chain is: for the audit page, the health page and the alert."""
    sealed = newest_seal()
    newest = db.session.scalar(select(func.max(AuditRecord.position))) or 0
    waiting = select(AuditRecord.occurred_at).where(AuditRecord.position > sealed).order_by(AuditRecord.position)
    watch = db.session.get(AuditWatch, 1, populate_existing=True)
    fault = Finding(watch.position or 0, watch.problem) if watch is not None and watch.problem else None
    return ChainStatus(
        newest, sealed, db.session.scalar(waiting.limit(1)), fault, watch.verified_at if watch is not None else None
    )


def figures() -> list[GaugeMetricFamily]:
    """Return the figures of the audit log for `/metrics`."""
    status = chain_status()
    found = [
        GaugeMetricFamily(
            "audit_chain_problems",
            "Whether the last verification of the audit log found a fault: has to be 0.",
            value=float(status.fault is not None),
        )
    ]
    if status.verified_at is not None:
        found.append(
            GaugeMetricFamily(
                "audit_verified_seconds",
                "How long ago the audit log was last verified.",
                value=(clock.now() - status.verified_at).total_seconds(),
            )
        )
    return [*found, _taken()]


def _taken() -> GaugeMetricFamily:
    """Of each place that is set: of several addresses the one that waits longest, and what never took one counts."""
    family = GaugeMetricFamily(
        "audit_checkpoint_taken_seconds",
        "How long ago a place outside took a signed checkpoint of the audit log; since the first seal, if never.",
        labels=["place"],
    )
    first = db.session.scalar(select(AuditSeal.sealed_at).order_by(AuditSeal.position).limit(1))
    at = dict(db.session.execute(select(AuditDelivery.place, AuditDelivery.taken_at)).all())
    places = {
        "mail": [mail_place(address) for address in settings().audit_mail],
        "webhook": [WEBHOOK] if settings().audit_webhook else [],
    }
    for name, wanted in places.items():
        if wanted and first is not None:
            family.add_metric([name], max((clock.now() - at.get(place, first)).total_seconds() for place in wanted))
    return family


def verify(after: int = 0, until: int | None = None) -> Finding | None:
    """Recompute every hash and link between two positions; return the first where something is wrong, None if whole."""
    previous = db.session.scalar(select(AuditSeal.hash).where(AuditSeal.position == after)) if after else None
    return first_fault(
        _evidence(after, until),
        Keys.of(settings().audit_keys),
        sealed_up_to=newest_seal(),
        previous=previous or FIRST_LINK,
    )


def _evidence(after: int, until: int | None) -> Iterator[Evidence]:
    last = 2**62 if until is None else until
    columns = [getattr(AuditRecord, name) for name in HASHED]
    while True:
        records = {
            row.position: row
            for row in db.session.execute(
                select(*columns, AuditRecord.content_hash)
                .where(AuditRecord.position > after, AuditRecord.position <= last)
                .order_by(AuditRecord.position)
                .limit(_CHUNK)
            )
        }
        links: dict[int, tuple[str, str]] = {
            row.position: (row.hash, row.key_id)
            for row in db.session.execute(
                select(AuditSeal.position, AuditSeal.hash, AuditSeal.key_id)
                .where(AuditSeal.position > after, AuditSeal.position <= last)
                .order_by(AuditSeal.position)
                .limit(_CHUNK)
            )
        }
        if not records and not links:
            return
        # Both were read up to their own limit: only what lies within both is complete.
        ends = [max(found) for found in (records, links) if len(found) == _CHUNK]
        end = min(ends) if ends else max([*records, *links])
        for position in sorted(position for position in records.keys() | links.keys() if position <= end):
            row = records.get(position)
            link, key_id = links.get(position, (None, None))
            yield Evidence(
                position,
                row.content_hash if row is not None else None,
                content_hash({name: getattr(row, name) for name in HASHED}) if row is not None else None,
                link,
                key_id,
            )
        after = end
