"""Everything that can happen to a delivery, in any order, against a model that fits on one page."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select, update

from karokar.events.handlers import HANDLERS
from karokar.kernel import clock
from karokar.kernel.db import db, transaction
from karokar.kernel.ids import new_id
from karokar.outbox.delivery import deferred, subscriptions
from karokar.outbox.delivery.batch import LOST_AFTER_SECONDS
from karokar.outbox.delivery.drain import drain
from karokar.outbox.models import DeferredDelivery, Progress, Start
from karokar.outbox.monitoring.verify import verify
from karokar.outbox.operations import actions
from karokar.outbox.operations.actions import Selection
from tests.factories.tampering import tamper
from tests.outbox import things
from tests.outbox.things import Effect, make_thing, move_thing, subscribe

STREAMS = 3


class Died(BaseException):
    """The worker is gone: nothing behind this runs, not even what handles errors."""


class Deliveries(RuleBasedStateMachine):
    """One handler per kind of key, over a few things in a few groups.

    The model: per handler and key, the events in order; the handler may have done a beginning of them, leaving out
    what a person dismissed.
    """

    def __init__(self) -> None:
        super().__init__()
        HANDLERS.clear()
        subscribe("by_aggregate", does=self.invoke)
        subscribe("by_stream", many=True, key="stream", does=self.invoke)
        subscribe("act", things.ThingMoved, effect="action", does=self.invoke)
        subscriptions.sync()
        self.groups = [new_id() for _ in range(STREAMS)]
        self.made: list[tuple[object, int]] = []
        self.count = 0
        self.ill: set[int] = set()
        self.dies = False
        self.is_paused = False

    def invoke(self, given) -> None:
        if self.dies:
            self.dies = False
            raise Died
        for envelope in given if isinstance(given, list) else [given]:
            if envelope.position in self.ill:
                raise ValueError("ill")

    @rule(group=st.integers(0, STREAMS - 1))
    def record(self, group: int) -> None:
        self.made.append((make_thing(self.groups[group]).aggregate_id, group))
        self.count += 1

    @precondition(lambda self: self.made)
    @rule(which=st.integers(0, 99))
    def record_more(self, which: int) -> None:
        move_thing(self.made[which % len(self.made)][0])
        self.count += 1

    @rule(position=st.integers(1, 12))
    def fall_ill(self, position: int) -> None:
        self.ill.add(position)

    @rule()
    def recover(self) -> None:
        self.ill.clear()

    @rule()
    def deliver(self) -> None:
        drain()

    @rule()
    def deliver_and_die(self) -> None:
        self.dies = True
        try:
            drain()
        except Died:
            db.session.rollback()
        self.dies = False

    @rule()
    def time_passes(self) -> None:
        with transaction() as session:
            deferred.make_all_due(session)
            for table in (Start, Progress):
                session.execute(update(table).values(at=clock.now() - timedelta(seconds=2 * LOST_AFTER_SECONDS)))

    @rule()
    def retry(self) -> None:
        actions.retry_deliveries(Selection(states=("dead", "retrying")))

    @precondition(lambda self: not self.is_paused)
    @rule()
    def pause(self) -> None:
        actions.pause_handler("test.by_stream")
        self.is_paused = True

    @precondition(lambda self: self.is_paused)
    @rule()
    def resume(self) -> None:
        actions.resume_handler("test.by_stream")
        self.is_paused = False

    @rule()
    def dismiss_the_dead(self) -> None:
        actions.dismiss_deliveries(Selection(), "So be it.")

    @invariant()
    def nothing_is_done_twice_or_out_of_order(self) -> None:
        seen: dict[tuple[str, object], list[int]] = defaultdict(list)
        for row in db.session.scalars(select(Effect).order_by(Effect.id)):
            key = row.group_id if row.handler == "test.by_stream" else row.aggregate_id
            seen[row.handler, key].append(row.position)
        db.session.rollback()
        for positions in seen.values():
            assert positions == sorted(set(positions))

    @invariant()
    def every_delivery_is_accounted_for(self) -> None:
        assert verify().problems == {}

    def teardown(self) -> None:
        """When all is well again, everything comes to its end: done, or dismissed by a person."""
        try:
            self.ill.clear()
            if self.is_paused:
                self.resume()
            for _ in range(30):
                self.time_passes()
                self.retry()
                drain()
            dismissed = len(
                db.session.scalars(select(DeferredDelivery).where(DeferredDelivery.state == "dismissed")).all()
            )
            done = len(db.session.scalars(select(Effect.id)).all())
            moves = self.count - len(self.made)
            assert done + dismissed == 2 * self.count + moves
        finally:
            _empty()


def _empty() -> None:
    tables = ("test_effects", "test_things", "events", "event_subjects", "progress", "starts", "handled",
              "troubles", "subscriptions", "sqlite_sequence")  # fmt: skip
    tamper(*(f"delete from {table}" for table in tables))


@pytest.fixture
def machine_app(quick_bus) -> Iterator[None]:
    _empty()
    yield
    subscriptions.sync()


def test_whatever_happens_nothing_is_lost_doubled_or_reordered(machine_app):
    run_state_machine_as_test(
        Deliveries,
        settings=settings(
            max_examples=8,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
