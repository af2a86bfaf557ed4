"""Replay: deliver again what a selection matches, after a plan and as harmlessly as the promises allow.

- What failed, waits or is dead is made due: that is a retry.
- What a `projection` has handled runs again over the whole stream, from the first selected event to its end, one
  transaction per stream, under the shard's lock. A projection keeps what it applied, so code that did not change
  changes nothing; code that did corrects its rows.
- What an `action` has handled was done before and is never done again.
- Mails are never sent again, unless asked for: then each is a new mail with a new number.

A plan is made of units, each one transaction; a replay that is stopped or dies goes on with the units that are left.
A dry run does each unit, counts the rows that it changed, and takes it back.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from karokar.events.bus import publish
from karokar.events.delivery import ReplayCompleted, ReplayStarted
from karokar.events.handlers import HANDLERS, RESENDERS
from karokar.kernel.db import action, transaction
from karokar.kernel.errors import Busy, NotFound
from karokar.kernel.permissions import check
from karokar.outbox.delivery.dispatch_plan import Reaction, envelope_of
from karokar.outbox.delivery.invoke import invoke
from karokar.outbox.models import EventLog, EventRow, Progress
from karokar.outbox.operations import actions
from karokar.outbox.operations.permissions import EVENT_OPERATE
from karokar.outbox.operations.replay_plan import RETRIED, Unit, Wanted, matched, state_of_delivery
from karokar.outbox.store import open_store, store_class

AT_ONCE = 200
LOCK_TRIES = 100
LOCK_PAUSE = 0.05

DELIVERIES_A_SECOND = 500
"""The pace of a replay, unless another one is chosen: page writes and new events come through beside it."""
STOPS_OVER_PERCENT = 10
"""A replay stops by itself when more of its units than this fail, unless another limit is chosen."""
JUDGED_FROM = 20
"""So many units are done before their failures are judged."""

_WRITES = re.compile(r"\b(insert\s+into|update|delete\s+from)\s+\"?(\w+)", re.IGNORECASE)
_VERBS = {"i": "inserted", "u": "updated", "d": "deleted"}


@dataclass(kw_only=True)
class Outcome:
    """What a unit did: deliveries, and the rows that changed, by what happened to which table."""

    deliveries: int = 0
    rows: Counter[str] = field(default_factory=Counter)

    @property
    def in_words(self) -> str:
        """Say it."""
        changed = ", ".join(f"{name}: {count:,}" for name, count in sorted(self.rows.items()))
        noun = "delivery" if self.deliveries == 1 else "deliveries"
        return f"{self.deliveries:,} {noun}; {changed or 'no row changed'}."


# Doing it -------------------------------------------------------------------------------------------------------------


def perform(unit: Unit, wanted: Wanted, *, is_dry_run: bool = False) -> Outcome:
    """Do one unit in a transaction of its own, or in the one that is open, and return what it did.

    A dry run does the same and takes it back. Raises PermissionDenied, Busy where the shard is being delivered all the
    time, and what the handler raises; then nothing is changed.
    """
    check(EVENT_OPERATE)
    with transaction() as session:
        outcome = Outcome()
        if is_dry_run:
            nested = session.begin_nested()
            try:
                with _counting(session, outcome):
                    outcome.deliveries = _do(session, unit, wanted)
                    session.flush()
            finally:
                nested.rollback()
                session.expire_all()
        else:
            with _counting(session, outcome):
                outcome.deliveries = _do(session, unit, wanted)
                session.flush()
        return outcome


def _do(session: Session, unit: Unit, wanted: Wanted) -> int:
    if unit.kind == "retry":
        return actions.retry_deliveries(
            actions.Selection(
                handler=unit.handler,
                event_type=unit.event_type,
                aggregate_type=wanted.aggregate_type,
                aggregate_id=wanted.aggregate_id,
                since=wanted.since,
                until=wanted.until,
                up_to=wanted.up_to,
                states=("dead",) if wanted.is_dead_only else RETRIED,
            )
        )
    if unit.kind == "resend":
        return sum(resend(UUID(unit.event_id)) for resend in RESENDERS)
    take_shard(session, unit.shard)
    return run_again(session, unit)


def run_again(session: Session, unit: Unit) -> int:
    """Run a projection again over what it has handled of one stream, from the first selected event to the end."""
    declared = HANDLERS.get(unit.handler)
    if declared is None or declared.effect != "projection":
        raise NotFound("handler")
    done = 0
    with open_store() as store:
        positions = _positions(session, unit)
        for begin in range(0, len(positions), AT_ONCE):
            envelopes = [envelope_of(stored) for stored in store.read_at(positions[begin : begin + AT_ONCE])]
            invoke(Reaction(unit.number, declared, envelopes))
            done += len(envelopes)
    return done


def _positions(session: Session, unit: Unit) -> list[int]:
    reached = select(func.max(Progress.position)).where(Progress.shard == unit.shard).scalar_subquery()
    whole = Wanted(
        handler=unit.handler,
        aggregate_type=unit.aggregate_type,
        aggregate_id=UUID(unit.aggregate_id) if unit.aggregate_id else None,
    )
    statement = matched(whole, select(EventLog.position)).where(
        EventLog.position >= unit.first, EventLog.position <= reached, state_of_delivery() == "handled"
    )
    if unit.stream is not None:
        statement = statement.where(EventRow.stream == unit.stream)
    return list(session.scalars(statement.order_by(EventLog.position)))


def take_shard(session: Session, shard: int) -> None:
    """Take a shard's lock until the transaction ends. Raises Busy where it is being delivered all the time."""
    store = store_class(session.get_bind().dialect.name)
    for _ in range(LOCK_TRIES):
        if store.lock(session.connection(), shard):
            return
        time.sleep(LOCK_PAUSE)
    raise Busy


@contextmanager
def _counting(session: Session, outcome: Outcome) -> Iterator[None]:
    """Count the rows that statements on this session's connection change."""
    connection = session.connection()

    def count(_connection: Any, cursor: Any, statement: str, *_rest: Any) -> None:
        found = _WRITES.search(statement)
        if found and cursor.rowcount > 0:
            outcome.rows[f"{found[2]} {_VERBS[found[1][0].lower()]}"] += cursor.rowcount

    event.listen(connection, "after_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(connection, "after_cursor_execute", count)


def is_going_wrong(done: int, failed: int, percent: int) -> bool:
    """Whether more than so many per cent of a replay's units have failed, so that it must not go on."""
    return done >= JUDGED_FROM and failed * 100 > done * percent


# Telling --------------------------------------------------------------------------------------------------------------


@action
def tell_start(replay_id: UUID, wanted: Wanted, planned: int) -> None:
    """Tell that a planned replay begins. Raises PermissionDenied."""
    check(EVENT_OPERATE)
    publish(ReplayStarted(replay_id=replay_id, selection=wanted.in_words(), planned=planned))


@action
def tell_end(replay_id: UUID, wanted: Wanted, counts: Mapping[str, int]) -> None:
    """Tell that a replay came to its end, or was stopped before: then `counts` has units that were `left`.

    Raises PermissionDenied.
    """
    check(EVENT_OPERATE)
    publish(ReplayCompleted(replay_id=replay_id, selection=wanted.in_words(), counts=dict(counts)))
