"""Deliveries that did not go by themselves: what is written about them, and when they may go on.

All of this runs in the transaction that is open, under the lock of the delivery's shard.
"""

import hashlib
import random
import traceback
from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import Connection, and_, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from karokar.events.base import LATEST
from karokar.events.bus import publish
from karokar.events.delivery import DeliveryDeadLettered
from karokar.kernel import clock
from karokar.kernel.settings import settings
from karokar.outbox.models import OPEN_STATES, Trouble, has_state
from karokar.outbox.plan import Waiting, key_of
from karokar.outbox.registry import Handler
from karokar.outbox.store import StoredEvent

LONGEST_PAUSE = timedelta(hours=1)
BEGUN_ATTEMPT = timedelta(seconds=5)
"""After this long an attempt without an end is begun again; the shard's lock tells one that is still at work."""
ENDED_THE_WORKER = "Ended the worker: three attempts began and none of them came to an end."
LONGEST_ERROR = 4000


def add_waiting(connection: Connection, waiting: Sequence[Waiting]) -> None:
    """Write down the deliveries that must wait; one that is known already stays as it is."""
    if not waiting:
        return
    now = clock.now()
    rows = [
        {
            "handler": one.number,
            "position": one.event.position,
            "event_id": one.event.number,
            "shard": one.event.shard,
            "stream": one.key,
            "state": "waiting",
            "error": one.reason,
            "since": now,
        }
        for one in waiting
    ]
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(Trouble).on_conflict_do_nothing(), rows)


def begin(session: Session, number: int, handler: Handler, event: StoredEvent) -> Trouble:
    """Return the delivery's row with one more attempt begun, made where there was none.

    One that has come to its end already is returned as it is.
    """
    row = session.get(Trouble, (number, event.position), populate_existing=True)
    if row is None:
        row = new_row(number, handler, event)
        session.add(row)
    if row.state in {"retrying", "waiting"}:
        row.state = "retrying"
        row.started += 1
    return row


def new_row(number: int, handler: Handler, event: StoredEvent) -> Trouble:
    """Return a row for a delivery, to be added."""
    return Trouble(
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


def fail(session: Session, row: Trouble, handler: Handler, event: StoredEvent, error: BaseException) -> None:
    """Write down a failed attempt: due again after a pause, or dead after the last one."""
    row.failed += 1
    row.error = "".join(traceback.format_exception(error))[-LONGEST_ERROR:]
    row.fingerprint = fingerprint_of(error)
    if row.failed >= settings().event_bus_max_attempts:
        # The type alone: an error's words may hold what no event may hold.
        bury(session, row, handler, event, type(error).__name__)
        return
    row.state = "retrying"
    row.due_at = clock.now() + pause_after(row.failed)


def bury(session: Session, row: Trouble, handler: Handler, event: StoredEvent, reason: str) -> None:
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


def finish(session: Session, row: Trouble, state: str = "done") -> None:
    """End a delivery's trouble, and let the next of its key go."""
    row.state, row.due_at, row.since = state, None, clock.now()
    session.flush()
    release_next(session, row.handler, row.shard, row.stream)


def release_next(session: Session, number: int, shard: int, stream: str) -> None:
    """Make the first waiting delivery of a key due, unless something before it is open."""
    first = session.scalar(
        select(Trouble)
        .where(
            Trouble.handler == number,
            Trouble.shard == shard,
            Trouble.stream == stream,
            has_state(Trouble, *OPEN_STATES),
        )
        .order_by(Trouble.position)
        .limit(1)
    )
    if first is not None and first.state == "waiting":
        first.state, first.due_at = "retrying", clock.now()
        session.flush()


def release_all(
    session: Session, number: int, reason: str | None = None, *, streams: Collection[str] | None = None
) -> int:
    """Make the first waiting delivery of each of a handler's keys due, where nothing before it is open.

    With `reason`, only those that wait for this; with `streams`, only of these keys. Returns how many became due.
    """
    earlier = aliased(Trouble)
    is_first = ~(
        select(earlier.position)
        .where(
            earlier.handler == Trouble.handler,
            earlier.shard == Trouble.shard,
            earlier.stream == Trouble.stream,
            earlier.position < Trouble.position,
            has_state(earlier, *OPEN_STATES),
        )
        .exists()
    )
    wanted = and_(Trouble.handler == number, has_state(Trouble, "waiting"), is_first)
    if reason is not None:
        wanted = and_(wanted, Trouble.error.startswith(reason, autoescape=True))
    if streams is not None:
        wanted = and_(wanted, Trouble.stream.in_(streams))
    released = session.execute(
        update(Trouble)
        .where(wanted)
        .values(state="retrying", due_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    return int(released.rowcount)  # type: ignore[attr-defined] # An UPDATE's result counts its rows.


def make_all_due(session: Session) -> None:
    """Let nobody wait for a retry's time."""
    session.execute(
        update(Trouble)
        .where(has_state(Trouble, "retrying"), or_(Trouble.due_at.is_not(None), Trouble.failed > 0))
        .values(due_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def is_anything_retrying(session: Session) -> bool:
    """Whether a delivery will run again by itself."""
    return bool(session.scalar(select(func.count()).select_from(Trouble).where(has_state(Trouble, "retrying"))))


def pause_after(failed: int) -> timedelta:
    """Return how long to wait after so many failures: doubling, spread by chance, an hour at most."""
    spread = 0.5 + random.random()  # noqa: S311 - spreads load, keeps no secret
    milliseconds: float = settings().event_bus_retry_base_ms * 2.0 ** min(failed - 1, 30) * spread
    return min(timedelta(milliseconds=milliseconds), LONGEST_PAUSE)


def fingerprint_of(error: BaseException) -> str:
    """Return what failures of one cause have in common: the error's type and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "karokar" in frame.filename] or list(frames)
    place = f"{own[-1].filename.rsplit('karokar', 1)[-1]}:{own[-1].name}" if own else ""
    return hashlib.sha256(f"{type(error).__name__}|{place}".encode()).hexdigest()[:16]
