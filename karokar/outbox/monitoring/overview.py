"""How delivery stands as a whole: what waits, what failed and why, how each handler keeps up. For the platform.

Everything here reads a bounded number of rows, however long the log is.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Text, and_, func, select, text
from sqlalchemy.orm import aliased

from karokar.events.handlers import HANDLERS, Handler
from karokar.kernel import clock
from karokar.kernel.db import UtcDateTime, db
from karokar.outbox.models import OPEN_STATES, DeferredDelivery, EventRow, Handled, Subscription, has_state
from karokar.outbox.positions import newest_position
from karokar.outbox.store import store_class

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
    next_retry_at: datetime | None = None
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


def overview(states: Sequence[HandlerState] | None = None, pending: Sequence[Pending] | None = None) -> Overview:
    """Return the state of the whole pipeline; what was read already may be handed in."""
    pending = list_pending() if pending is None else pending
    states = handler_states(pending) if states is None else states
    opened: Counter[str] = Counter()
    for state in states:
        opened.update(state.open_by_state)
    return Overview(
        newest_position=newest_position(),
        pending=len(pending),
        is_pending_counted_out=len(pending) < LOOKED_AT,
        oldest=min(pending, key=lambda one: one.occurred_at, default=None),
        open_by_state={name: count for name, count in opened.items() if count},
        next_retry_at=min(filter(None, (state.next_retry_at for state in states)), default=None),
        rate=rate(),
    )


def list_pending() -> list[Pending]:
    """Return events beyond their shard's progress, in the order of the log, LOOKED_AT at most."""
    shards = store_class(db.session.get_bind().dialect.name).shards
    statement = text(f"""
        select l.position, e.event_type, e.occurred_at
          from (select s.shard, (select max(p.position) from progress p where p.shard = s.shard) as position
                  from ({shards}) s) r
          join event_log l on l.shard = r.shard and l.position > coalesce(r.position, 0)
          join events e on e.id = l.event_id
         order by l.position limit :most""").columns(position=BigInteger, event_type=Text, occurred_at=UtcDateTime)
    rows = db.session.execute(statement, {"most": LOOKED_AT})
    return [Pending(position=row[0], event_type=row[1], occurred_at=row[2]) for row in rows]


def rate() -> Rate:
    """Return how many events were told in the last hour."""
    now = clock.now()
    begin = now - SLOT * SLOTS
    times = db.session.scalars(select(EventRow.occurred_at).order_by(EventRow.id.desc()).limit(LOOKED_AT)).all()
    counts = Counter(int((moment - begin) / SLOT) for moment in times if begin < moment <= now)
    slots = [(begin + SLOT * number, counts[number]) for number in range(SLOTS)]
    return Rate(slots=slots, is_counted_out=len(times) < LOOKED_AT or times[-1] <= begin)


# Handlers -------------------------------------------------------------------------------------------------------------


def handler_states(pending: Sequence[Pending] | None = None) -> list[HandlerState]:
    """Return every subscribed handler, by name, and those that code declares but nobody subscribed yet."""
    unreached = list_pending() if pending is None else pending
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
    for one in unreached:
        for state, row in by_type.get(one.event_type, ()):
            if row.since_position < one.position:
                state.lag += 1
                state.oldest_at = min(filter(None, (state.oldest_at, one.occurred_at)))
    by_number = {state.number: state for state in found.values() if state.number}
    _add_troubles(by_number)
    _add_durations(by_number)
    return sorted(found.values(), key=lambda state: state.name)


def find_handler(name: str) -> HandlerState | None:
    """Return one handler's state, None where nobody knows the name."""
    return next((state for state in handler_states() if state.name == name), None)


def _add_troubles(by_number: Mapping[int, HandlerState]) -> None:
    opened = (
        select(
            DeferredDelivery.handler,
            DeferredDelivery.state,
            func.count().label("count"),
            func.min(DeferredDelivery.event_id).label("first"),
            func.min(DeferredDelivery.due_at).label("due_at"),
        )
        .where(has_state(DeferredDelivery, *OPEN_STATES))
        .group_by(DeferredDelivery.handler, DeferredDelivery.state)
        .subquery()
    )
    rows = db.session.execute(
        select(opened.c.handler, opened.c.state, opened.c.count, opened.c.due_at, EventRow.occurred_at).join(
            EventRow, EventRow.id == opened.c.first
        )
    )
    for number, state, count, due_at, told_at in rows:
        if number not in by_number:
            continue
        handler = by_number[number]
        handler.open_by_state[state] = int(count)
        if state == "retrying":
            handler.next_retry_at = due_at
        if state != "dead":
            handler.oldest_at = min(filter(None, (handler.oldest_at, told_at)))


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


def failure_groups(names: Mapping[int, str] | None = None) -> list[FailureGroup]:
    """Return open failures by handler and fingerprint, the largest first; `names` where they were read already."""
    names = handler_names() if names is None else names
    rows = db.session.execute(
        select(
            DeferredDelivery.handler,
            DeferredDelivery.fingerprint,
            func.count(),
            func.count().filter(DeferredDelivery.state == "dead"),
            func.min(DeferredDelivery.since),
            func.max(DeferredDelivery.since),
            func.max(DeferredDelivery.position),
        )
        .where(has_state(DeferredDelivery, "retrying", "dead"), DeferredDelivery.fingerprint.is_not(None))
        .group_by(DeferredDelivery.handler, DeferredDelivery.fingerprint)
    ).all()
    if not rows:
        return []
    errors = {
        (row.handler, row.position): row.error or ""
        for row in db.session.scalars(
            select(DeferredDelivery).where(DeferredDelivery.position.in_({row[6] for row in rows}))
        )
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
    waiting = aliased(DeferredDelivery)
    rows = db.session.execute(
        select(DeferredDelivery.handler, DeferredDelivery.fingerprint, func.count())
        .join(
            waiting,
            and_(
                waiting.handler == DeferredDelivery.handler,
                waiting.shard == DeferredDelivery.shard,
                waiting.stream == DeferredDelivery.stream,
                has_state(waiting, "waiting"),
            ),
        )
        .where(has_state(DeferredDelivery, "retrying", "dead"), DeferredDelivery.fingerprint.is_not(None))
        .group_by(DeferredDelivery.handler, DeferredDelivery.fingerprint)
    )
    return Counter({(int(number), str(fingerprint)): int(count) for number, fingerprint, count in rows})


def handler_names() -> dict[int, str]:
    """Return the names of handlers by the number that they are stored under."""
    rows = db.session.execute(select(Subscription.handler, Subscription.name).distinct())
    return {int(number): str(name) for number, name in rows}
