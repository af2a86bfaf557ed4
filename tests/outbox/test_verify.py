"""`verify` finds each kind of broken promise, planted by hand where no way of the engine leads."""

import pytest
from sqlalchemy import text

from karokar.kernel.db import db, transaction
from karokar.outbox import subscriptions
from karokar.outbox import verify as proof
from karokar.outbox.drain import drain, drain_all
from karokar.outbox.store import open_store
from karokar.outbox.verify import verify, verify_what_is_new
from tests.outbox import things
from tests.outbox.test_conformance import Poison
from tests.outbox.things import make_moved, subscribe

PLANTED = {
    "lost": "update handled set handlers = '{none}', us = '{none}' where position = 1",
    "doubled": "update troubles set state = 'dead' where position = 1",
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
    none = {"postgresql": "{}", "sqlite": "[]"}[db.engine.dialect.name]
    with transaction() as session:
        session.execute(text(statement.replace("{none}", none)))


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


def test_a_committed_event_that_the_sequencer_never_saw_is_found(pg_app):
    with things.in_the_catalog():
        things.make_tables()
        make_moved(1)
        with open_store() as store:
            store.sequence()
        execute("delete from event_log where position = 1")
        make_moved(0)
        with open_store() as store:
            store.sequence()
        assert "unsequenced" in verify().problems
