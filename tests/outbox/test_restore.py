"""A backup restored into another cluster, whose transactions have other numbers: the log goes on."""

import contextlib
import dataclasses
import os
import shutil
import subprocess
import threading

import psycopg
import pytest

from karokar.app import create_app
from karokar.kernel.db import db
from karokar.kernel.ids import new_id
from karokar.outbox.monitoring.overview import overview
from karokar.outbox.monitoring.verify import verify, verify_what_is_new
from karokar.outbox.operations import actions
from karokar.outbox.operations.actions import Selection
from karokar.outbox.processes import relay
from karokar.supervisor.process import wait_until
from tests.outbox.test_conformance import Poison
from tests.outbox.things import effects, make_moved, make_thing, sequences, subscribe
from tests.servers import keeper, postgresql


@pytest.fixture
def other_cluster():
    """The address of the `postgres` database of a fresh cluster, and where it is."""
    directory = keeper.run_directory() / f"restored-{os.getpid()}"
    with postgresql.running(directory) as address:
        yield address, directory
    shutil.rmtree(directory)


def spend_transactions(address: str, until: int) -> None:
    """Let a cluster's next transaction have at least this number."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            f"do $$ begin while pg_snapshot_xmax(pg_current_snapshot())::text::bigint < {int(until)} loop"
            " perform pg_current_xact_id(); commit; end loop; end $$"
        )


def next_transaction(address: str) -> int:
    with psycopg.connect(address) as connection:
        return int(connection.execute("select pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()[0])


def copy_into(address: str, name: str, source: str, file) -> None:
    """Dump a database and restore it into another cluster, as docs/operations.md says."""
    binaries = postgresql.find_binaries()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    target = address.replace("/postgres?", f"/{name}?")
    subprocess.run([binaries / "pg_dump", "--format=custom", f"--file={file}", source], check=True)
    subprocess.run([binaries / "pg_restore", "--exit-on-error", f"--dbname={target}", file], check=True)


@contextlib.contextmanager
def relaying(app):
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(app, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("numbers", ["smaller", "grown meanwhile"])
def test_a_restore_into_another_cluster_loses_nothing_and_does_nothing_twice(
    pg_bus, databases, other_cluster, tmp_path, numbers
):
    address, directory = other_cluster
    source = pg_bus.app.config["KAROKAR"].database_url.replace("+psycopg", "")
    ill, well = make_moved(2), make_moved(2)
    poison = Poison(ill, number=1)
    subscribe("watch")
    subscribe("suffer", does=poison)
    spend_transactions(source, next_transaction(address) + 20_000)
    pg_bus.settle()
    assert sequences("suffer", ill) == [1]
    unsequenced = make_moved(1)
    seen = next_transaction(source)
    copy_into(address, "restored", source, tmp_path / "dump")

    url = postgresql.url(directory, "restored")
    assert next_transaction(url) < seen, "then this test proves nothing"
    config = dataclasses.replace(
        pg_bus.app.config["KAROKAR"],
        database_url=url.replace("postgresql:", "postgresql+psycopg:", 1),
        event_bus_delivery_interval_ms=50,
    )
    app = create_app(config)
    with app.app_context():
        before_the_relay = make_thing(new_id()).aggregate_id
        if numbers == "grown meanwhile":
            spend_transactions(url, seen + 1000)
        with relaying(app):
            afterwards = make_moved(1)
            assert wait_until(lambda: sequences("watch", afterwards) == [1, 2], within=30)
            assert wait_until(_is_quiet, within=30)
        expected = {ill: [1, 2, 3], well: [1, 2, 3], unsequenced: [1, 2], before_the_relay: [1], afterwards: [1, 2]}
        assert {thing_id: sequences("watch", thing_id) for thing_id in expected} == expected
        assert len(effects("watch")) == 11
        assert sequences("suffer", ill) == [1]
        poison.is_potent = False
        assert actions.retry_deliveries(Selection(handler="test.suffer")) == 1
        with relaying(app):
            assert wait_until(lambda: sequences("suffer", ill) == [1, 2, 3], within=30)
        assert len(effects("suffer")) == 11
        assert verify_what_is_new().problems == {}
        assert verify().problems == {}
        db.session.remove()
        db.engine.dispose()


def _is_quiet() -> bool:
    db.session.rollback()
    quiet = overview().pending == 0
    db.session.rollback()
    return quiet
