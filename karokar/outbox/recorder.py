"""Puts a published event beside the change it tells of: the same session, the same transaction, both or neither."""

from typing import Any
from uuid import UUID
from zlib import crc32

import msgspec
from sqlalchemy.orm import Session

from karokar.events.base import SUBJECT_TYPES, Event
from karokar.events.bus import EventToken
from karokar.events.contracts.codec import encode
from karokar.events.contracts.visibility import PERSONAL_PRODUCERS
from karokar.kernel import clock
from karokar.kernel.actor import Actor, Cause, current_actor, current_cause
from karokar.kernel.db import AGGREGATES, Aggregate, after_commit, db, take_changes
from karokar.kernel.ids import new_id
from karokar.kernel.settings import settings
from karokar.kernel.text.notes import Told, keep_notes, typed_columns
from karokar.outbox import wakeup
from karokar.outbox.models import SHARDS
from karokar.outbox.store import NewEvent, add_event


class ChainTooLong(RuntimeError):
    """Events caused events beyond the configured depth: a loop, which is cut here."""


def record(sender: type[Event], *, event: Event) -> EventToken:
    """Record the event in the open transaction and return its place among its aggregate's events.

    The aggregate is flushed first, so that its row lock and version check come before anything else; its
    `event_count` rises in the same UPDATE as the change. Raises ChainTooLong for a loop of events, and LookupError
    where the aggregate is neither new nor stored (publish before deleting it).
    """
    session: Session = db.session()
    cause = current_cause()
    longest = settings().event_bus_max_depth
    if cause.depth > longest:
        raise ChainTooLong(
            f"{sender.event_type} would be number {cause.depth} in a chain of events that cause each other; "
            f"the longest allowed is {longest} (EVENT_BUS_MAX_DEPTH)."
        )
    event_id, actor = new_id(), current_actor()
    aggregate_id = event.aggregate_id
    changes: dict[str, Any] = {}
    typed: dict[str, Any] = {}
    if aggregate_id is None:
        token = EventToken("System", event_id, 1)
    else:
        aggregate = _find(session, event.aggregate_type, aggregate_id)
        aggregate.event_count += 1
        changes = take_changes(session, aggregate)
        typed = {name: changes[name] for name in typed_columns(type(aggregate)) & changes.keys()}
        token = EventToken(event.aggregate_type, aggregate_id, aggregate.event_count)
    stream = event.stream or f"{token.aggregate_type}:{token.aggregate_id}"
    at = clock.now()
    named = getattr(event, "note_id", None)
    if typed or named is not None:
        told = Told(
            producer=event.producer,
            event_id=event_id,
            about_type=token.aggregate_type,
            about_id=token.aggregate_id,
            author_id=actor.user_id,
            organization_id=actor.organization_id,
            written_at=at,
        )
        changes = {name: change for name, change in changes.items() if name not in typed}
        changes |= keep_notes(session, told, named, typed)
    metadata = metadata_of(event, actor, cause, changes)
    row = NewEvent(
        event_id=event_id,
        event_type=event.event_type,
        version=event.schema_version,
        aggregate_type=token.aggregate_type,
        aggregate_id=token.aggregate_id,
        aggregate_seq=token.aggregate_seq,
        stream=stream,
        shard=shard_of(stream),
        correlation_id=cause.correlation_id,
        occurred_at=at,
        payload=encode(event).decode(),
        metadata=msgspec.json.encode(metadata).decode(),
        subjects=[(SUBJECT_TYPES[kind], entity_id) for kind, entity_id in sorted(_subjects(event, metadata))],
    )
    add_event(session.connection(), row)
    after_commit("outbox.bell", wakeup.wake)
    return token


def shard_of(stream: str) -> int:
    """Return the queue in which a stream's events are delivered."""
    return crc32(stream.encode()) % SHARDS


def metadata_of(event: Event, actor: Actor, cause: Cause, changes: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept beside the payload: who, on whose behalf, what set it off, what changed."""
    return {
        "actorId": actor.user_id,
        "organizationId": actor.organization_id,
        "correlationId": cause.correlation_id,
        "causationId": cause.causation_id,
        "sourceModule": event.producer,
        "source": cause.source,
        "traceparent": cause.traceparent,
        "depth": cause.depth,
        "changes": changes,
    }


def _find(session: Session, aggregate_type: str, aggregate_id: UUID) -> Aggregate:
    class_ = AGGREGATES.get(aggregate_type)
    if class_ is None:
        raise LookupError(f"No aggregate is called {aggregate_type}.")
    for row in session.new:
        if isinstance(row, class_) and row.id == aggregate_id:
            return row
    found = session.get(class_, aggregate_id)
    if found is None:
        raise LookupError(f"There is no {aggregate_type} {aggregate_id}: add it, or publish before deleting it.")
    return found


def _subjects(event: Event, metadata: dict[str, Any]) -> frozenset[tuple[str, UUID]]:
    """Return whom the event concerns; facts about people concern the organization that was acted for as well."""
    acted_for = metadata["organizationId"]
    if event.producer in PERSONAL_PRODUCERS and acted_for is not None:
        return event.subjects() | {("Organization", acted_for)}
    return event.subjects()
