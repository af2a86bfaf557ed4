"""The slow ways to deliver, for events among which something is wrong.

One by one: a transaction per event, a savepoint per handler, so that a failure harms nobody else. Deferred: nothing
runs now; each delivery becomes a retry, which is begun in writing, so that one that ends its worker leaves a trace.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from karokar.kernel.db import transaction
from karokar.kernel.processes.heartbeat import beat
from karokar.outbox.delivery import deferred
from karokar.outbox.delivery.dispatch_plan import ClaimLost, claim, defer_all, make_plan, types_in
from karokar.outbox.delivery.invoke import invoke, is_passing
from karokar.outbox.models import DeferredDelivery, has_state
from karokar.outbox.store import Store, StoredEvent
from karokar.outbox.store.base import Row

ATTEMPTS_AT_ONCE = 20


def deliver_one_by_one(store: Store, shard: int, progress: int, events: Sequence[StoredEvent]) -> bool:
    """Deliver each event in a transaction of its own; what fails is written down and the others go on."""
    for event in events:
        try:
            if not again_while_passing(partial(_deliver_one, type(store), shard, progress, event)):
                return False
        except ClaimLost:
            return False
        except Exception:  # noqa: BLE001 - whatever made the commit fail is found delivery by delivery
            if not defer(store, shard, progress, [event]):
                return False
        progress = event.position
    return True


def defer(store: Store, shard: int, progress: int, events: Sequence[StoredEvent], *, started: int = 0) -> bool:
    """Turn the deliveries of these events into retries that have `started` attempts behind them; move the progress.

    False where somebody else has the shard or has delivered meanwhile.
    """
    if not events:
        return False
    try:
        with transaction() as session:
            connection = session.connection()
            standing = claim(type(store), connection, {shard: progress}, types_in(events))
            done = _done_before(session, events)
            deferred.add_deferred(session, defer_all(standing, events, done), started=started)
            rows = [Row(event.position, done[event.position], [0] * len(done[event.position])) for event in events]
            store.add_progress(connection, rows, {shard: events[-1].position})
    except ClaimLost:
        return False
    return True


def _done_before(session: Session, events: Sequence[StoredEvent]) -> Mapping[int, list[int]]:
    """Return which handlers are done with which of these events: the version before went beyond the progress."""
    done: dict[int, list[int]] = {event.position: [] for event in events}
    rows = select(DeferredDelivery.position, DeferredDelivery.handler).where(
        DeferredDelivery.position.in_(done), has_state(DeferredDelivery, "done")
    )
    for position, number in session.execute(rows):
        done[position].append(number)
    return done


def _deliver_one(store: type[Store], shard: int, progress: int, event: StoredEvent) -> None:
    with transaction() as session:
        connection = session.connection()
        plan = make_plan(claim(store, connection, {shard: progress}, [event.event_type]), [event])
        done: dict[int, int] = {}
        for number, reaction in plan.reactions.items():
            try:
                with session.begin_nested():
                    took = invoke(reaction)
            except Exception as error:
                if is_passing(error):
                    raise
                row = deferred.begin(session, number, reaction.handler, event)
                deferred.fail(session, row, reaction.handler, event, error)
            else:
                done[number] = took
        session.flush()
        deferred.add_deferred(session, plan.waiting)
        rows = [Row(event.position, list(done), list(done.values()))]
        store.add_progress(connection, rows, {shard: event.position})


def again_while_passing(run: Callable[[], None]) -> bool:
    """Run, again while the database refuses only for now; False where it went on refusing."""
    for _ in range(ATTEMPTS_AT_ONCE):
        beat()
        try:
            run()
        except Exception as error:
            if not is_passing(error):
                raise
        else:
            return True
    return False
