"""`verify` finds each kind of broken promise, planted by hand where no way of the engine leads."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from karokar.kernel.db import db, transaction
from karokar.outbox.delivery import subscriptions
from karokar.outbox.delivery.drain import drain, drain_all
from karokar.outbox.monitoring import verify as proof
from karokar.outbox.monitoring.metrics import exposition
from karokar.outbox.monitoring.verify import verify, verify_what_is_new
from karokar.outbox.operations import actions
from karokar.outbox.operations.actions import Selection
from karokar.outbox.operations.replay import perform
from karokar.outbox.operations.replay_plan import Wanted, list_units
from karokar.outbox.store import open_store
from karokar.supervisor.process import wait_until
from tests.factories.tampering import tamper
from tests.outbox import things
from tests.outbox.test_conformance import Poison
from tests.outbox.things import make_moved, move_thing, sequences, subscribe

PLANTED = {
    "lost": "update handled set handlers = '{none}', us = '{none}' where position = 1",
    "doubled": "update troubles set state = 'dead' where position = 1",
    "repeated": "update handled set handlers = '{twice}', us = '{twice}' where position = 1",
    "cut": "delete from events where aggregate_seq = (select max(aggregate_seq) from events)",
    "unaccounted": "delete from handled where position = 1",
    "gap": "delete from events where aggregate_seq = 2",
    "stuck": "update troubles set state = 'retrying', due_at = null where position = 1",
}


@pytest.fixture
def delivered(any_app, monkeypatch):
    with things.in_the_catalog():
        things.make_tables()
        poison = Poison(make_moved(2))
        subscribe("watch", does=poison)
        subscriptions.sync()
        drain()
        poison.is_potent = False
        drain_all()
        yield any_app
        db.session.rollback()


def execute(statement: str) -> None:
    none, twice = {"postgresql": ("{}", "{1,1}"), "sqlite": ("[]", "[1,1]")}[db.engine.dialect.name]
    tamper(statement.replace("{none}", none).replace("{twice}", twice))


def test_what_was_delivered_is_in_order(delivered):
    assert verify().problems == {}
    assert verify().until == 3


@pytest.mark.parametrize("kind", PLANTED)
def test_each_kind_of_broken_promise_is_found(delivered, kind):
    execute(PLANTED[kind])
    assert kind in verify().problems
    assert kind in proof.MEANINGS


def test_only_what_is_new_is_looked_at_again_unless_something_was_bad(delivered):
    assert verify_what_is_new().until == 3
    assert verify_what_is_new().since == 3
    make_moved(0)
    execute("delete from handled where position = 1")
    assert verify_what_is_new().problems == {}
    assert proof.verified_position() == 3
    assert verify().count == 2


@pytest.fixture(params=["quick_bus", pytest.param("pg_bus", marks=pytest.mark.postgresql)])
def a_bus(request):
    return request.getfixturevalue(request.param)


def test_what_people_do_to_deliveries_is_never_a_broken_promise(a_bus):
    """Paused, retried while paused, resumed, dismissed, replayed by halves: each time before and after the next drain."""
    ill, well = make_moved(2), make_moved(2)
    poison = Poison(ill, number=1)
    subscribe("watch")
    subscribe("suffer", does=poison)
    a_bus.settle()

    def holds() -> None:
        for _ in range(2):
            assert verify_what_is_new().problems == {}
            assert verify().problems == {}
            assert b"event_undelivered_verify 0.0" in exposition()
            db.session.rollback()
            a_bus.deliver()

    holds()
    for name in ("test.watch", "test.suffer"):
        actions.pause_handler(name, "for a while")
    for thing_id in (ill, well):
        move_thing(thing_id)
    holds()
    assert actions.retry_deliveries(Selection(handler="test.suffer")) == 1
    holds()
    actions.resume_handler("test.suffer")
    holds()
    a_bus.settle()
    assert actions.dismiss_deliveries(Selection(handler="test.suffer"), "Made by mistake.") == 1
    holds()
    actions.resume_handler("test.watch")
    holds()
    assert sequences("suffer", ill) == [1, 3, 4]
    wanted = Wanted(types="TestThing*")
    units = list(list_units(wanted))
    for number, unit in enumerate(units):
        perform(unit, wanted)
        if number == len(units) // 2:
            move_thing(well)
            holds()
    assert actions.retry_deliveries(Selection(handler="test.suffer", states=("dismissed",))) == 1
    poison.is_potent = False
    holds()
    a_bus.settle()
    holds()
    assert sequences("watch", well)[-1] == 5


def test_a_position_at_which_the_log_holds_nothing_is_found(delivered):
    table = {"postgresql": "event_log where position", "sqlite": "events where id"}[db.engine.dialect.name]
    execute(f"delete from {table} = 2")
    assert "hole" in verify().problems


@pytest.mark.parametrize("statement", ["update {table} set {column} = {column}", "delete from {table}"])
@pytest.mark.parametrize(("table", "column"), [("events", "payload"), ("event_subjects", "subject_id")])
def test_the_database_refuses_to_change_or_remove_events(delivered, table, column, statement):
    with pytest.raises(DBAPIError, match="append-only"), transaction() as session:
        session.execute(text(statement.format(table=table, column=column)))


@pytest.mark.parametrize(
    "statement", ["update event_log set shard = 0", "delete from event_log", "truncate events, event_subjects"]
)
def test_postgresql_refuses_to_change_the_log_and_to_empty_the_tables(pg_app, statement):
    with pytest.raises(DBAPIError, match="append-only"), transaction() as session:
        session.execute(text(statement))


def test_a_committed_event_that_the_sequencer_never_saw_is_found(pg_app):
    with things.in_the_catalog():
        things.make_tables()
        make_moved(1)
        with open_store() as store:
            store.sequence()
        lost = newest_transaction()
        execute("delete from event_log where position = 1")
        assert wait_until(lambda: ticked_after(lost), within=60)
        assert "unsequenced" in verify().problems


def test_what_the_last_check_saw_in_order_is_not_read_again(pg_app):
    with things.in_the_catalog():
        things.make_tables()
        subscribe("watch")
        subscriptions.sync()
        make_moved(1)
        drain_all()
        assert verify_what_is_new().until == 2
        make_moved(0)
        with open_store() as store:
            store.sequence()
        lost = newest_transaction()
        execute("delete from event_log where position = 3")
        assert wait_until(lambda: ticked_after(lost), within=60)
        assert "unsequenced" in verify_what_is_new().problems


def newest_transaction() -> str:
    """The number of the transaction that made the newest event."""
    xid = str(db.session.execute(text("select max(xid)::text from events")).scalar())
    db.session.rollback()
    return xid


def ticked_after(xid: str) -> bool:
    """Give one more event its position, and say whether every transaction up to this one had ended by then: another
    test's transaction, in another database of the same cluster, may still be open.
    """
    make_moved(0)
    with open_store() as store:
        store.sequence()
    newest = "select pg_snapshot_xmin(snapshot) > cast(:xid as xid8) from ticks order by position desc limit 1"
    is_over = bool(db.session.execute(text(newest), {"xid": xid}).scalar())
    db.session.rollback()
    return is_over
