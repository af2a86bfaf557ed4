"""What is delivered together: events of several shards, and what only waited."""

import time

import pytest
from sqlalchemy import select, text

from karokar.kernel.db import db
from karokar.kernel.ids import new_id
from karokar.outbox.delivery import subscriptions
from karokar.outbox.delivery.drain import drain, drain_all
from karokar.outbox.models import DeferredDelivery, EventRow, Handled
from karokar.outbox.operations import actions
from karokar.outbox.store import store_class
from tests.outbox.things import ThingMade, effects, make_moved, make_thing, sequences, subscribe

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
    assert db.session.scalars(select(DeferredDelivery)).all() == []


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
    assert {row.stream for row in db.session.scalars(select(DeferredDelivery))} == {f"TestThing:{thing_ids[0]}"}


def test_a_shard_that_waits_behind_slow_ones_is_begun_anew(pg_bus):
    calls, oldest_notes = [], []

    def act(envelope):
        with db.engine.connect() as aside:
            now = aside.execute(text("select clock_timestamp()")).scalar()
            open_notes = aside.execute(
                text(
                    "select min(at) from starts where until >"
                    " (select coalesce(max(position), 0) from progress where progress.shard = starts.shard)"
                )
            ).scalar()
        calls.append(now)
        oldest_notes.append(open_notes)
        time.sleep(0.6)

    subscribe("act", ThingMade, effect="action", does=act)
    subscriptions.sync()
    thing_ids = [make_thing().aggregate_id for _ in range(4)]
    assert len(shards_of(*thing_ids)) > 1
    drain()
    assert len(calls) == 4
    # Notes that were left for so long would tell others that this worker was lost.
    assert all(note > call for call, note in zip(calls, oldest_notes[1:], strict=False))


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
    assert {row.state for row in db.session.scalars(select(DeferredDelivery))} == {"done"}
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
    open_ones = db.session.scalars(
        select(DeferredDelivery).where(DeferredDelivery.state != "done").order_by(DeferredDelivery.position)
    ).all()
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
