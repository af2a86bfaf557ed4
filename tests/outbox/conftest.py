"""One bus on each database, drained by a call and by an RQ worker: what holds for one must hold for all."""

import dataclasses
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from karokar.kernel.db import db, transaction
from karokar.outbox.delivery import deferred, subscriptions
from karokar.outbox.delivery.drain import drain
from karokar.outbox.monitoring.verify import verify
from karokar.outbox.processes.worker import attend
from karokar.outbox.wakeup import JOB, QUEUE
from karokar.supervisor.process import wait_until
from tests.outbox import things
from tests.servers import keeper, pgbouncer

BUSES = [
    pytest.param(("sqlite", "called"), id="sqlite-called"),
    pytest.param(("sqlite", "rq"), id="sqlite-rq"),
    pytest.param(("postgresql", "called"), id="postgresql-called", marks=pytest.mark.postgresql),
    pytest.param(("postgresql", "rq"), id="postgresql-rq", marks=pytest.mark.postgresql),
]


@dataclasses.dataclass
class Bus:
    """The engine as the tests drive it."""

    app: Flask
    once: Callable[[], None]

    def deliver(self) -> None:
        """Deliver what waits now; what failed waits for its time."""
        self.once()
        db.session.rollback()

    def settle(self, rounds: int = 50) -> None:
        """Deliver until nothing runs again by itself."""
        for _ in range(rounds):
            self.deliver()
            with transaction() as session:
                deferred.make_all_due(session)
                if not deferred.is_anything_retrying(session):
                    return
        raise AssertionError("Deliveries go on without end.")


@pytest.fixture(params=BUSES)
def bus(request, databases) -> Iterator[Bus]:
    kind, by = request.param
    config = dataclasses.replace(databases.config(kind), event_bus_max_attempts=3, event_bus_retry_base_ms=60_000)
    if by == "rq":
        url = request.getfixturevalue("redis_url")
        config = dataclasses.replace(config, redis_url=url, event_bus_dispatcher="worker")
    with databases.fresh_app(kind, config) as app, things.in_the_catalog():
        things.make_tables()
        yield Bus(app, _worked_off(app) if by == "rq" else _called)
        # Whatever a test did to it, the engine can account for every delivery.
        assert verify().problems == {}


@pytest.fixture
def pg_bus(databases) -> Iterator[Bus]:
    """The bus on PostgreSQL alone, for what only it has."""
    with databases.fresh_app("postgresql") as app, things.in_the_catalog():
        things.make_tables()
        yield Bus(app, _called)
        assert verify().problems == {}


@pytest.fixture
def pooled_bus(request, databases) -> Iterator[Bus]:
    """The bus on PostgreSQL behind a pooler in transaction mode, drained by RQ workers."""
    try:
        with keeper.once("pgbouncer-provided"):
            pgbouncer.provide()
    except RuntimeError as error:
        pytest.skip(str(error))
    config = dataclasses.replace(
        databases.pooled_config(),
        event_bus_max_attempts=3,
        event_bus_retry_base_ms=60_000,
        redis_url=request.getfixturevalue("redis_url"),
        event_bus_dispatcher="worker",
    )
    with databases.fresh_app("postgresql", config) as app, things.in_the_catalog():
        things.make_tables()
        yield Bus(app, _worked_off(app))
        assert verify().problems == {}


@pytest.fixture
def quick_bus(databases) -> Iterator[Bus]:
    """The bus on SQLite, drained by a call, for what does not depend on either."""
    config = dataclasses.replace(databases.config("sqlite"), event_bus_max_attempts=3, event_bus_retry_base_ms=60_000)
    with databases.fresh_app("sqlite", config) as app, things.in_the_catalog():
        things.make_tables()
        yield Bus(app, _called)
        assert verify().problems == {}


def _called() -> None:
    subscriptions.sync()
    drain()


def _worked_off(app: Flask) -> Callable[[], None]:
    from karokar.outbox import wakeup
    from karokar.worker import make_worker

    def is_rung() -> bool:
        wakeup.clear()
        return bool(wakeup.wake() and wakeup.count_wake_ups())

    def deliver() -> None:
        subscriptions.sync()
        # A Redis that was slow once is left in peace for two seconds; here it is asked until it was told.
        assert wait_until(is_rung, within=20)
        worker = make_worker(app, QUEUE, JOB, attend, wakeup.connection())
        worker.work(burst=True, logging_level="ERROR")

    return deliver
