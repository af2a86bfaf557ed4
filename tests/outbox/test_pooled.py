"""The engine behind PgBouncer in transaction mode: a session is another one after every transaction.

Whatever leaned on a session (a lock, a setting, a prepared statement) would be lost there, or met by somebody else.
"""

import threading
import time

import psycopg
import pytest
from sqlalchemy import text

from karokar.kernel import clock
from karokar.kernel.db import db, transaction
from karokar.outbox.delivery import deferred
from karokar.outbox.delivery.drain import drain
from karokar.outbox.processes import relay
from karokar.outbox.processes.leases import Lease
from tests.factories import booking as make
from tests.factories.browsing import follow, send
from tests.outbox import test_conformance as conformance
from tests.outbox.things import effects, make_moved, sequences, subscribe
from tests.servers import keeper, postgresql

PART = [
    conformance.test_a_refused_action_leaves_neither_its_change_nor_its_event,
    conformance.test_every_event_reaches_every_handler_once_and_a_further_drain_changes_nothing,
    conformance.test_many_and_action_handlers_in_one_stream_keep_its_order,
    conformance.test_a_poison_event_holds_back_only_its_own_key_for_its_own_handler,
    conformance.test_a_dead_delivery_that_is_retried_runs_with_what_waited_behind_it_in_order,
    conformance.test_a_dismissed_delivery_stays_undone_and_lets_the_next_go,
    conformance.test_a_paused_handler_waits_and_goes_on_in_order,
    conformance.test_a_handler_added_later_is_given_what_comes_from_then_on,
]


@pytest.mark.parametrize("promise", PART)
def test_what_holds_without_a_pooler_holds_behind_one(pooled_bus, promise):
    promise(pooled_bus)


def in_threads(app, *calls):
    """Do each in a thread of its own, in the application's context; raise what one of them raised."""
    errors = []

    def run(call):
        try:
            with app.app_context():
                call()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_more_clients_than_connections_write_and_deliver_at_once(pooled_bus):
    """Each does the same statements often enough for a driver to want them prepared."""
    subscribe("watch")
    pooled_bus.deliver()
    made = []
    in_threads(
        pooled_bus.app,
        *[lambda: made.extend(make_moved(7) for _ in range(3))] * 6,
        *[lambda: [drain() for _ in range(8)]] * 2,
    )
    pooled_bus.settle()
    assert len(made) == 18
    for thing_id in made:
        assert sequences("watch", thing_id) == list(range(1, 9))


def test_what_a_transaction_was_given_ends_with_it(pooled_bus):
    """The limits for a worker that stands still, and the haste of its notes, are nobody else's."""
    subscribe("watch")
    make_moved(2)
    pooled_bus.settle()
    names = ("idle_in_transaction_session_timeout", "lock_timeout", "synchronous_commit")
    found = set()
    for _ in range(10):
        with db.engine.connect() as connection:
            found.add(tuple(connection.scalar(text(f"show {name}")) for name in names))
    assert found == {("0", "0", "on")}
    held = db.session.scalar(
        text(
            "select count(*) from pg_locks join pg_database d on d.oid = pg_locks.database"
            " where locktype = 'advisory' and d.datname = :name"
        ),
        {"name": db.engine.url.database},
    )
    assert held == 0


def test_a_worker_that_stands_still_is_cut_off_by_the_server_and_does_nothing_twice(pooled_bus):
    thing_id = make_moved(1)
    limits, is_first = [], [True]

    def stand_still(_envelope):
        limits.append(db.session.scalar(text("show idle_in_transaction_session_timeout")))
        if is_first.pop() if is_first else False:
            # What the server does to one that stands still for as long as this limit.
            end_who_holds_a_shard()

    subscribe("watch", does=stand_still)
    pooled_bus.settle()
    assert set(limits) == {"5s"}
    assert len(limits) > 2, "the first one was cut off"
    assert sequences("watch", thing_id) == [1, 2]


def end_who_holds_a_shard():
    address = postgresql.url(keeper.run_directory() / "postgresql", "postgres")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_locks join pg_database d on d.oid = pg_locks.database"
            " where locktype = 'advisory' and classid = 7002 and d.datname = %s",
            [db.engine.url.database],
        )
    time.sleep(0.1)


def test_a_lease_is_held_by_one_whichever_connection_serves(pooled_bus):
    first, second = Lease("test", 30), Lease("test", 30)
    assert first.hold()
    for _ in range(10):
        assert not second.hold()
    with transaction() as session:
        session.execute(text("update leases set until = clock_timestamp() - interval '1 second'"))
    assert second.hold()


def test_a_retry_runs_when_it_is_due(pooled_bus):
    poison = conformance.Poison(make_moved(1))
    subscribe("suffer", does=poison)
    pooled_bus.deliver()
    poison.is_potent = False
    with transaction() as session:
        deferred.make_all_due(session)
    relay.poll()
    pooled_bus.settle()
    assert len(effects("suffer")) == 2


def test_people_work_through_the_console(pooled_bus):
    with clock.standing_at(make.NOON):
        world = make.make_world()
        client = pooled_bus.app.test_client()
        for _ in range(7):
            made = world.requested(vehicle_id=make.vehicle(world.vendor))
            make.sign_in(client, world.vendor_admin)
            page = f"/booking/{made.id}/decide"
            assert "Approved" in follow(client, send(client, page, f"/booking/{made.id}/approve"))
