"""Delivers what waits. The RQ job, the relay and tests all call `drain`; it may run any number of times at once."""

import random
import time

from karokar.kernel.db import db, transaction
from karokar.kernel.heartbeat import beat
from karokar.outbox import bell, canary, subscriptions, trouble
from karokar.outbox.batch import deliver_shard
from karokar.outbox.retry import retry_due
from karokar.outbox.store import open_store

LONGEST_SECONDS = 20.0


def drain(seconds: float = LONGEST_SECONDS) -> bool:
    """Deliver events and due retries until nothing is left, or for so many seconds; then ring again.

    Returns whether something was left.
    """
    deadline = time.monotonic() + seconds
    bell.clear()
    db.session.rollback()
    with open_store() as store:
        is_busy = True
        while is_busy:
            beat()
            store.sequence()
            look = store.look()
            is_busy = False
            # In another order each time: several drains at once get in each other's way less.
            for ahead in random.sample(look.shards, len(look.shards)):
                is_busy |= deliver_shard(store, ahead)
            if look.is_retry_due:
                is_busy |= retry_due(store)
            if look.is_canary_waiting:
                canary.answer()
            if time.monotonic() > deadline:
                break
    if is_busy:
        bell.ring()
    return is_busy


def drain_all(rounds: int = 1000) -> None:
    """Deliver everything, waiting for nobody's time: for tests and example data.

    Raises RuntimeError where there is no end of it, for instance because a handler publishes what it handles.
    """
    subscriptions.sync()
    for _ in range(rounds):
        drain()
        with transaction() as session:
            trouble.make_all_due(session)
            is_left = trouble.is_anything_retrying(session)
        if not is_left:
            db.session.rollback()
            return
    raise RuntimeError("Deliveries go on without end.")
