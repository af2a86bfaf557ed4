"""Deliveries that did not go by themselves: what is written about them, and when they may go on.

All of this runs in the transaction that is open, under the lock of the delivery's shard.
"""

import hashlib
import random
import traceback
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from karokar.events.base import LATEST
from karokar.events.bus import publish
from karokar.events.delivery import DeliveryDeadLettered
from karokar.events.handlers import Handler
from karokar.kernel import clock
from karokar.kernel.database.rows import upsert
from karokar.kernel.db import database_now
from karokar.kernel.settings import settings
from karokar.outbox.delivery.dispatch_plan import Deferred, key_of
from karokar.outbox.models import OPEN_STATES, DeferredDelivery, has_state
from karokar.outbox.store import StoredEvent

LONGEST_PAUSE = timedelta(hours=1)
BEGUN_ATTEMPT = timedelta(seconds=5)
"""After this long an attempt without an end is begun again; the shard's lock tells one that is still at work."""
ENDED_THE_WORKER = "Ended the worker: three attempts began and none of them came to an end."
LONGEST_ERROR = 4000
RELEASED_AT_ONCE = 1000


def add_deferred(session: Session, deferred: Sequence[Deferred], *, started: int = 0) -> None:
    """Write down the deliveries that are left to `retry`; one that is known already stays as it is.

    `started` counts the attempts that those due now have behind them.
    """
    if not deferred:
        return
    now, due_at = clock.now(), database_now(session)
    rows = [
        {
            "handler": one.number,
            "position": one.event.position,
            "event_id": one.event.number,
            "shard": one.event.shard,
            "stream": one.key,
            "state": "waiting" if one.reason else "retrying",
            "reason": one.reason,
            "started": 0 if one.reason else started,
            "due_at": None if one.reason else due_at,
            "since": now,
        }
        for one in deferred
    ]
    session.execute(upsert(session, DeferredDelivery).on_conflict_do_nothing(), rows)


def begin(session: Session, number: int, handler: Handler, event: StoredEvent) -> DeferredDelivery:
    """Return the delivery's row with one more attempt begun, made where there was none.

    One that has come to its end already is returned as it is.
    """
    row = session.get(DeferredDelivery, (number, event.position), populate_existing=True)
    if row is None:
        row = new_row(number, handler, event)
        session.add(row)
    if row.state in {"retrying", "waiting"}:
        row.state = "retrying"
        row.started += 1
    return row


def new_row(number: int, handler: Handler, event: StoredEvent) -> DeferredDelivery:
    """Return a row for a delivery, to be added."""
    return DeferredDelivery(
        handler=number,
        position=event.position,
        event_id=event.number,
        shard=event.shard,
        stream=key_of(handler.key, event),
        state="retrying",
        started=0,
        failed=0,
        due_at=None,
        since=clock.now(),
    )


def fail(session: Session, row: DeferredDelivery, handler: Handler, event: StoredEvent, error: BaseException) -> None:
    """Write down a failed attempt: due again after a pause, or dead after the last one."""
    row.failed += 1
    row.error = "".join(traceback.format_exception(error))[-LONGEST_ERROR:]
    row.fingerprint = fingerprint_of(error)
    if row.failed >= settings().event_bus_max_attempts:
        # The type alone: an error's words may hold what no event may hold.
        bury(session, row, handler, event, type(error).__name__)
        return
    row.state = "retrying"
    row.due_at = database_now(session) + pause_after(row.failed)


def bury(session: Session, row: DeferredDelivery, handler: Handler, event: StoredEvent, reason: str) -> None:
    """Give a delivery up, and tell so; about an event that is itself about delivery nothing is told."""
    row.state, row.due_at, row.since = "dead", None, clock.now()
    row.error = row.error if row.failed else reason
    row.fingerprint = row.fingerprint or hashlib.sha256(reason.encode()).hexdigest()[:16]
    session.flush()
    class_ = LATEST.get(event.event_type)
    if class_ is not None and class_.producer == "delivery":
        return
    publish(
        DeliveryDeadLettered(
            event_id=event.event_id,
            delivered_type=event.event_type,
            handler=handler.name,
            attempts=row.started,
            error=reason[:500],
            fingerprint=row.fingerprint,
        )
    )


def finish(session: Session, row: DeferredDelivery, state: str = "done") -> None:
    """End a delivery's trouble, and let the next of its key go."""
    row.state, row.due_at, row.since = state, None, clock.now()
    session.flush()
    release_next(session, row.handler, row.shard, row.stream)


def release_next(session: Session, number: int, shard: int, stream: str) -> None:
    """Make the first waiting delivery of a key due, unless something before it is open."""
    first = session.scalar(
        select(DeferredDelivery)
        .where(
            DeferredDelivery.handler == number,
            DeferredDelivery.shard == shard,
            DeferredDelivery.stream == stream,
            has_state(DeferredDelivery, *OPEN_STATES),
        )
        .order_by(DeferredDelivery.position)
        .limit(1)
    )
    if first is not None and first.state == "waiting":
        first.state, first.due_at = "retrying", database_now(session)
        session.flush()


def release_all(
    session: Session, number: int, *, reasons: Collection[str] | None = None, streams: Collection[str] | None = None
) -> int:
    """Make the first waiting delivery of each of a handler's keys due, where nothing before it is open.

    With `reasons`, only those that wait for one of these; with `streams`, only of these keys. Returns how many became
    due.
    """
    # Of each key the first open one, in one pass and by row number: where many wait, a look-up for each takes minutes,
    # and a database that has not counted them yet plans just that.
    among = [DeferredDelivery.handler == number, has_state(DeferredDelivery, *OPEN_STATES)]
    if streams is not None:
        among.append(DeferredDelivery.stream.in_(streams))
    place = func.row_number().over(
        partition_by=(DeferredDelivery.shard, DeferredDelivery.stream), order_by=DeferredDelivery.position
    )
    ranked = (
        select(DeferredDelivery.position, DeferredDelivery.state, DeferredDelivery.reason, place.label("place"))
        .where(*among)
        .subquery()
    )
    firsts = select(ranked.c.position).where(ranked.c.place == 1, ranked.c.state == "waiting")
    if reasons is not None:
        firsts = firsts.where(ranked.c.reason.in_(reasons))
    positions = session.scalars(firsts).all()
    released = 0
    for begin_at in range(0, len(positions), RELEASED_AT_ONCE):
        result: Any = session.execute(
            update(DeferredDelivery)
            .where(
                DeferredDelivery.handler == number,
                DeferredDelivery.position.in_(positions[begin_at : begin_at + RELEASED_AT_ONCE]),
                has_state(DeferredDelivery, "waiting"),
            )
            .values(state="retrying", due_at=database_now(session))
            .execution_options(synchronize_session=False)
        )
        released += result.rowcount
    return released


def make_all_due(session: Session) -> None:
    """Let nobody wait for a retry's time."""
    session.execute(
        update(DeferredDelivery)
        .where(
            has_state(DeferredDelivery, "retrying"),
            or_(DeferredDelivery.due_at.is_not(None), DeferredDelivery.failed > 0),
        )
        .values(due_at=database_now(session))
        .execution_options(synchronize_session=False)
    )


def make_due_what_is_too_far(session: Session) -> None:
    """Make due what is to wait longer than any pause: the clock that said so has been put right since."""
    now = database_now(session)
    soon = now + clock.TOLERANCE
    is_too_far = or_(
        *(
            and_(
                DeferredDelivery.failed == failed,
                DeferredDelivery.due_at > soon + max(BEGUN_ATTEMPT, longest_pause_after(failed)),
            )
            for failed in range(settings().event_bus_max_attempts)
        )
    )
    session.execute(
        update(DeferredDelivery)
        .where(has_state(DeferredDelivery, "retrying"), DeferredDelivery.due_at > soon + BEGUN_ATTEMPT, is_too_far)
        .values(due_at=now)
        .execution_options(synchronize_session=False)
    )


def is_anything_retrying(session: Session) -> bool:
    """Whether a delivery will run again by itself."""
    return bool(
        session.scalar(
            select(func.count()).select_from(DeferredDelivery).where(has_state(DeferredDelivery, "retrying"))
        )
    )


def pause_after(failed: int) -> timedelta:
    """Return how long to wait after so many failures: doubling, spread by chance, an hour at most."""
    spread = 0.5 + random.random()  # noqa: S311 - spreads load, keeps no secret
    return min(_usual_pause(failed) * spread, LONGEST_PAUSE)


def longest_pause_after(failed: int) -> timedelta:
    """Return the longest that `pause_after` may answer."""
    return min(_usual_pause(failed) * 1.5, LONGEST_PAUSE)


def _usual_pause(failed: int) -> timedelta:
    milliseconds: float = settings().event_bus_retry_base_ms * 2.0 ** min(failed - 1, 30)
    return timedelta(milliseconds=milliseconds)


def fingerprint_of(error: BaseException) -> str:
    """Return what failures of one cause have in common: the error's type and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "karokar" in frame.filename] or list(frames)
    place = f"{own[-1].filename.rsplit('karokar', 1)[-1]}:{own[-1].name}" if own else ""
    return hashlib.sha256(f"{type(error).__name__}|{place}".encode()).hexdigest()[:16]
