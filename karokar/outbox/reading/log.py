"""The log as others follow it: how far everything is done, and what stands at each position."""

from collections.abc import Iterator

from sqlalchemy import func, select

from karokar.kernel.db import db
from karokar.outbox.models import (
    OPEN_STATES,
    SHARDS,
    DeferredDelivery,
    EventLog,
    EventRow,
    Progress,
    Subscription,
    has_state,
)

_CHUNK = 1000


def settled_position(handler: str) -> int:
    """Return the position up to which a handler (by name) has handled everything and nothing of it is open.

    Every shard has been delivered up to there, so nothing comes later at a lower position.
    """
    next_ones = [
        select(func.min(EventLog.position))
        .where(
            EventLog.shard == shard,
            EventLog.position
            > func.coalesce(select(func.max(Progress.position)).where(Progress.shard == shard).scalar_subquery(), 0),
        )
        .scalar_subquery()
        for shard in range(SHARDS)
    ]
    number = select(Subscription.handler).where(Subscription.name == handler).limit(1).scalar_subquery()
    open_one = (
        select(func.min(DeferredDelivery.position))
        .where(DeferredDelivery.handler == number, has_state(DeferredDelivery, *OPEN_STATES))
        .scalar_subquery()
    )
    # One statement, so that all of it is seen at the same moment.
    newest = select(func.max(EventLog.position)).scalar_subquery()
    reached, *pending = db.session.execute(select(newest, open_one, *next_ones)).one()
    return int(min([reached or 0, *(position - 1 for position in pending if position is not None)]))


def read_log(after: int = 0, until: int | None = None) -> Iterator[tuple[int, EventRow]]:
    """Yield the events after a position (and up to another) with their positions, in order."""
    while True:
        statement = (
            select(EventLog.position, EventRow)
            .join(EventRow, EventRow.id == EventLog.event_id)
            .where(EventLog.position > after)
            .order_by(EventLog.position)
            .limit(_CHUNK)
        )
        if until is not None:
            statement = statement.where(EventLog.position <= until)
        rows = db.session.execute(statement).all()
        yield from ((position, row) for position, row in rows)
        if len(rows) < _CHUNK:
            return
        after = rows[-1][0]
        db.session.expunge_all()
