"""The engine's figures in Prometheus' format, for `/metrics`.

All of them are read from the database, so every process of every machine gives the same answer, a restart loses no
count, and nothing is counted for a transaction that was rolled back. Latencies are added up by the clock into one row
per shard; the rest is counted when asked.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, Float, and_, case, extract, func, select, type_coerce

from karokar.kernel import clock
from karokar.kernel.db import action, db
from karokar.kernel.schedule import every
from karokar.outbox.delivery import canary
from karokar.outbox.models import DeferredDelivery, EventLog, EventRow, Handled, LatencyCount, Verification
from karokar.outbox.monitoring.overview import HandlerState, handler_names, handler_states
from karokar.outbox.positions import progress_by_shard

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds in seconds; one more bucket takes what is beyond."""

# A clock that was set back makes a time below nothing: it belongs to the first bucket.
_BELOW_ALL = -1e9

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(others: Iterable[Metric] = ()) -> bytes:
    """Return all figures in the text format, and those that others have."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(list(others)))
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, others: Sequence[Metric]) -> None:
        self._others = others

    def collect(self) -> Iterator[Any]:
        states = handler_states()
        yield _latency()
        yield _failures()
        yield _dead_letters()
        yield from _of_handlers(states)
        yield from _of_canary()
        yield from _of_verification()
        yield from self._others


def _latency() -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "event_dispatch_latency", "Seconds from an event to its first handling, by all handlers of its batch."
    )
    buckets, seconds = [0] * (len(BUCKETS) + 1), 0.0
    for row in db.session.scalars(select(LatencyCount)):
        buckets = [total + count for total, count in zip(buckets, row.buckets, strict=True)]
        seconds += row.seconds
    running, cumulated = 0, []
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), buckets, strict=True):
        running += count
        cumulated.append((bound, running))
    family.add_metric([], cumulated, sum_value=seconds)
    return family


def _failures() -> CounterMetricFamily:
    family = CounterMetricFamily("event_dispatch_failures", "Failed attempts to deliver.", labels=["handler"])
    names = handler_names()
    rows = dict.fromkeys(names.values(), 0)
    for number, failed in db.session.execute(
        select(DeferredDelivery.handler, func.sum(DeferredDelivery.failed)).group_by(DeferredDelivery.handler)
    ):
        rows[names.get(number, str(number))] = int(failed)
    for name, failed in sorted(rows.items()):
        family.add_metric([name], failed)
    return family


def _dead_letters() -> CounterMetricFamily:
    family = CounterMetricFamily("event_dead_letter", "Deliveries that were given up.", labels=["handler"])
    handler = EventRow.payload["handler"].as_string()
    rows = dict.fromkeys(handler_names().values(), 0)
    for name, count in db.session.execute(
        select(handler, func.count()).where(EventRow.event_type == "DeliveryDeadLettered").group_by(handler)
    ):
        rows[name] = int(count)
    for name, count in sorted(rows.items()):
        family.add_metric([name], count)
    return family


def _of_handlers(states: list[HandlerState]) -> Iterator[GaugeMetricFamily]:
    now = clock.now()
    age = GaugeMetricFamily(
        "event_oldest_undelivered_seconds", "Age of the oldest event that a handler has not taken.", labels=["handler"]
    )
    pending = GaugeMetricFamily("event_deliveries_pending", "Events not reached yet.", labels=["handler"])
    opened = GaugeMetricFamily("event_deliveries_open", "Deliveries in trouble.", labels=["handler", "state"])
    paused = GaugeMetricFamily("event_handler_paused", "1 while a person has paused the handler.", labels=["handler"])
    for state in states:
        age.add_metric([state.name], (now - state.oldest_at).total_seconds() if state.oldest_at else 0.0)
        pending.add_metric([state.name], state.lag)
        paused.add_metric([state.name], float(state.paused_at is not None))
        for kind in ("retrying", "waiting", "dead"):
            opened.add_metric([state.name, kind], state.open_by_state[kind])
    yield from (age, pending, opened, paused)


def _of_canary() -> Iterator[GaugeMetricFamily]:
    answer, now = canary.poll(), clock.now()
    if answer.seconds is not None:
        yield GaugeMetricFamily(
            "event_canary_seconds", "How long the newest canary took through the whole path.", value=answer.seconds
        )
    yield GaugeMetricFamily(
        "event_canary_waiting_seconds",
        "How long a canary has waited for its answer, 0 for none.",
        value=(now - answer.waiting_since).total_seconds() if answer.waiting_since else 0.0,
    )


def _of_verification() -> Iterator[GaugeMetricFamily]:
    last = db.session.scalars(select(Verification).order_by(Verification.id.desc()).limit(1)).one_or_none()
    if last is not None:
        yield GaugeMetricFamily(
            "event_undelivered_verify",
            "Deliveries that the last check found lost, doubled, reordered or stuck: has to be 0.",
            value=last.problems,
        )
        yield GaugeMetricFamily(
            "event_verified_seconds",
            "How long ago the last check looked.",
            value=(clock.now() - last.at).total_seconds(),
        )


# Adding up ------------------------------------------------------------------------------------------------------------


@every(15)
@action
def count_latencies() -> None:
    """Add up how long the events took that were handled since the last time."""
    known = {row.shard: row for row in db.session.scalars(select(LatencyCount))}
    for shard, reached in progress_by_shard().items():
        row = known.get(shard)
        if row is None:
            row = LatencyCount(shard=shard, position=0, buckets=[0] * (len(BUCKETS) + 1), seconds=0.0)
            db.session.add(row)
        if row.position < reached:
            counts, seconds = _added(shard, row.position, reached)
            row.buckets = [total + count for total, count in zip(row.buckets, counts, strict=True)]
            row.seconds += seconds
            row.position = reached


def _added(shard: int, after: int, until: int) -> tuple[list[int], float]:
    took = _took()
    buckets = [
        func.coalesce(func.sum(case((and_(took > lower, took <= upper), 1), else_=0)), 0)
        for lower, upper in pairwise((_BELOW_ALL, *BUCKETS))
    ]
    statement = (
        select(*buckets, func.count(), func.coalesce(func.sum(took), 0.0))
        .select_from(Handled)
        .join(EventLog, EventLog.position == Handled.position)
        .join(EventRow, EventRow.id == EventLog.event_id)
        .where(EventLog.shard == shard, EventLog.position > after, EventLog.position <= until)
    )
    *counts, total, seconds = db.session.execute(statement).one()
    inner = [int(count) for count in counts]
    return [*inner, max(0, int(total) - sum(inner))], float(seconds)


def _took() -> ColumnElement[float]:
    """Return the seconds between an event and its handling, as this database says it."""
    if db.session.get_bind().dialect.name == "sqlite":
        days = func.julianday(Handled.at) - func.julianday(EventRow.occurred_at)
        return type_coerce(days * 86400.0, Float)
    return type_coerce(extract("epoch", Handled.at - EventRow.occurred_at), Float)
