"""What the conformance suite does not reach: single parts of the engine, and what only one database has."""

import dataclasses
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select, text

from karokar.events.bus import PublishedOutsideAction, publish
from karokar.events.handlers import HANDLERS, handles
from karokar.kernel import clock
from karokar.kernel.db import action, db, transaction
from karokar.kernel.errors import Busy, StaleVersion
from karokar.kernel.ids import new_id
from karokar.outbox.delivery import batch, isolated, retry, subscriptions
from karokar.outbox.delivery.deferred import ENDED_THE_WORKER, make_all_due, pause_after
from karokar.outbox.delivery.drain import drain
from karokar.outbox.models import DeferredDelivery, EventLog, EventRow, Handled, Start, Subscription
from karokar.outbox.monitoring.verify import verify
from karokar.outbox.store import open_store
from tests.outbox.test_conformance import Poison
from tests.outbox.things import Thing, ThingMoved, effects, make_moved, make_thing, move_thing, sequences, subscribe

# Recording ------------------------------------------------------------------------------------------------------------


def test_an_event_published_outside_an_action_is_refused(quick_bus):
    with pytest.raises(PublishedOutsideAction):
        publish(ThingMoved(thing_id=new_id(), group_id=new_id(), number=1))


def test_an_event_about_an_aggregate_that_is_not_there_is_refused(quick_bus):
    with pytest.raises(LookupError, match="before deleting"), transaction():
        publish(ThingMoved(thing_id=new_id(), group_id=new_id(), number=1))


def test_the_aggregates_row_and_its_event_are_written_by_one_transaction(pg_bus):
    thing_id = make_moved(1)
    of_thing = db.session.execute(text("select xmin::text from test_things where id = :id"), {"id": thing_id}).scalar()
    of_event = db.session.execute(text("select xmin::text from events order by id desc limit 1")).scalar()
    db.session.rollback()
    assert of_thing == of_event


def test_of_two_people_at_one_aggregate_the_second_is_told(pg_bus):
    thing_id = make_thing().aggregate_id
    has_read, may_write = threading.Event(), threading.Event()
    refusals = []

    @action
    def move_slowly():
        thing = db.session.get_one(Thing, thing_id)
        has_read.set()
        may_write.wait(10)
        thing.number += 1
        publish(ThingMoved(thing_id=thing.id, group_id=thing.group_id, number=thing.number))

    def be_second():
        with pg_bus.app.app_context():
            try:
                move_slowly()
            except StaleVersion as error:
                refusals.append(error)

    second = threading.Thread(target=be_second)
    second.start()
    has_read.wait(10)
    move_thing(thing_id)
    may_write.set()
    second.join()
    assert len(refusals) == 1
    assert len(db.session.scalars(select(EventRow)).all()) == 2


# Positions ------------------------------------------------------------------------------------------------------------


def test_no_reader_skips_an_event_of_concurrent_writers_though_a_naive_one_does(pg_bus):
    """Sixteen writers commit out of order, some roll back, one stays open; `id > last seen` loses what comes late."""
    groups = [new_id() for _ in range(4)]
    is_over = threading.Event()
    seen, naive = [], []

    @action
    def make_slowly(pause: float, *, is_refused: bool) -> None:
        make_thing(groups[int(pause * 1000) % 4])
        time.sleep(pause)
        if is_refused:
            raise ValueError

    def write(number: int) -> None:
        with pg_bus.app.app_context():
            for turn in range(6):
                try:
                    make_slowly((number * 7 + turn * 5) % 16 / 300, is_refused=turn == number % 6)
                except ValueError:
                    continue

    def read() -> None:
        with pg_bus.app.app_context(), open_store() as store:
            while True:
                is_last = is_over.is_set()
                store.sequence()
                log = "select event_id from event_log where position > :last order by position"
                with db.engine.connect() as connection:
                    seen.extend(connection.scalars(text(log), {"last": len(seen)}))
                    rows = connection.scalars(
                        text("select id from events where id > :last order by id"), {"last": naive[-1] if naive else 0}
                    )
                    naive.extend(rows)
                if is_last:
                    return

    held = db.engine.connect()
    held.execute(text("select pg_current_xact_id()"))
    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in (reader, *writers):
        thread.start()
    for writer in writers:
        writer.join()
    is_over.set()
    reader.join()
    held.close()
    committed = set(db.session.scalars(select(EventRow.id)))
    assert len(committed) == 80
    assert len(seen) == len(set(seen))
    assert set(seen) == committed
    assert set(naive) < committed, "the counter-example lost nothing: then this test proves nothing"


def test_the_log_goes_on_after_a_restore_into_a_younger_cluster(pg_bus):
    make_moved(1)
    with open_store() as store:
        store.sequence()
        assert not store.rebase_after_restore()
        with transaction() as session:
            session.execute(text("update ticks set snapshot = '900000000:900000000:'"))
        make_moved(0)
        store.sequence()
        assert store.newest_position() == 2, "the sequencer takes new events for seen"
        assert store.rebase_after_restore()
        assert store.newest_position() == 3
        make_moved(0)
        store.sequence()
        assert store.newest_position() == 4


# Lost workers ---------------------------------------------------------------------------------------------------------


def leave_a_start(age: timedelta) -> None:
    shard = db.session.scalars(select(EventRow.shard)).first()
    with transaction() as session:
        session.execute(insert(Start).values(shard=shard, until=100, at=clock.now() - age))


def let_signs_of_life_age() -> None:
    with transaction() as session:
        for table in ("starts", "progress"):
            session.execute(text(f"update {table} set at = '2026-01-01 00:00:00.000000'"))
        make_all_due(session)


def test_a_shard_at_which_somebody_just_began_is_left_alone(quick_bus):
    subscribe("watch")
    make_moved(0)
    leave_a_start(timedelta(0))
    quick_bus.deliver()
    assert effects("watch") == []


def test_after_a_lost_worker_each_delivery_is_begun_in_writing(quick_bus):
    subscribe("watch")
    subscribe("watch_lists", many=True)
    thing_id = make_moved(2)
    leave_a_start(timedelta(seconds=2))
    quick_bus.settle()
    assert sequences("watch", thing_id) == [1, 2, 3]
    rows = db.session.scalars(select(DeferredDelivery).order_by(DeferredDelivery.position)).all()
    # The loss was an attempt of the first of each key; those behind it had none before.
    assert [(row.state, row.started, row.failed) for row in rows] == [("done", 2, 0)] * 2 + [("done", 1, 0)] * 4
    assert [len(row.handlers) for row in db.session.scalars(select(Handled))] == [2, 2, 2]


def test_a_loss_changes_nothing_where_the_worker_was_only_late_and_is_done_first(quick_bus, monkeypatch):
    subscribe("watch")
    subscriptions.sync()
    thing_id = make_moved(1)
    leave_a_start(timedelta(seconds=2))
    make_up = isolated.defer

    def come_second(*arguments, **options):
        monkeypatch.setattr(isolated, "defer", make_up)
        with transaction() as session:
            session.execute(delete(Start))
        drain()
        assert sequences("watch", thing_id) == [1, 2]
        return make_up(*arguments, **options)

    monkeypatch.setattr(isolated, "defer", come_second)
    drain()
    quick_bus.settle()
    assert sequences("watch", thing_id) == [1, 2]
    assert db.session.scalars(select(DeferredDelivery)).all() == []


def test_what_the_version_before_began_beyond_the_progress_comes_to_its_end_once(quick_bus):
    subscribe("watch")
    subscribe("watch_late")
    subscriptions.sync()
    thing_id = make_moved(1)
    numbers = {row.name: row.handler for row in db.session.scalars(select(Subscription))}
    first = db.session.scalars(select(EventLog).order_by(EventLog.position)).first()
    with transaction() as session:
        event = session.get_one(EventRow, first.event_id)
        for name, state in (("test.watch", "done"), ("test.watch_late", "retrying")):
            session.add(
                DeferredDelivery(
                    handler=numbers[name], position=first.position, event_id=event.id, shard=event.shard,
                    stream=f"{event.aggregate_type}:{event.aggregate_id}", state=state, started=1, due_at=clock.now(),
                    since=clock.now(),
                )
            )  # fmt: skip
    leave_a_start(timedelta(seconds=2))
    quick_bus.settle()
    assert sequences("watch", thing_id) == [2]
    assert sequences("watch_late", thing_id) == [1, 2]
    assert verify().problems == {}


class Killed(BaseException):
    """Ends a worker where a handler is at work."""


def make_up_and_die() -> None:
    """Be another worker that takes the first one for lost, and dies at the second delivery."""
    let_signs_of_life_age()
    with pytest.raises(Killed):
        drain()


@pytest.fixture
def dies_second(quick_bus):
    """Two handlers; the second one ends its worker while this is true."""
    dies = [True]

    def die(_given):
        if dies[0]:
            dies[0] = False
            raise Killed

    subscribe("watch")
    subscribe("watch_late", does=die)
    subscriptions.sync()
    return dies


def test_of_two_that_make_up_for_a_loss_at_once_none_does_what_the_other_did(quick_bus, dies_second, monkeypatch):
    thing_id = make_moved(1)
    leave_a_start(timedelta(seconds=2))
    run_again = retry.again_while_passing

    def let_the_other_first(run):
        monkeypatch.setattr(retry, "again_while_passing", run_again)
        make_up_and_die()
        return run_again(run)

    monkeypatch.setattr(retry, "again_while_passing", let_the_other_first)
    drain()
    let_signs_of_life_age()
    quick_bus.settle()
    assert sequences("watch", thing_id) == [1, 2]
    assert sequences("watch_late", thing_id) == [1, 2]


def test_a_late_worker_does_not_do_again_what_was_made_up_for_it(quick_bus, dies_second, monkeypatch):
    thing_id = make_moved(1)
    deliver = batch._deliver_together

    def be_late(*arguments):
        monkeypatch.setattr(batch, "_deliver_together", deliver)
        make_up_and_die()
        return deliver(*arguments)

    monkeypatch.setattr(batch, "_deliver_together", be_late)
    drain()
    let_signs_of_life_age()
    quick_bus.settle()
    assert sequences("watch", thing_id) == [1, 2]
    assert sequences("watch_late", thing_id) == [1, 2]


def test_a_delivery_that_ends_every_worker_is_given_up(quick_bus):
    subscribe("watch")
    poison = Poison(make_moved(1))
    subscribe("suffer", does=poison)
    quick_bus.deliver()
    with transaction() as session:
        row = session.scalars(select(DeferredDelivery).where(DeferredDelivery.state == "retrying")).one()
        row.started, row.failed, row.due_at = 3, 0, clock.now()
    poison.is_potent = False
    quick_bus.deliver()
    row = db.session.scalars(select(DeferredDelivery).where(DeferredDelivery.state == "dead")).one()
    assert row.error == ENDED_THE_WORKER
    assert effects("suffer") == []


def test_what_the_database_refuses_for_a_while_is_no_failure(quick_bus):
    refusing = [True]

    def refuse(_given):
        if refusing[0]:
            raise Busy

    subscribe("watch", does=refuse)
    thing_id = make_moved(1)
    quick_bus.deliver()
    assert db.session.scalars(select(Start)).all() == []
    leave_a_start(timedelta(seconds=2))
    quick_bus.deliver()
    rows = db.session.scalars(select(DeferredDelivery).order_by(DeferredDelivery.position)).all()
    # The lost worker's attempt alone counts.
    assert [(row.state, row.started, row.failed) for row in rows] == [("retrying", 1, 0), ("waiting", 0, 0)]
    refusing[0] = False
    let_signs_of_life_age()
    quick_bus.settle()
    assert sequences("watch", thing_id) == [1, 2]


def test_pauses_double_and_are_spread_and_end_at_an_hour(quick_bus):
    quick_bus.app.config["KAROKAR"] = dataclasses.replace(quick_bus.app.config["KAROKAR"], event_bus_retry_base_ms=1000)
    seconds = [pause_after(failed).total_seconds() for failed in (1, 2, 3, 4)]
    for number, pause in enumerate(seconds):
        assert 0.5 * 2**number <= pause <= 1.5 * 2**number
    assert pause_after(60) == timedelta(hours=1)


# Subscriptions --------------------------------------------------------------------------------------------------------


def test_a_handler_of_an_event_that_does_not_exist_stops_the_start(quick_bus):
    handles("TestNothing*", description="Waits for nothing.")(lambda _envelope: None)
    with pytest.raises(LookupError, match="TestNothing"):
        subscriptions.sync()


def test_two_handlers_of_one_name_stop_the_start(quick_bus):
    subscribe("watch")
    with pytest.raises(ValueError, match=r"test\.watch"):
        subscribe("watch")


def test_subscribing_again_changes_nothing(quick_bus):
    subscribe("watch")
    subscriptions.sync()
    before = [(row.handler, row.event_type, row.since_position) for row in db.session.scalars(select(Subscription))]
    make_moved(1)
    subscriptions.sync()
    after = [(row.handler, row.event_type, row.since_position) for row in db.session.scalars(select(Subscription))]
    assert before == after


def test_a_handler_that_changes_its_key_keeps_what_is_open_in_order(quick_bus):
    group = new_id()
    ill, other = make_moved(1, group), make_moved(1, group)
    poison = Poison(ill)
    subscribe("suffer", does=poison)
    quick_bus.deliver()
    assert len(effects("suffer")) == 2
    del HANDLERS["test.suffer"]
    subscribe("suffer", does=poison, key="stream")
    move_thing(other)
    quick_bus.deliver()
    assert sequences("suffer", other) == [1, 2]
    poison.is_potent = False
    quick_bus.settle()
    assert sequences("suffer", ill) == [1, 2]
    assert sequences("suffer", other) == [1, 2, 3]
