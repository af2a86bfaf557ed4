"""Delivers what waits. The worker, the relay and tests all come down to `drain`; any number of times at once, too."""

import random
import time

from karokar.kernel.db import db, transaction
from karokar.kernel.processes.heartbeat import beat
from karokar.outbox import wakeup
from karokar.outbox.delivery import canary, deferred, subscriptions
from karokar.outbox.delivery.batch import deliver_shards
from karokar.outbox.delivery.retry import retry_due
from karokar.outbox.store import Store, open_store

LONGEST_SECONDS = 20.0


def drain(seconds: float = LONGEST_SECONDS) -> bool:
    """Deliver events and due retries until nothing is left, or for so many seconds; then ring again.

    Returns whether something was left.
    """
    deadline = time.monotonic() + seconds
    wakeup.clear()
    db.session.rollback()
    with open_store() as store:
        is_busy = deliver_round(store)
        while is_busy and time.monotonic() < deadline:
            is_busy = deliver_round(store)
    if is_busy:
        wakeup.wake()
    return is_busy


def deliver_round(store: Store) -> bool:
    """Deliver what is there now. Returns whether there was anything."""
    beat()
    store.sequence()
    poll = store.poll()
    # In another order each time: several drains at once get in each other's way less.
    is_busy = deliver_shards(store, random.sample(poll.shards, len(poll.shards)))
    if poll.is_retry_due:
        is_busy |= retry_due(store)
    if poll.is_canary_waiting:
        canary.answer()
    return is_busy


def drain_all(rounds: int = 1000) -> None:
    """Deliver everything, waiting for nobody's time: for tests and example data.

    Raises RuntimeError where there is no end of it, for instance because a handler publishes what it handles.
    """
    subscriptions.sync()
    for _ in range(rounds):
        drain()
        with transaction() as session:
            deferred.make_all_due(session)
            is_left = deferred.is_anything_retrying(session)
        if not is_left:
            db.session.rollback()
            return
    raise RuntimeError("Deliveries go on without end.")
