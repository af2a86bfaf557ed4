"""The promises of docs/events.md, each on both databases, drained by a call and by an RQ worker."""

from collections import Counter
from uuid import UUID

import pytest
from sqlalchemy import func, select

from karokar.events.base import LATEST
from karokar.events.bus import publish
from karokar.events.delivery import DeliveryDeadLettered, DeliveryRetried
from karokar.events.handlers import HANDLERS
from karokar.kernel.db import action, db
from karokar.kernel.errors import RuleBroken
from karokar.kernel.ids import new_id
from karokar.outbox.models import DeferredDelivery, EventRow, Handled, Progress, Subscription
from karokar.outbox.operations import actions
from karokar.outbox.operations.actions import Selection
from tests.factories.tampering import tamper
from tests.outbox.things import (
    Thing,
    ThingMade,
    ThingMoved,
    effects,
    make_moved,
    make_thing,
    move_thing,
    sequences,
    subscribe,
)


def deferred_rows(state: str) -> int:
    found = db.session.scalar(select(func.count()).select_from(DeferredDelivery).where(DeferredDelivery.state == state))
    db.session.rollback()
    return found


def events(event_type: str) -> list[EventRow]:
    return list(db.session.scalars(select(EventRow).where(EventRow.event_type == event_type).order_by(EventRow.id)))


# Atomic, nothing lost, effects once -----------------------------------------------------------------------------------


def test_a_refused_action_leaves_neither_its_change_nor_its_event(bus):
    subscribe("watch")

    @action
    def make_and_refuse():
        make_thing()
        raise RuleBroken("NO", "Not today.")

    with pytest.raises(RuleBroken):
        make_and_refuse()
    bus.settle()
    assert db.session.scalars(select(Thing)).all() == []
    assert events("TestThingMade") == []
    assert effects("watch") == []


def test_every_event_reaches_every_handler_once_and_a_further_drain_changes_nothing(bus):
    subscribe("watch")
    subscribe("watch_lists", many=True)
    subscribe("watch_moves", ThingMoved)
    made = [make_moved(3) for _ in range(8)]
    bus.settle()
    before = (len(effects("watch")), len(effects("watch_lists")), len(effects("watch_moves")))
    assert before == (32, 32, 24)
    for thing_id in made:
        assert sequences("watch", thing_id) == [1, 2, 3, 4]
        assert sequences("watch_lists", thing_id) == [1, 2, 3, 4]
    bus.settle()
    assert (len(effects("watch")), len(effects("watch_lists")), len(effects("watch_moves"))) == before


def test_one_row_per_event_tells_who_handled_it(bus):
    subscribe("watch")
    subscribe("watch_moves", ThingMoved)
    make_moved(1)
    bus.settle()
    numbers = dict(db.session.execute(select(Subscription.name, Subscription.handler)).all())
    rows = db.session.scalars(select(Handled).order_by(Handled.position)).all()
    assert [set(row.handlers) for row in rows] == [
        {numbers["test.watch"]},
        {numbers["test.watch"], numbers["test.watch_moves"]},
    ]
    assert all(len(row.us) == len(row.handlers) for row in rows)


# Order ----------------------------------------------------------------------------------------------------------------


def test_a_stream_keeps_its_order_across_aggregates(bus):
    subscribe("watch", key="stream")
    group = new_id()
    first, second = make_moved(0, group), make_moved(0, group)
    for thing_id in (first, second, second, first, second):
        move_thing(thing_id)
    bus.settle()
    seen = effects("watch", group_id=group)
    assert [row.position for row in seen] == sorted(row.position for row in seen)
    assert [row.aggregate_id for row in seen] == [first, second, first, second, second, first, second]


def test_many_and_action_handlers_in_one_stream_keep_its_order(bus):
    subscribe("collect", many=True, key="stream")
    subscribe("act", ThingMoved, effect="action", key="stream")
    group = new_id()
    things = [make_moved(2, group) for _ in range(3)]
    bus.settle()
    assert [row.position for row in effects("collect")] == sorted(row.position for row in effects("collect"))
    assert len(effects("collect")) == 9
    assert [row.position for row in effects("act")] == sorted(row.position for row in effects("act"))
    for thing_id in things:
        assert sequences("act", thing_id) == [2, 3]


def test_events_of_one_aggregate_are_numbered_without_a_gap(bus):
    thing_id = make_thing().aggregate_id
    token = move_thing(thing_id, times=3)
    assert token.aggregate_seq == 4
    rows = db.session.scalars(select(EventRow).where(EventRow.aggregate_id == thing_id).order_by(EventRow.id)).all()
    assert [row.aggregate_seq for row in rows] == [1, 2, 3, 4]


# A poison event -------------------------------------------------------------------------------------------------------


class Poison:
    """Fails for the events of one thing while it is potent."""

    def __init__(self, thing_id: UUID, number: int = 0) -> None:
        self.thing_id, self.number, self.is_potent, self.met = thing_id, number, True, 0

    def __call__(self, envelope) -> None:
        if self.is_potent and envelope.aggregate_id == self.thing_id and envelope.event.number == self.number:
            self.met += 1
            raise ValueError("poison")


def test_a_poison_event_holds_back_only_its_own_key_for_its_own_handler(bus):
    group = new_id()
    ill, well = make_moved(2, group), make_moved(2, group)
    poison = Poison(ill, number=1)
    subscribe("suffer", does=poison)
    subscribe("suffer_by_stream", does=poison, key="stream")
    subscribe("thrive")
    bus.deliver()
    assert sequences("suffer", ill) == [1]
    assert sequences("suffer", well) == [1, 2, 3]
    assert [(row.aggregate_id, row.aggregate_seq) for row in effects("suffer_by_stream")] == [(ill, 1)]
    assert sequences("thrive", ill) == [1, 2, 3]
    poison.is_potent = False
    bus.settle()
    assert sequences("suffer", ill) == [1, 2, 3]
    stream = effects("suffer_by_stream")
    assert [row.position for row in stream] == sorted(row.position for row in stream)
    assert len(stream) == 6
    assert deferred_rows("waiting") == deferred_rows("retrying") == 0


def test_a_delivery_that_fails_too_often_is_dead_and_says_so(bus):
    thing_id = make_moved(1)
    poison = Poison(thing_id)
    subscribe("suffer", does=poison)
    bus.settle()
    assert poison.met >= 3
    assert (deferred_rows("dead"), deferred_rows("waiting")) == (1, 1)
    (dead,) = events("DeliveryDeadLettered")
    assert dead.payload["handler"] == "test.suffer"
    assert dead.payload["attempts"] == 3
    assert dead.meta["causationId"] is None or dead.meta["correlationId"]


def test_a_failing_handler_of_delivery_events_makes_no_further_event(bus):
    def refuse(_envelope):
        raise ValueError("always")

    thing_id = make_thing().aggregate_id
    subscribe("suffer", does=Poison(thing_id))
    subscribe("mourn", DeliveryDeadLettered, does=refuse)
    bus.settle()
    assert len(events("DeliveryDeadLettered")) == 1
    assert deferred_rows("dead") == 2


def test_a_dead_delivery_that_is_retried_runs_with_what_waited_behind_it_in_order(bus):
    thing_id = make_moved(3)
    poison = Poison(thing_id)
    subscribe("suffer", does=poison)
    bus.settle()
    poison.is_potent = False
    assert actions.retry_deliveries(Selection(handler="test.suffer")) == 1
    bus.settle()
    assert sequences("suffer", thing_id) == [1, 2, 3, 4]
    assert len(events("DeliveryRetried")) == 1
    assert DeliveryRetried.event_type in LATEST


def test_a_dismissed_delivery_stays_undone_and_lets_the_next_go(bus):
    thing_id = make_moved(2)
    subscribe("suffer", does=Poison(thing_id))
    bus.settle()
    assert actions.dismiss_deliveries(Selection(handler="test.suffer"), "Made by mistake.") == 1
    bus.settle()
    assert sequences("suffer", thing_id) == [2, 3]
    assert deferred_rows("dismissed") == 1
    with pytest.raises(RuleBroken):
        actions.dismiss_deliveries(Selection(), " ")


def test_a_handler_whose_changes_break_at_the_commit_harms_nobody_else(bus):
    def change_in_silence(envelope):
        db.session.get_one(Thing, envelope.aggregate_id).number += 1

    subscribe("change", does=change_in_silence, effect="action")
    subscribe("thrive")
    thing_id = make_moved(1)
    bus.settle()
    assert sequences("thrive", thing_id) == [1, 2]
    assert effects("change") == []
    assert deferred_rows("dead") == 1


# Pausing, and code that is not there ----------------------------------------------------------------------------------


def test_a_paused_handler_waits_and_goes_on_in_order(bus):
    subscribe("watch")
    subscribe("thrive")
    things = [make_moved(0), make_moved(0)]
    bus.settle()
    actions.pause_handler("test.watch", "for a while")
    for thing_id in things * 2:
        move_thing(thing_id)
    bus.settle()
    assert len(effects("watch")) == 2
    assert len(effects("thrive")) == 6
    actions.resume_handler("test.watch")
    bus.settle()
    for thing_id in things:
        assert sequences("watch", thing_id) == [1, 2, 3]


def test_what_this_code_does_not_know_waits_for_code_that_does(bus):
    subscribe("watch")
    thing_id = make_moved(0)
    bus.settle()
    known = HANDLERS.pop("test.watch")
    move_thing(thing_id)
    bus.settle()
    HANDLERS["test.watch"] = known
    class_ = LATEST.pop("TestThingMoved")
    LATEST["TestThingMoved"] = class_
    move_thing(thing_id)
    assert sequences("watch", thing_id) == [1]
    bus.settle()
    assert sequences("watch", thing_id) == [1, 2, 3]


def test_an_event_in_a_version_that_this_code_does_not_know_waits(bus):
    subscribe("watch")
    thing_id = make_moved(1)
    row = events("TestThingMoved")[0]
    _set_version(row.id, 2)
    bus.settle()
    assert sequences("watch", thing_id) == [1]
    assert deferred_rows("waiting") == 1
    _set_version(row.id, 1)
    bus.settle()
    assert sequences("watch", thing_id) == [1, 2]


@action
def _set_version(row_id: int, version: int) -> None:
    tamper(f"update events set version = {version} where id = {row_id}")


def test_a_handler_added_later_is_given_what_comes_from_then_on(bus):
    subscribe("watch")
    thing_id = make_moved(1)
    bus.settle()
    subscribe("late")
    subscribe("historian", from_start=True)
    bus.settle()
    move_thing(thing_id)
    bus.settle()
    assert sequences("late", thing_id) == [3]
    assert sequences("historian", thing_id) == [1, 2, 3]


# Causes ---------------------------------------------------------------------------------------------------------------


def test_what_a_handler_publishes_names_its_cause_and_keeps_the_correlation(bus):
    def move_on(envelope):
        move_thing(envelope.aggregate_id)

    subscribe("act", ThingMade, does=move_on, effect="action")
    make_thing()
    bus.settle()
    (made,), (moved,) = events("TestThingMade"), events("TestThingMoved")
    assert moved.meta["causationId"] == str(made.event_id)
    assert moved.correlation_id == made.correlation_id
    assert (made.meta["depth"], moved.meta["depth"]) == (0, 1)
    assert moved.meta["source"] == "test.act"


def test_a_loop_of_events_is_cut(bus):
    def move_on(envelope):
        move_thing(envelope.aggregate_id)

    subscribe("act", ThingMoved, does=move_on, effect="action")
    make_moved(1)
    bus.settle()
    assert len(events("TestThingMoved")) == bus.app.config["KAROKAR"].event_bus_max_depth + 1
    (dead,) = db.session.scalars(select(DeferredDelivery).where(DeferredDelivery.state == "dead")).all()
    assert "EVENT_BUS_MAX_DEPTH" in dead.error


# Recording ------------------------------------------------------------------------------------------------------------


def test_an_event_tells_what_changed_and_hides_what_is_personal(bus):
    thing_id = make_thing(owner="Asha").aggregate_id
    move_thing(thing_id)
    (made,), (moved,) = events("TestThingMade"), events("TestThingMoved")
    assert made.meta["changes"]["owner"] == {"personal": True}
    assert moved.meta["changes"] == {"number": [0, 1]}


def test_a_deleted_aggregate_keeps_its_events(bus):
    @action
    def discard(thing_id):
        thing = db.session.get_one(Thing, thing_id)
        publish(ThingMoved(thing_id=thing.id, group_id=thing.group_id, number=9))
        db.session.delete(thing)

    subscribe("watch")
    thing_id = make_thing().aggregate_id
    discard(thing_id)
    bus.settle()
    assert db.session.get(Thing, thing_id) is None
    assert sequences("watch", thing_id) == [1, 2]


def test_progress_only_grows_and_each_shard_ends_at_its_last_event(bus):
    subscribe("watch")
    for _ in range(10):
        make_moved(1)
    bus.settle()
    newest = dict(
        db.session.execute(select(Progress.shard, func.max(Progress.position)).group_by(Progress.shard)).all()
    )
    last = dict(db.session.execute(select(EventRow.shard, func.count()).group_by(EventRow.shard)).all())
    assert set(newest) == set(last)
    assert Counter(last).total() == 20
    assert ThingMade.event_type in LATEST
