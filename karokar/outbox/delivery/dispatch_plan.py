"""What a batch of events means: which handler is given which of them, and which must wait."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from karokar.events.base import Envelope, Event
from karokar.events.contracts.codec import UnknownContract, decode
from karokar.events.handlers import HANDLERS, Handler
from karokar.outbox.models import BEHIND, PAUSED, UNKNOWN_CONTRACT, UNKNOWN_HANDLER
from karokar.outbox.store import Store, StoredEvent
from karokar.outbox.store.base import ShardState

_decode_document = msgspec.json.Decoder(dict[str, Any]).decode


class Document(Mapping[str, Any]):
    """JSON text that is read when somebody first looks into it: most handlers never do."""

    __slots__ = ("_read", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._read: dict[str, Any] | None = None

    def _content(self) -> dict[str, Any]:
        if self._read is None:
            self._read = _decode_document(self._text)
        return self._read

    def __getitem__(self, name: str) -> Any:
        return self._content()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content())

    def __len__(self) -> int:
        return len(self._content())


class Subscriber(NamedTuple):
    """A row of `subscriptions` with the code that it names; `handler` is None where this code does not know it."""

    number: int
    name: str
    key: str
    since: int
    until: int | None
    is_paused: bool
    handler: Handler | None

    def wants(self, position: int) -> bool:
        """Whether the event at this position is within what was subscribed to."""
        return self.since < position and (self.until is None or position <= self.until)


class Deferred(NamedTuple):
    """A delivery left to `retry`: waiting for one of the reasons of `troubles`, or without one, due now."""

    number: int
    event: StoredEvent
    key: str
    reason: str | None


@dataclass(slots=True)
class Reaction:
    """One handler, and the events of a batch that it is given, in order."""

    number: int
    handler: Handler
    envelopes: list[Envelope[Event]] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """What is to be done with a batch."""

    reactions: dict[int, Reaction] = field(default_factory=dict)
    waiting: list[Deferred] = field(default_factory=list)


class ClaimLost(Exception):
    """Somebody else has the shards, or has delivered these events already."""


def claim(
    store: type[Store], connection: Connection, progress: Mapping[int, int], event_types: Collection[str] = ()
) -> ShardState:
    """Take shards for this transaction, and return how those stand that nobody else has and that are as they were seen.

    Raises ClaimLost where none is left. The subscriptions are read here, after the events: see docs/events.md.
    """
    standing = store.claim(connection, progress, event_types)
    unmoved = {shard: position for shard, position in standing.progress.items() if position == progress[shard]}
    if not unmoved:
        raise ClaimLost
    return standing._replace(progress=unmoved)


def make_plan(standing: ShardState, events: Sequence[StoredEvent]) -> Plan:
    """Decide who is given what. Raises PayloadRefused for a stored event that does not keep its contract."""
    subscribers = _subscribers(standing)
    blocked = set(standing.blocked)
    troubled = {number for _shard, number, _key in blocked}
    plan = Plan()
    for event in events:
        wanting = [one for one in subscribers.get(event.event_type, ()) if one.wants(event.position)]
        if not wanting:
            continue
        try:
            envelope = envelope_of(event)
        except UnknownContract:
            envelope = None
        for one in wanting:
            reason = _reason_to_wait(one, is_known=envelope is not None)
            # Keys are asked for only where something is open: nearly never.
            if reason is None and one.number in troubled:
                is_blocked = (event.shard, one.number, key_of(one.key, event)) in blocked
                reason = BEHIND if is_blocked else None
            if reason is not None or one.handler is None or envelope is None:
                key = key_of(one.key, event)
                plan.waiting.append(Deferred(one.number, event, key, reason or BEHIND))
                blocked.add((event.shard, one.number, key))
                troubled.add(one.number)
                continue
            reaction = plan.reactions.get(one.number)
            if reaction is None:
                reaction = plan.reactions[one.number] = Reaction(one.number, one.handler)
            reaction.envelopes.append(envelope)
    return plan


def defer_all(
    standing: ShardState, events: Sequence[StoredEvent], done: Mapping[int, Collection[int]]
) -> list[Deferred]:
    """Leave every delivery of these events to `retry`, the first of each key due now; nothing is read or run.

    `done` has, by position, the handlers that are done with an event already.
    """
    subscribers = _subscribers(standing)
    blocked = set(standing.blocked)
    deferred: list[Deferred] = []
    for event in events:
        for one in subscribers.get(event.event_type, ()):
            if not one.wants(event.position) or one.number in done[event.position]:
                continue
            key = (event.shard, one.number, key_of(one.key, event))
            reason = _reason_to_wait(one, is_known=True) or (BEHIND if key in blocked else None)
            deferred.append(Deferred(one.number, event, key[-1], reason))
            blocked.add(key)
    return deferred


def types_in(events: Iterable[StoredEvent]) -> set[str]:
    """Return the stored names among these events."""
    return {event.event_type for event in events}


def _subscribers(standing: ShardState) -> dict[str, list[Subscriber]]:
    """Return who subscribed, by event type, with the code that this process has for it."""
    found: dict[str, list[Subscriber]] = {}
    for row in standing.subscriptions:
        handler = HANDLERS.get(row.name)
        if handler is not None and row.event_type not in types_of(handler):
            handler = None
        found.setdefault(row.event_type, []).append(
            Subscriber(row.handler, row.name, row.key, row.since, row.until, bool(row.is_paused), handler)
        )
    return found


@cache
def types_of(handler: Handler) -> frozenset[str]:
    """Return the stored names of the events that a handler reacts to."""
    return handler.event_types()


def key_of(key: str, event: StoredEvent) -> str:
    """Return what a handler that keeps order by `key` ("aggregate" or "stream") keeps it by, for this event."""
    return event.stream if key == "stream" else f"{event.aggregate_type}:{event.aggregate_id}"


def envelope_of(event: StoredEvent) -> Envelope[Event]:
    """Return the event as handlers are given it. Raises UnknownContract and PayloadRefused."""
    return Envelope(
        position=event.position,
        event_id=event.event_id,
        event=decode(event.event_type, event.version, event.payload),
        aggregate_type=event.aggregate_type,
        aggregate_id=event.aggregate_id,
        aggregate_seq=event.aggregate_seq,
        occurred_at=event.occurred_at,
        metadata=Document(event.metadata),
        stored_version=event.version,
        stored_payload=event.payload,
    )


def _reason_to_wait(subscriber: Subscriber, *, is_known: bool) -> str | None:
    if subscriber.handler is None:
        return UNKNOWN_HANDLER
    if not is_known:
        return UNKNOWN_CONTRACT
    return PAUSED if subscriber.is_paused else None
