"""How delivery stands as a whole: what waits, what failed and why, how each handler keeps up. For the platform.

Everything here reads a bounded number of rows, however long the log is.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select

from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.outbox.deliveries import progress_by_shard
from karokar.outbox.models import OPEN_STATES, SHARDS, EventLog, EventRow, Handled, Subscription, Trouble
from karokar.outbox.registry import HANDLERS, Handler

LOOKED_AT = 2000
"""How many events are looked at for a rate, a lag or an average: what is beyond is said to be more."""

SLOTS = 30
SLOT = timedelta(minutes=2)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Events told in the last hour: one count per slot of two minutes, oldest first.

    `is_counted_out` is False where there were more than are looked at; then the early slots are too low.
    """

    slots: Sequence[tuple[datetime, int]]
    is_counted_out: bool

    @property
    def total(self) -> int:
        """All of them."""
        return sum(count for _begin, count in self.slots)

    @property
    def peak(self) -> int:
        """The fullest slot."""
        return max(count for _begin, count in self.slots)


@dataclass(frozen=True, kw_only=True)
class Pending:
    """An event that delivery has not reached yet."""

    position: int
    event_type: str
    occurred_at: datetime


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The pipeline at a glance. `oldest` is the event that has waited longest for delivery to reach it."""

    newest_position: int
    pending: int
    is_pending_counted_out: bool
    oldest: Pending | None
    open_by_state: Mapping[str, int]
    next_retry_at: datetime | None
    rate: Rate

    @property
    def is_behind(self) -> bool:
        """Whether something has waited so long that pages no longer wait for their reactions."""
        return self.oldest is not None and clock.now() - self.oldest.occurred_at > timedelta(seconds=10)


@dataclass(kw_only=True)
class HandlerState:
    """A handler and how it keeps up. `declared` is None where no code here knows it.

    `lag` counts events that it is yet to be given, `oldest_at` is when the first of them, or of its open troubles, was
    told. `mean_us` is its mean duration over recent events, None where it handled none.
    """

    name: str
    number: int
    event_types: list[str] = field(default_factory=list)
    declared: Handler | None = None
    paused_at: datetime | None = None
    lag: int = 0
    oldest_at: datetime | None = None
    open_by_state: Counter[str] = field(default_factory=Counter)
    mean_us: int | None = None
    recent: int = 0

    @property
    def status(self) -> str:
        """One word for the list: PAUSED, UNKNOWN, FAILING, BEHIND or RUNNING."""
        if self.paused_at is not None:
            return "PAUSED"
        if self.declared is None:
            return "UNKNOWN"
        if self.open_by_state["dead"] or self.open_by_state["retrying"]:
            return "FAILING"
        return "BEHIND" if self.lag or self.open_by_state["waiting"] else "RUNNING"


def overview() -> Overview:
    """Return the state of the whole pipeline."""
    pending = list_pending()
    return Overview(
        newest_position=newest_position(),
        pending=len(pending),
        is_pending_counted_out=len(pending) < LOOKED_AT,
        oldest=min(pending, key=lambda one: one.occurred_at, default=None),
        open_by_state=dict(_count_open_by_state()),
        next_retry_at=db.session.scalar(select(func.min(Trouble.due_at)).where(Trouble.state == "retrying")),
        rate=rate(),
    )


def newest_position() -> int:
    """Return the position of the newest event in the log, 0 for none."""
    return int(db.session.scalar(select(func.max(EventLog.position))) or 0)


def list_pending() -> list[Pending]:
    """Return events beyond their shard's progress, the first of each shard at least, LOOKED_AT at most."""
    progress = progress_by_shard()
    found: list[Pending] = []
    for shard in range(SHARDS):
        rows = db.session.execute(
            select(EventLog.position, EventRow.event_type, EventRow.occurred_at)
            .join(EventRow, EventRow.id == EventLog.event_id)
            .where(EventLog.shard == shard, EventLog.position > progress.get(shard, 0))
            .order_by(EventLog.position)
            .limit(LOOKED_AT // SHARDS)
        )
        found += [Pending(position=row[0], event_type=row[1], occurred_at=row[2]) for row in rows]
    return found


def rate() -> Rate:
    """Return how many events were told in the last hour."""
    now = clock.now()
    begin = now - SLOT * SLOTS
    times = db.session.scalars(select(EventRow.occurred_at).order_by(EventRow.id.desc()).limit(LOOKED_AT)).all()
    counts = Counter(int((moment - begin) / SLOT) for moment in times if begin < moment <= now)
    slots = [(begin + SLOT * number, counts[number]) for number in range(SLOTS)]
    return Rate(slots=slots, is_counted_out=len(times) < LOOKED_AT or times[-1] <= begin)


def _count_open_by_state() -> Counter[str]:
    rows = db.session.execute(
        select(Trouble.state, func.count()).where(Trouble.state.in_(OPEN_STATES)).group_by(Trouble.state)
    )
    return Counter({str(state): int(count) for state, count in rows})


# Handlers -------------------------------------------------------------------------------------------------------------


def handler_states() -> list[HandlerState]:
    """Return every subscribed handler, by name, and those that code declares but nobody subscribed yet."""
    found: dict[str, HandlerState] = {}
    by_type: dict[str, list[tuple[HandlerState, Subscription]]] = defaultdict(list)
    for row in db.session.scalars(select(Subscription).order_by(Subscription.name, Subscription.event_type)):
        state = found.setdefault(
            row.name, HandlerState(name=row.name, number=row.handler, declared=HANDLERS.get(row.name))
        )
        if row.until_position is None:
            state.event_types.append(row.event_type)
        state.paused_at = state.paused_at or row.paused_at
        by_type[row.event_type].append((state, row))
    for name in sorted(HANDLERS.keys() - found.keys()):
        found[name] = HandlerState(name=name, number=0, declared=HANDLERS[name])
    for pending in list_pending():
        for state, row in by_type.get(pending.event_type, ()):
            if row.since_position < pending.position:
                state.lag += 1
                state.oldest_at = min(filter(None, (state.oldest_at, pending.occurred_at)))
    by_number = {state.number: state for state in found.values() if state.number}
    _add_troubles(by_number)
    _add_durations(by_number)
    return sorted(found.values(), key=lambda state: state.name)


def find_handler(name: str) -> HandlerState | None:
    """Return one handler's state, None where nobody knows the name."""
    return next((state for state in handler_states() if state.name == name), None)


def _add_troubles(by_number: Mapping[int, HandlerState]) -> None:
    rows = db.session.execute(
        select(Trouble.handler, Trouble.state, func.count(), func.min(Trouble.event_id))
        .where(Trouble.state.in_(OPEN_STATES))
        .group_by(Trouble.handler, Trouble.state)
    ).all()
    first_events = {first for *_rest, first in rows}
    told = db.session.execute(select(EventRow.id, EventRow.occurred_at).where(EventRow.id.in_(first_events)))
    told_at = {int(number): moment for number, moment in told}
    for number, state, count, first in rows:
        if number not in by_number:
            continue
        handler = by_number[number]
        handler.open_by_state[state] = int(count)
        if state != "dead" and first in told_at:
            handler.oldest_at = min(filter(None, (handler.oldest_at, told_at[first])))


def _add_durations(by_number: Mapping[int, HandlerState]) -> None:
    spent: Counter[int] = Counter()
    counted: Counter[int] = Counter()
    rows = db.session.execute(
        select(Handled.handlers, Handled.us).order_by(Handled.position.desc()).limit(LOOKED_AT // 4)
    )
    for numbers, durations in rows:
        for number, us in zip(numbers, durations, strict=False):
            spent[number] += us
            counted[number] += 1
    for number, count in counted.items():
        if number in by_number:
            by_number[number].mean_us = round(spent[number] / count)
            by_number[number].recent = count


# Failures -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """Failures of one handler with one cause, known by its fingerprint."""

    handler: str
    number: int
    fingerprint: str
    count: int
    retrying: int
    dead: int
    blocked: int
    first_at: datetime
    last_at: datetime
    sample_position: int
    sample_error: str

    @property
    def headline(self) -> str:
        """The last line of the sample's error: what a person reads first."""
        lines = [line for line in self.sample_error.strip().splitlines() if line.strip()]
        return lines[-1][:200] if lines else "No error was kept."


def failure_groups() -> list[FailureGroup]:
    """Return open failures by handler and fingerprint, the largest first."""
    names = handler_names()
    rows = db.session.execute(
        select(
            Trouble.handler,
            Trouble.fingerprint,
            func.count(),
            func.count().filter(Trouble.state == "dead"),
            func.min(Trouble.since),
            func.max(Trouble.since),
            func.max(Trouble.position),
        )
        .where(Trouble.state.in_(("retrying", "dead")), Trouble.fingerprint.is_not(None))
        .group_by(Trouble.handler, Trouble.fingerprint)
    ).all()
    errors = {
        (row.handler, row.position): row.error or ""
        for row in db.session.scalars(select(Trouble).where(Trouble.position.in_({row[6] for row in rows})))
    }
    blocked = _count_blocked()
    found = [
        FailureGroup(
            handler=names.get(number, f"handler {number}"),
            number=number,
            fingerprint=str(fingerprint),
            count=count,
            retrying=count - dead,
            dead=dead,
            blocked=blocked[number, str(fingerprint)],
            first_at=first_at,
            last_at=last_at,
            sample_position=position,
            sample_error=errors.get((number, position), ""),
        )
        for number, fingerprint, count, dead, first_at, last_at, position in rows
    ]
    return sorted(found, key=lambda group: (-group.count, group.handler))


def _count_blocked() -> Counter[tuple[int, str]]:
    """Return how many deliveries wait behind failures, by handler and the failure's fingerprint."""
    keys: dict[tuple[int, str], str] = {
        (number, stream): str(fingerprint)
        for number, stream, fingerprint in db.session.execute(
            select(Trouble.handler, Trouble.stream, Trouble.fingerprint).where(
                Trouble.state.in_(("retrying", "dead")), Trouble.fingerprint.is_not(None)
            )
        )
    }
    found: Counter[tuple[int, str]] = Counter()
    if keys:
        for number, stream, count in db.session.execute(
            select(Trouble.handler, Trouble.stream, func.count())
            .where(Trouble.state == "waiting")
            .group_by(Trouble.handler, Trouble.stream)
        ):
            if (number, stream) in keys:
                found[number, keys[number, stream]] += count
    return found


def handler_names() -> dict[int, str]:
    """Return the names of handlers by the number that they are stored under."""
    rows = db.session.execute(select(Subscription.handler, Subscription.name).distinct())
    return {int(number): str(name) for number, name in rows}
