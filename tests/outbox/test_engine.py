"""What the conformance suite does not reach: single parts of the engine, and what only one database has."""

import dataclasses
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, text

from karokar.events.bus import PublishedOutsideAction, publish
from karokar.kernel import clock
from karokar.kernel.db import action, db, transaction
from karokar.kernel.errors import Busy, StaleVersion
from karokar.kernel.ids import new_id
from karokar.kernel.schedule import JOBS, Job
from karokar.outbox import actions, background, batch, bell, careful, queries, relay, subscriptions
from karokar.outbox import drain as drains
from karokar.outbox.drain import drain, drain_all
from karokar.outbox.leases import Lease
from karokar.outbox.models import EventRow, Handled, Start, Subscription, Trouble
from karokar.outbox.registry import HANDLERS, handles
from karokar.outbox.store import open_store, store_class
from karokar.outbox.trouble import ENDED_THE_WORKER, pause_after
from karokar.supervisor.process import wait_until
from tests.outbox import things
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


# Shards together -------------------------------------------------------------------------------------------------------


def shards_of(*thing_ids) -> set[int]:
    found = db.session.scalars(select(EventRow.shard).where(EventRow.aggregate_id.in_(thing_ids)))
    return set(found)


def test_what_came_in_many_shards_is_delivered_in_one_transaction(pg_bus):
    given = []
    subscribe("watch", many=True, does=lambda envelopes: given.append(len(envelopes)))
    subscriptions.sync()
    thing_ids = [make_moved(1) for _ in range(10)]
    assert len(shards_of(*thing_ids)) > 1
    drain()
    assert given == [20]
    assert [sequences("watch", thing_id) for thing_id in thing_ids] == [[1, 2]] * 10
    transactions = db.session.execute(text("select count(distinct xmin::text) from handled")).scalar()
    assert transactions == 1


def test_a_shard_that_somebody_else_has_holds_up_no_other(pg_bus):
    subscribe("watch")
    subscriptions.sync()
    thing_ids = [make_moved(1) for _ in range(10)]
    taken, *others = sorted(shards_of(*thing_ids))
    assert others
    shard_of = {row.aggregate_id: row.shard for row in db.session.scalars(select(EventRow))}
    with db.engine.connect() as mine, mine.begin():
        assert store_class("postgresql").lock(mine, taken)
        drain(0.5)
        for thing_id in thing_ids:
            assert sequences("watch", thing_id) == ([] if shard_of[thing_id] == taken else [1, 2])
    drain()
    assert [sequences("watch", thing_id) for thing_id in thing_ids] == [[1, 2]] * 10
    assert db.session.scalars(select(Trouble)).all() == []


def test_what_fails_in_one_shard_is_no_matter_of_the_others(quick_bus):
    poison = []

    def suffer(envelope):
        if envelope.aggregate_id in poison:
            raise RuntimeError

    subscribe("watch", does=suffer)
    subscriptions.sync()
    thing_ids = [make_moved(1) for _ in range(10)]
    poison.append(thing_ids[0])
    drain()
    assert [sequences("watch", thing_id) for thing_id in thing_ids] == [[]] + [[1, 2]] * 9
    assert {row.stream for row in db.session.scalars(select(Trouble))} == {f"TestThing:{thing_ids[0]}"}


# What only waited -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["quick_bus", pytest.param("pg_bus", marks=pytest.mark.postgresql)])
def either_bus(request):
    return request.getfixturevalue(request.param)


def is_of_one_size() -> bool:
    """Whether a batch is as large as it may be; elsewhere it is as large as fits into a time."""
    return store_class(db.engine.dialect.name).slice_seconds is None


def wait_behind_a_pause(things_made: int, moves: int) -> list:
    subscriptions.sync()
    actions.pause_handler("test.watch")
    thing_ids = [make_moved(moves) for _ in range(things_made)]
    drain()
    assert effects("watch") == []
    return thing_ids


def test_what_waited_behind_a_pause_is_delivered_together_and_in_order(either_bus):
    given = []
    subscribe("watch", many=True, does=lambda envelopes: given.append([one.position for one in envelopes]))
    thing_ids = wait_behind_a_pause(things_made=6, moves=4)
    actions.resume_handler("test.watch")
    drain()
    assert [sequences("watch", thing_id) for thing_id in thing_ids] == [[1, 2, 3, 4, 5]] * 6
    if is_of_one_size():
        assert len(given) <= len(shards_of(*thing_ids)), "a batch per shard"
    assert all(positions == sorted(positions) for positions in given)
    assert {row.state for row in db.session.scalars(select(Trouble))} == {"done"}
    noted = db.session.scalars(
        select(Handled).where(Handled.position.in_([one for positions in given for one in positions]))
    )
    assert [len(row.handlers) for row in noted] == [1] * 30


def test_a_new_handler_is_given_the_whole_log_together(either_bus):
    thing_ids = [make_moved(4) for _ in range(6)]
    drain_all()
    given = []
    subscribe("late", from_start=True, many=True, does=lambda envelopes: given.append(len(envelopes)))
    subscriptions.sync()
    drain()
    assert [sequences("late", thing_id) for thing_id in thing_ids] == [[1, 2, 3, 4, 5]] * 6
    if is_of_one_size():
        assert len(given) <= len(shards_of(*thing_ids))


def test_one_that_fails_among_what_waited_holds_back_its_own_key_alone(either_bus):
    poison = []

    def suffer(envelope):
        if envelope.aggregate_id in poison and envelope.aggregate_seq == 2:
            raise RuntimeError

    subscribe("watch", does=suffer)
    subscriptions.sync()
    actions.pause_handler("test.watch")
    group_id = new_id()  # One stream, and so one shard: they would run together.
    thing_ids = [make_moved(3, group_id) for _ in range(4)]
    poison.append(thing_ids[0])
    drain()
    actions.resume_handler("test.watch")
    for _ in range(10):
        drain(0.5)
    assert [sequences("watch", thing_id) for thing_id in thing_ids] == [[1]] + [[1, 2, 3, 4]] * 3
    open_ones = db.session.scalars(select(Trouble).where(Trouble.state != "done").order_by(Trouble.position)).all()
    assert {row.stream for row in open_ones} == {f"TestThing:{thing_ids[0]}"}
    assert [row.state for row in open_ones][1:] == ["waiting", "waiting"]
    assert open_ones[0].failed > 0
    poison.clear()
    actions.retry_deliveries(actions.Selection(states=("dead", "retrying")))
    drain_all()
    assert [sequences("watch", thing_id) for thing_id in thing_ids] == [[1, 2, 3, 4]] * 4


def test_a_worker_that_ends_among_what_waited_is_made_up_for_one_by_one(either_bus):
    class Died(BaseException):
        pass

    dies = [True]

    def die(_envelopes):
        if dies.pop() if dies else False:
            raise Died

    subscribe("watch", many=True, does=die)
    thing_ids = wait_behind_a_pause(things_made=4, moves=2)
    actions.resume_handler("test.watch")
    with pytest.raises(Died):
        drain()
    db.session.rollback()
    drain_all()
    assert [sequences("watch", thing_id) for thing_id in thing_ids] == [[1, 2, 3]] * 4


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
        assert not store.mend()
        with transaction() as session:
            session.execute(text("update ticks set snapshot = '900000000:900000000:'"))
        make_moved(0)
        store.sequence()
        assert store.newest_position() == 2, "the sequencer takes new events for seen"
        assert store.mend()
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
    quick_bus.deliver()
    assert sequences("watch", thing_id) == [1, 2, 3]
    rows = db.session.scalars(select(Trouble)).all()
    assert {(row.state, row.started, row.failed) for row in rows} == {("done", 1, 0)}
    assert [len(row.handlers) for row in db.session.scalars(select(Handled))] == [2, 2, 2]


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
    run_again = careful.again_while_passing

    def let_the_other_first(run):
        monkeypatch.setattr(careful, "again_while_passing", run_again)
        make_up_and_die()
        return run_again(run)

    monkeypatch.setattr(careful, "again_while_passing", let_the_other_first)
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
        row = session.scalars(select(Trouble).where(Trouble.state == "retrying")).one()
        row.started, row.failed, row.due_at = 3, 0, clock.now()
    poison.is_potent = False
    quick_bus.deliver()
    row = db.session.scalars(select(Trouble).where(Trouble.state == "dead")).one()
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
    (row,) = db.session.scalars(select(Trouble)).all()
    assert (row.started, row.failed) == (0, 0)
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


# The bell, the relay and the clock ------------------------------------------------------------------------------------


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
    relay.look()
    assert sequences("watch", thing_id) == [1, 2]


def test_the_relay_rings_and_an_old_event_it_delivers_itself(app_with_redis):
    with things.in_the_catalog():
        things.make_tables()
        subscribe("watch")
        subscriptions.sync()
        with clock.standing_at(clock.now() - timedelta(seconds=5)):
            thing_id = make_moved(0)
        relay.look()
        assert sequences("watch", thing_id) == [1]


def test_while_a_worker_is_awake_a_ring_queues_no_job_and_afterwards_one_does(app_with_redis, monkeypatch):
    monkeypatch.setattr(drains, "AWAKE_SECONDS", 0.0)
    with things.in_the_catalog():
        things.make_tables()
        subscribe("watch")
        subscriptions.sync()
        assert wait_until(bell.hold, within=20)
        thing_id = make_moved(2)
        assert bell.count_rings() == 0
        drains.attend()
        assert sequences("watch", thing_id) == [1, 2, 3]
        move_thing(thing_id)
        assert bell.count_rings() == 1


def test_the_bell_of_a_worker_that_died_awake_rings_again(app_with_redis):
    assert wait_until(bell.hold, within=20)
    assert wait_until(lambda: bell.ring() and bell.count_rings() == 1, within=20)


def test_the_web_process_alone_delivers_events(databases):
    config = dataclasses.replace(
        databases.config("sqlite"), event_bus_dispatcher="web", event_bus_delivery_interval_ms=50
    )
    with databases.fresh_app("sqlite", config) as app, things.in_the_catalog():
        things.make_tables()
        subscribe("watch")
        background.start(app)
        try:
            token = make_thing()
            assert wait_until(lambda: sequences("watch", token.aggregate_id) == [1], within=20)
            assert queries.wait_for([token], ["test.watch"])
        finally:
            background.stop(app)


def test_nobody_waits_for_reactions_while_there_is_a_backlog(bus_without_redis):
    subscribe("watch")
    subscriptions.sync()
    with clock.standing_at(clock.now() - timedelta(seconds=5)):
        make_thing()
    # It would wait until the test's own end otherwise.
    assert not queries.wait_for([make_thing()], timeout_ms=600_000)
    drain_all()
    assert queries.wait_for([make_thing()], timeout_ms=10) is False
    drain()


def test_a_lease_is_held_by_one_and_ends_by_itself(any_app):
    first, second = Lease("test", 30), Lease("test", 30)
    assert first.hold()
    assert first.hold()
    assert not second.hold()
    with transaction() as session:
        session.execute(text("update leases set until = :then"), {"then": "2020-01-01 00:00:00.000000"})
    assert second.hold()


def test_a_clock_job_that_fails_stops_no_other(quick_bus):
    done = []

    def fail():
        raise ValueError("no")

    relay.run_job(Job("test.fail", 1, fail))
    relay.run_job(Job("test.work", 1, lambda: done.append(1)))
    assert done == [1]
    assert "outbox.drop_old_notes" in JOBS
