"""Who is to be given what: the declared handlers, written into the table that decides."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from karokar.events.handlers import HANDLERS, Handler
from karokar.kernel.db import transaction
from karokar.outbox.delivery import deferred
from karokar.outbox.delivery.dispatch_plan import Deferred, key_of, types_of
from karokar.outbox.models import (
    BEHIND,
    OPEN_STATES,
    UNKNOWN,
    DeferredDelivery,
    EventLog,
    EventRow,
    Subscription,
    has_state,
)
from karokar.outbox.store import Store, StoredEvent, store_class
from karokar.outbox.store.base import ALL_SHARDS

CHUNK = 1000

Known = dict[tuple[str, str], Subscription]


def sync() -> None:
    """Subscribe every declared handler to its events: from now on, or from the start where it says so.

    Types of events that nobody subscribed to before are given from the start to all. Rows of handlers that this code
    does not know are left alone: other code may know them. What waited for code that is here now becomes due. Raises
    LookupError for a handler of an event that does not exist.
    """
    wanted = {(handler.name, name) for handler in HANDLERS.values() for name in types_of(handler)}
    with transaction() as session:
        store = store_class(session.get_bind().dialect.name)
        known = _read(session)
        if wanted - set(known):
            # Positions stand still meanwhile, so `since` is exact: what comes later is given to the new handlers.
            store.lock_sequencer(session.connection())
            _subscribe(session, store, wanted)
        for name in {row.name for row in known.values() if row.name in HANDLERS and row.key != HANDLERS[row.name].key}:
            _change_key(session, store, HANDLERS[name])
        release_known(session)


def release_known(session: Session) -> int:
    """Make due what waited for code that is here now; returns how many deliveries."""
    waiting = session.scalars(
        select(DeferredDelivery.handler)
        .where(has_state(DeferredDelivery, "waiting"), DeferredDelivery.reason.in_(UNKNOWN))
        .distinct()
    ).all()
    rows = session.execute(select(Subscription.handler, Subscription.name).distinct())
    known = {number for number, name in rows if name in HANDLERS}
    return sum(deferred.release_all(session, number, reasons=UNKNOWN) for number in waiting if number in known)


def _read(session: Session) -> Known:
    return {(row.name, row.event_type): row for row in session.scalars(select(Subscription))}


def _subscribe(session: Session, store: type[Store], wanted: Iterable[tuple[str, str]]) -> None:
    known = _read(session)
    known_types = {event_type for _, event_type in known}
    newest = session.scalar(select(func.coalesce(func.max(EventLog.position), 0))) or 0
    numbers = {name: row.handler for (name, _), row in known.items()}
    pauses: dict[str, datetime | None] = {name: row.paused_at for (name, _), row in known.items()}
    late: dict[Handler, set[str]] = {}
    for name, event_type in sorted(set(wanted) - set(known)):
        # Of a type that came with this code nobody has been given anything: its subscribers miss nothing.
        is_from_start = HANDLERS[name].from_start or event_type not in known_types
        number = numbers.setdefault(name, max(numbers.values(), default=0) + 1)
        session.add(
            Subscription(
                handler=number,
                event_type=event_type,
                name=name,
                key=HANDLERS[name].key,
                since_position=0 if is_from_start else newest,
                until_position=None,
                paused_at=pauses.get(name),
            )
        )
        if is_from_start:
            late.setdefault(HANDLERS[name], set()).add(event_type)
    session.flush()
    if newest and late:
        store.wait_for_shards(session.connection())
        for handler, types in late.items():
            _catch_up(session, store, numbers[handler.name], handler, types)


def is_paused(session: Session, number: int) -> bool:
    """Whether the handler with this number is paused."""
    paused = select(Subscription.handler).where(Subscription.handler == number, Subscription.paused_at.is_not(None))
    return session.scalar(paused.limit(1)) is not None


def _change_key(session: Session, store: type[Store], handler: Handler) -> None:
    """Let a handler keep order by something else; what is open for it is sorted anew. Every shard is held."""
    store.wait_for_shards(session.connection())
    rows = session.scalars(select(Subscription).where(Subscription.name == handler.name)).all()
    for row in rows:
        row.key = handler.key
    open_ones = session.execute(
        select(DeferredDelivery, EventRow)
        .join(EventRow, EventRow.id == DeferredDelivery.event_id)
        .where(DeferredDelivery.handler == rows[0].handler, has_state(DeferredDelivery, *OPEN_STATES))
    )
    for trouble_row, event in open_ones:
        trouble_row.stream = key_of(handler.key, _stored(trouble_row.position, event))
    session.flush()
    deferred.release_all(session, rows[0].handler)


def _catch_up(session: Session, store: type[Store], number: int, handler: Handler, types: set[str]) -> None:
    """Queue what was delivered to others before this handler was there; every shard is held."""
    for shard in ALL_SHARDS:
        progress = store.progress_in(session.connection(), shard)
        rows = session.execute(
            select(EventLog.position, EventRow)
            .join(EventRow, EventRow.id == EventLog.event_id)
            .where(EventLog.shard == shard, EventLog.position <= progress, EventRow.event_type.in_(types))
            .order_by(EventLog.position)
            .execution_options(yield_per=CHUNK)
        )
        for chunk in rows.partitions(CHUNK):
            waiting = [_waiting(number, handler, position, event) for position, event in chunk]
            deferred.add_deferred(session, waiting)
    deferred.release_all(session, number)


def _waiting(number: int, handler: Handler, position: int, event: EventRow) -> Deferred:
    stored = _stored(position, event)
    return Deferred(number, stored, key_of(handler.key, stored), BEHIND)


def _stored(position: int, event: EventRow) -> StoredEvent:
    """Return the event without its documents, which nobody asks for here."""
    return StoredEvent(
        position,
        event.shard,
        event.id,
        event.event_id,
        event.event_type,
        event.version,
        event.aggregate_type,
        event.aggregate_id,
        event.aggregate_seq,
        event.stream,
        event.occurred_at,
        "",
        "",
    )
