"""The plan of a replay: what a selection matches, and what delivering it again would mean.

A plan is made of units, each one transaction; `replay` does them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, any_, case, exists, func, literal_column, select

from karokar.events.contracts.names import check_aggregate_type, names_matching
from karokar.events.handlers import HANDLERS
from karokar.kernel.db import db, primitive
from karokar.kernel.errors import RuleBroken
from karokar.kernel.pages.shown import digest_of
from karokar.kernel.text.nearest import UnknownName
from karokar.outbox.models import OPEN_STATES, DeferredDelivery, EventLog, EventRow, Handled, Subscription
from karokar.outbox.operations import actions

RETRIED = actions.FAILED
"""States of deliveries that a replay makes due."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be delivered again; None leaves a part open. `types` may hold patterns and commas.

    Nothing after the position `up_to` is meant.
    """

    handler: str | None = None
    types: str | None = None
    aggregate_type: str | None = None
    aggregate_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    is_dead_only: bool = False
    up_to: int | None = None

    def in_words(self) -> dict[str, str]:
        """Return what was asked for, as events tell it and runs keep it."""
        return {name: str(primitive(value)) for name, value in asdict(self).items() if value not in {None, False}}

    @classmethod
    def of_words(cls, words: Mapping[str, str]) -> "Wanted":
        """Return what `in_words` told of."""
        return cls(
            handler=words.get("handler"),
            types=words.get("types"),
            aggregate_type=words.get("aggregate_type"),
            aggregate_id=UUID(words["aggregate_id"]) if "aggregate_id" in words else None,
            since=datetime.fromisoformat(words["since"]) if "since" in words else None,
            until=datetime.fromisoformat(words["until"]) if "until" in words else None,
            is_dead_only=words.get("is_dead_only") == "True",
            up_to=int(words["up_to"]) if "up_to" in words else None,
        )


@dataclass(kw_only=True)
class HandlerPlan:
    """What a replay means for one handler, counted in deliveries.

    `retried` become due, `waiting` follow them by themselves, `rerun` run again over `streams` streams,
    `done_before` stay as they are (an action's), `pending` come anyway, `dismissed` stay undone; `unknown` have no
    code here.
    """

    handler: str
    effect: str
    retried: int = 0
    waiting: int = 0
    rerun: int = 0
    streams: int = 0
    done_before: int = 0
    pending: int = 0
    dismissed: int = 0
    unknown: int = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a replay would do."""

    wanted: Wanted
    handlers: Sequence[HandlerPlan]
    by_type: Mapping[str, int]
    units: int

    @property
    def deliveries(self) -> int:
        """How many deliveries become due or run again."""
        return sum(one.retried + one.rerun for one in self.handlers)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One transaction of a replay: failed deliveries made due, or one stream run again, or one event's mails anew."""

    kind: str
    handler: str = ""
    number: int = 0
    event_type: str | None = None
    stream: str | None = None
    aggregate_type: str | None = None
    aggregate_id: str | None = None
    shard: int = 0
    first: int = 0
    selected: int = 0
    event_id: str | None = None

    @property
    def label(self) -> str:
        """What it is, in words."""
        if self.kind == "retry":
            return f"Retry {self.selected:,} × {self.event_type} for {self.handler}"
        if self.kind == "resend":
            return f"Make the mails about {self.event_type} {self.event_id} anew"
        return f"Run {self.handler} again over {self.key}"

    @property
    def key(self) -> str:
        """Which stream or aggregate it is about, where it is one."""
        return self.stream or f"{self.aggregate_type}:{self.aggregate_id}"

    def as_data(self) -> dict[str, Any]:
        """Return it as a run keeps it."""
        return {name: value for name, value in asdict(self).items() if value not in {None, ""}}


def make_plan(wanted: Wanted) -> Plan:
    """Return what a replay would do. Raises NotFound for an unknown handler, RuleBroken for an empty selection."""
    _check(wanted)
    found: dict[str, HandlerPlan] = {}
    by_type: Counter[str] = Counter()
    units = 0
    for name, event_type, state, count in db.session.execute(_counted(wanted)):
        declared = HANDLERS.get(name)
        plan = found.setdefault(name, HandlerPlan(handler=name, effect=declared.effect if declared else ""))
        kind = _kind_of(state, name)
        setattr(plan, kind, getattr(plan, kind) + count)
        if kind in {"retried", "rerun"}:
            by_type[event_type] += count
        units += kind == "retried"
    for name, streams in _stream_counts(wanted).items():
        found[name].streams = streams
        units += streams
    return Plan(
        wanted=wanted,
        handlers=sorted(found.values(), key=lambda one: one.handler),
        by_type=dict(by_type.most_common()),
        units=units,
    )


def _check(wanted: Wanted) -> None:
    if wanted.handler is not None:
        actions.number_of(wanted.handler)
    try:
        if wanted.types is not None:
            names_matching(wanted.types)
        if wanted.aggregate_type is not None:
            check_aggregate_type(wanted.aggregate_type)
    except UnknownName as error:
        raise RuleBroken("UNKNOWN_NAME", str(error)) from error


def _kind_of(state: str, name: str) -> str:
    if state == "handled":
        declared = HANDLERS.get(name)
        if declared is None:
            return "unknown"
        return "rerun" if declared.effect == "projection" else "done_before"
    return {"dead": "retried", "retrying": "retried"}.get(state, state)


def _counted(wanted: Wanted) -> Select[Any]:
    columns = (Subscription.name, EventRow.event_type, state_of_delivery().label("standing"), func.count())
    found: Select[Any] = (
        matched(wanted, select(*columns))
        .group_by(Subscription.name, EventRow.event_type, literal_column("standing"))
        .order_by(Subscription.name)
    )
    return found


def matched(wanted: Wanted, statement: Any) -> Any:
    """Add what is selected: log ⋈ events ⋈ subscriptions, with what is known of each delivery."""
    statement = (
        statement.select_from(EventLog)
        .join(EventRow, EventRow.id == EventLog.event_id)
        .join(Subscription, Subscription.event_type == EventRow.event_type)
        .outerjoin(Handled, Handled.position == EventLog.position)
        .outerjoin(
            DeferredDelivery,
            (DeferredDelivery.position == EventLog.position) & (DeferredDelivery.handler == Subscription.handler),
        )
        .where(
            EventLog.position > Subscription.since_position,
            Subscription.until_position.is_(None) | (EventLog.position <= Subscription.until_position),
        )
    )
    conditions: list[ColumnElement[bool]] = []
    if wanted.handler is not None:
        conditions.append(Subscription.name == wanted.handler)
    if wanted.types is not None:
        conditions.append(EventRow.event_type.in_(names_matching(wanted.types)))
    if wanted.aggregate_type is not None:
        conditions.append(EventRow.aggregate_type == wanted.aggregate_type)
    if wanted.aggregate_id is not None:
        conditions.append(EventRow.aggregate_id == wanted.aggregate_id)
    if wanted.since is not None:
        conditions.append(EventRow.occurred_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(EventRow.occurred_at < wanted.until)
    if wanted.up_to is not None:
        conditions.append(EventLog.position <= wanted.up_to)
    if wanted.is_dead_only:
        conditions.append(DeferredDelivery.state == "dead")
    return statement.where(*conditions)


def _is_handled() -> ColumnElement[bool]:
    if db.session.get_bind().dialect.name == "postgresql":
        return func.coalesce(Subscription.handler == any_(Handled.handlers), False)
    each = func.json_each(Handled.handlers).table_valued("value")
    return exists(select(each.c.value).where(each.c.value == Subscription.handler))


def state_of_delivery() -> ColumnElement[str]:
    """Return the column that says how a delivery stands, for `matched`."""
    return case(
        (DeferredDelivery.state.in_((*OPEN_STATES, "dismissed")), DeferredDelivery.state),
        (_is_handled(), "handled"),
        else_="pending",
    )


def _streams(wanted: Wanted, *, key: str, names: Sequence[str]) -> Select[Any]:
    """Return each key over which handlers of this kind would run again, with its first selected event."""
    of_stream: tuple[Any, ...] = (EventRow.stream,)
    of_aggregate: tuple[Any, ...] = (EventRow.aggregate_type, EventRow.aggregate_id)
    columns = of_stream if key == "stream" else of_aggregate
    shard = func.min(EventRow.shard)
    statement = select(
        Subscription.name, Subscription.handler, shard, func.min(EventLog.position), func.count(), *columns
    )
    found: Select[Any] = (
        matched(wanted, statement)
        .where(Subscription.name.in_(names), Subscription.key == key, state_of_delivery() == "handled")
        .group_by(Subscription.name, Subscription.handler, *columns)
        .order_by(Subscription.name, func.min(EventLog.position))
    )
    return found


def _projections() -> list[str]:
    return sorted(name for name, handler in HANDLERS.items() if handler.effect == "projection")


def _stream_counts(wanted: Wanted) -> Counter[str]:
    found: Counter[str] = Counter()
    for key in ("aggregate", "stream"):
        inner = _streams(wanted, key=key, names=_projections()).order_by(None).subquery()
        rows = db.session.execute(select(inner.c.name, func.count()).group_by(inner.c.name))
        found.update({str(name): int(count) for name, count in rows})
    return found


def list_units(wanted: Wanted, *, with_mails: bool = False) -> Iterator[Unit]:
    """Return the units of a replay, in the order in which they are to be done. Raises as `make_plan` does."""
    _check(wanted)
    retried: dict[tuple[str, str], int] = defaultdict(int)
    for name, event_type, state, count in db.session.execute(_counted(wanted)).all():
        if state in RETRIED:
            retried[name, event_type] += count
    for (name, event_type), count in sorted(retried.items()):
        yield Unit(kind="retry", handler=name, event_type=event_type, selected=count)
    for key in ("aggregate", "stream"):
        for name, number, shard, first, count, *values in db.session.execute(
            _streams(wanted, key=key, names=_projections())
        ).all():
            which = (
                {"stream": values[0]}
                if key == "stream"
                else {"aggregate_type": values[0], "aggregate_id": str(values[1])}
            )
            yield Unit(kind="rerun", handler=name, number=number, shard=shard, first=first, selected=count, **which)
    if with_mails:
        yield from _mail_units(wanted)


def digest_of_plan(wanted: Wanted) -> str:
    """Return what names the deliveries of a plan, so that another plan of as many is noticed. Raises as `make_plan`."""
    failed = matched(wanted, select(Subscription.handler, EventLog.position)).where(DeferredDelivery.state.in_(RETRIED))
    units = [unit.as_data() for unit in list_units(wanted)]
    return digest_of([*units, *([number, position] for number, position in db.session.execute(failed))])


def _mail_units(wanted: Wanted) -> Iterator[Unit]:
    columns = (EventLog.position, EventRow.event_id, EventRow.event_type)
    rows = db.session.execute(matched(wanted, select(*columns)).distinct().order_by(EventLog.position)).all()
    for _position, event_id, event_type in rows:
        yield Unit(kind="resend", event_type=event_type, event_id=str(event_id))
