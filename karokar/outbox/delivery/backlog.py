"""Runs at once what only waited: behind a pause that is over, for a handler that is new, after a retry of many.

One delivery per transaction is right for what is known to fail; a million of them would take hours. A batch is begun in
writing, like every attempt, and runs in one transaction. If it fails, or its worker ends, its deliveries are no longer
untried and go on one by one (`retry`), so that the one at fault is found and the others are not held up by it again.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from karokar.events.contracts.codec import UnknownContract
from karokar.events.handlers import Handler
from karokar.kernel import clock
from karokar.kernel.db import database_now, transaction
from karokar.kernel.log import get_logger
from karokar.kernel.processes.heartbeat import beat
from karokar.outbox.delivery import deferred, subscriptions
from karokar.outbox.delivery.deferred import BEGUN_ATTEMPT
from karokar.outbox.delivery.dispatch_plan import ClaimLost, Reaction, envelope_of, types_of
from karokar.outbox.delivery.invoke import invoke
from karokar.outbox.delivery.isolated import again_while_passing
from karokar.outbox.models import OPEN_STATES, DeferredDelivery, has_state
from karokar.outbox.store import Store, StoredEvent

log = get_logger(__name__)


@dataclass(frozen=True)
class _Batch:
    """Deliveries of one handler in one shard: of each key the first open one, which is due, and what waits behind."""

    number: int
    handler: Handler
    shard: int
    events: Sequence[StoredEvent]
    streams: set[str]

    @property
    def positions(self) -> list[int]:
        return [event.position for event in self.events]


def work_off_backlog(store: Store, number: int, handler: Handler, shard: int) -> bool:
    """Run the due deliveries of a handler in a shard that were not tried yet, and what waits behind them.

    Returns whether they came to an end. Whatever is not simple is left to `retry`: a paused handler, an action, events
    that this code does not know, a single delivery.
    """
    if handler.effect == "action":
        return False
    try:
        batch = _begin(store, number, handler, shard)
    except ClaimLost:
        return False
    if batch is None:
        return False
    beat()

    def run() -> None:
        with transaction() as session:
            _take(type(store), session, batch)
            took = invoke(Reaction(number, handler, [envelope_of(event) for event in batch.events]))
            session.flush()
            store.append_handler(session.connection(), batch.positions, number, took)
            _change(session, batch, state="done", due_at=None, since=clock.now())
            deferred.release_all(session, number, streams=batch.streams)

    try:
        if again_while_passing(run):
            time.sleep(store.pause_seconds)  # Where others wait for a batch, they are let in.
            return True
        # Attempts that the database did not let run count as none.
        _let_go(type(store), batch, started=0, after=timedelta(seconds=1))
    except ClaimLost:
        return False
    except Exception as error:  # noqa: BLE001 - a handler may fail in any way
        log.info("batch_failed", handler=handler.name, events=len(batch.events), error=type(error).__name__)
        _let_go(type(store), batch, started=1)
    return False


def _begin(store: Store, number: int, handler: Handler, shard: int) -> _Batch | None:
    """Write down that the batch begins, and return it; None where there are not even two deliveries to run."""
    with transaction() as session:
        if not store.lock(session.connection(), shard):
            raise ClaimLost
        if subscriptions.is_paused(session, number):
            return None
        heads = session.scalars(
            select(DeferredDelivery)
            .where(
                DeferredDelivery.handler == number,
                DeferredDelivery.shard == shard,
                has_state(DeferredDelivery, "retrying"),
                DeferredDelivery.started == 0,
                DeferredDelivery.due_at <= database_now(session),
            )
            .order_by(DeferredDelivery.position)
            .limit(store.first_batch)
            .with_for_update()
        ).all()
        rows = _with_what_waits_behind(session, heads, store.first_batch)
        events = {event.position: event for event in store.read_at([row.position for row in rows])}
        batch = _only_simple(rows, events, number, handler, shard)
        if len(batch.events) < 2:
            return None
        # What waits goes on waiting: were it due, too, it could come before an earlier one that fails.
        _change(session, batch, started=1)
        _postpone(session, batch, BEGUN_ATTEMPT)
        return batch


def _with_what_waits_behind(session: Session, heads: Sequence[DeferredDelivery], limit: int) -> list[DeferredDelivery]:
    """Return the heads and what is open behind them, in position order."""
    if not heads:
        return []
    behind = session.scalars(
        select(DeferredDelivery)
        .where(
            DeferredDelivery.handler == heads[0].handler,
            DeferredDelivery.shard == heads[0].shard,
            DeferredDelivery.stream.in_({row.stream for row in heads}),
            has_state(DeferredDelivery, *OPEN_STATES),
            DeferredDelivery.position.not_in([row.position for row in heads]),
        )
        .order_by(DeferredDelivery.position)
        .limit(limit - len(heads))
    ).all()
    return sorted([*heads, *behind], key=lambda row: row.position)


def _only_simple(
    rows: Sequence[DeferredDelivery], events: Mapping[int, StoredEvent], number: int, handler: Handler, shard: int
) -> _Batch:
    """Keep of each key what comes before the first one that must be looked at by itself."""
    cut: set[str] = set()
    kept: list[DeferredDelivery] = []
    for row in rows:
        if row.stream in cut or row.started or row.state == "dead" or not _is_known(events[row.position], handler):
            cut.add(row.stream)
        else:
            kept.append(row)
    return _Batch(number, handler, shard, [events[row.position] for row in kept], {row.stream for row in kept})


def _is_known(event: StoredEvent, handler: Handler) -> bool:
    if event.event_type not in types_of(handler):
        return False
    try:
        envelope_of(event)
    except (UnknownContract, ValueError):
        return False
    return True


def _take(store: type[Store], session: Session, batch: _Batch) -> None:
    """Take the batch for this transaction. Raises ClaimLost where somebody is at it, or a person changed any of it."""
    if not store.lock(session.connection(), batch.shard):
        raise ClaimLost
    rows = session.scalars(
        select(DeferredDelivery)
        .where(DeferredDelivery.handler == batch.number, DeferredDelivery.position.in_(batch.positions))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    if any(row.state not in {"retrying", "waiting"} or (row.started, row.failed) != (1, 0) for row in rows):
        raise ClaimLost


def _let_go(store: type[Store], batch: _Batch, *, started: int, after: timedelta = timedelta(0)) -> None:
    """Let the first of each key be due again, as tried so many times."""
    with transaction() as session:
        _take(store, session, batch)
        _change(session, batch, started=started)
        _postpone(session, batch, after)


def _change(session: Session, batch: _Batch, **values: object) -> None:
    session.execute(
        update(DeferredDelivery)
        .where(DeferredDelivery.handler == batch.number, DeferredDelivery.position.in_(batch.positions))
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _postpone(session: Session, batch: _Batch, pause: timedelta) -> None:
    session.execute(
        update(DeferredDelivery)
        .where(
            DeferredDelivery.handler == batch.number,
            DeferredDelivery.position.in_(batch.positions),
            has_state(DeferredDelivery, "retrying"),
        )
        .values(due_at=database_now(session) + pause)
        .execution_options(synchronize_session=False)
    )
