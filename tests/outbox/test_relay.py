"""The bell, the relay and the clock: who is woken, and who makes up for what got lost."""

import dataclasses
import threading
from datetime import timedelta

import pytest
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import text

from karokar.kernel import clock
from karokar.kernel.db import transaction
from karokar.kernel.schedule import JOBS, Job
from karokar.outbox import wakeup
from karokar.outbox.delivery import subscriptions
from karokar.outbox.delivery.drain import drain
from karokar.outbox.models import Start
from karokar.outbox.processes import relay, scheduler, upkeep, worker
from karokar.outbox.processes.leases import Lease
from karokar.supervisor.process import wait_until
from karokar.worker import make_worker
from tests.outbox import things
from tests.outbox.things import make_moved, make_thing, move_thing, sequences, subscribe


@pytest.fixture
def bus_without_redis(databases, tmp_path):
    """The dispatcher is a worker, and Redis is away."""
    url = f"unix://{tmp_path / 'nobody.sock'}"
    config = dataclasses.replace(databases.config("sqlite"), redis_url=url, event_bus_dispatcher="worker")
    with databases.fresh_app("sqlite", config) as app, things.in_the_catalog():
        things.make_tables()
        yield app


def test_the_relay_delivers_itself_while_redis_is_away(bus_without_redis):
    subscribe("watch")
    subscriptions.sync()
    thing_id = make_moved(1)
    relay.poll()
    assert sequences("watch", thing_id) == [1, 2]


def test_the_relay_rings_and_an_old_event_it_delivers_itself(app_with_redis):
    with things.in_the_catalog():
        things.make_tables()
        subscribe("watch")
        subscriptions.sync()
        with clock.standing_at(clock.now() - timedelta(seconds=5)):
            thing_id = make_moved(0)
        relay.poll()
        assert sequences("watch", thing_id) == [1]


def test_while_a_worker_is_awake_a_ring_queues_no_job_and_afterwards_one_does(app_with_redis, monkeypatch):
    monkeypatch.setattr(worker, "AWAKE_SECONDS", 0.0)
    with things.in_the_catalog():
        things.make_tables()
        subscribe("watch")
        subscriptions.sync()
        assert wait_until(wakeup.hold, within=20)
        thing_id = make_moved(2)
        assert wakeup.count_wake_ups() == 0
        worker.attend()
        assert sequences("watch", thing_id) == [1, 2, 3]
        move_thing(thing_id)
        assert wakeup.count_wake_ups() == 1


def test_the_bell_of_a_worker_that_died_awake_rings_again(app_with_redis):
    assert wait_until(wakeup.hold, within=20)
    assert wait_until(lambda: wakeup.wake() and wakeup.count_wake_ups() == 1, within=20)


def test_jobs_queued_by_the_version_before_are_worked_off(app_with_redis):
    """The name is written out, because it is what stands in Redis whatever the code is called."""
    with things.in_the_catalog():
        things.make_tables()
        subscribe("watch")
        subscriptions.sync()
        assert wait_until(wakeup.hold, within=20)
        thing_id = make_moved(0)
        redis = wakeup.connection()
        queued = Queue("events", connection=redis, serializer=JSONSerializer)
        queued.enqueue_call("karokar.outbox.drain.attend", result_ttl=0, failure_ttl=0)
        make_worker(app_with_redis, wakeup.QUEUE, wakeup.JOB, worker.attend, redis).work(
            burst=True, logging_level="ERROR"
        )
        assert sequences("watch", thing_id) == [1]


def test_the_version_before_knows_the_jobs_of_this_one(app_with_redis):
    assert wait_until(lambda: wakeup.wake() and wakeup.count_wake_ups() == 1, within=20)
    queued = Queue("events", connection=wakeup.connection(), serializer=JSONSerializer)
    assert [job.func_name for job in queued.jobs] == ["karokar.outbox.drain.attend"]


def test_without_workers_the_relay_delivers_events(databases):
    config = dataclasses.replace(
        databases.config("sqlite"), event_bus_dispatcher="none", event_bus_delivery_interval_ms=50
    )
    with databases.fresh_app("sqlite", config) as app, things.in_the_catalog():
        things.make_tables()
        subscribe("watch")
        stop = threading.Event()
        relaying = threading.Thread(target=relay.run, args=(app, stop), daemon=True)
        relaying.start()
        try:
            token = make_thing()
            assert wait_until(lambda: sequences("watch", token.aggregate_id) == [1], within=20)
        finally:
            stop.set()
            relaying.join()


def test_a_lease_is_held_by_one_and_ends_by_itself(any_app):
    first, second = Lease("test", 30), Lease("test", 30)
    assert first.hold()
    assert first.hold()
    assert not second.hold()
    with transaction() as session:
        session.execute(text("update leases set until = :then"), {"then": "2020-01-01 00:00:00.000000"})
    assert second.hold()


def test_a_lease_that_ends_later_than_its_length_from_now_is_void(any_app):
    """The machine's clock was an hour ahead, was put right, and the relay was started again."""
    with clock.standing_at(clock.now() + timedelta(hours=1)):
        assert Lease("test", 30).hold()
    assert Lease("test", 30).hold()
    with clock.standing_at(clock.now() + timedelta(seconds=1)):
        assert Lease("other", 30).hold()
    assert not Lease("other", 30).hold(), "the clock of whoever holds it was read a moment later"


def test_a_relay_whose_clock_was_ahead_delivers_what_was_published_then(app_with_redis):
    with things.in_the_catalog():
        things.make_tables()
        subscribe("watch")
        subscriptions.sync()
        with clock.standing_at(clock.now() + timedelta(hours=1)):
            thing_id = make_moved(0)
        relay.poll()
        assert sequences("watch", thing_id) == [1]


def test_a_retry_that_was_put_off_by_a_clock_that_was_ahead_is_due(quick_bus):
    is_broken = [True]

    def fail(_given):
        if is_broken[0]:
            raise ZeroDivisionError

    subscribe("watch", does=fail)
    subscriptions.sync()
    with clock.standing_at(clock.now() + timedelta(hours=3)):
        thing_id = make_moved(0)
        drain()
    is_broken[0] = False
    drain()
    assert sequences("watch", thing_id) == [], "it waits for a time that is hours away"
    upkeep.release_what_is_known_now()
    drain()
    assert sequences("watch", thing_id) == [1]


def test_a_start_that_a_clock_noted_ahead_of_now_is_a_lost_worker(quick_bus):
    subscribe("watch")
    subscriptions.sync()
    thing_id = make_moved(0)
    with transaction() as session:
        shard, position = session.execute(text("select shard, position from event_log")).one()
        session.add(Start(shard=shard, until=position, at=clock.now() + timedelta(hours=1)))
    drain()
    assert sequences("watch", thing_id) == [1]


def test_a_clock_job_that_fails_stops_no_other(quick_bus):
    done = []

    def fail():
        raise ValueError("no")

    scheduler.run_job(Job("test.fail", 1, fail))
    scheduler.run_job(Job("test.work", 1, lambda: done.append(1)))
    assert done == [1]
    assert "outbox.drop_old_notes" in JOBS
