"""What others may ask of the engine: whether reactions are there yet. More is in `deliveries`, `search` and `state`."""

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import chain, repeat

from sqlalchemy import select, tuple_

from karokar.events.bus import EventToken
from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.kernel.settings import settings
from karokar.outbox.models import EventLog, EventRow, Handled, Subscription
from karokar.outbox.store import Store, open_store

LONGEST_MS = 300
BACKLOG = timedelta(seconds=2)
"""While something has waited for longer than this, nobody waits: the page would only be late as well."""


def wait_for(tokens: Iterable[EventToken], handlers: Sequence[str] = (), timeout_ms: int = LONGEST_MS) -> bool:
    """Wait until these events have been delivered, so that a click shows its reactions; True if they were.

    With `handlers` (names), True only if all of these have handled all of the events; one that failed is not waited
    for. False at once while there is a backlog, and after `timeout_ms`.
    """
    wanted = list(tokens)
    if not wanted or settings().event_bus_dispatcher == "none":
        return not wanted
    deadline = time.monotonic() + timeout_ms / 1000
    with open_store() as store:
        oldest = store.oldest_waiting()
        if oldest is not None and clock.now() - oldest > BACKLOG:
            return False
        for pause in chain((0.002, 0.004, 0.008, 0.016), repeat(0.025)):
            positions = _reached(store, wanted)
            if positions is not None:
                return _are_handled(positions, handlers)
            if time.monotonic() + pause > deadline:
                return False
            time.sleep(pause)
    return False


def _reached(store: Store, tokens: Sequence[EventToken]) -> list[int] | None:
    """Return the events' positions where delivery has come past all of them."""
    db.session.rollback()
    keys = [(token.aggregate_type, token.aggregate_id, token.aggregate_seq) for token in tokens]
    rows = db.session.execute(
        select(EventLog.position, EventLog.shard)
        .join(EventRow, EventRow.id == EventLog.event_id)
        .where(tuple_(EventRow.aggregate_type, EventRow.aggregate_id, EventRow.aggregate_seq).in_(keys))
    ).all()
    db.session.rollback()
    if len(rows) < len(set(keys)) or any(store.progress(shard) < position for position, shard in rows):
        return None
    return [position for position, _shard in rows]


def _are_handled(positions: Sequence[int], names: Sequence[str]) -> bool:
    if not names:
        return True
    numbers = set(db.session.scalars(select(Subscription.handler).where(Subscription.name.in_(names))).all())
    rows = db.session.scalars(select(Handled.handlers).where(Handled.position.in_(positions))).all()
    db.session.rollback()
    return len(rows) == len(positions) and all(numbers <= set(row) for row in rows)
