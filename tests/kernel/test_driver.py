"""What happens below SQLAlchemy: connections that were cut off, and errors of statements that go straight to the driver."""

import subprocess
import sys

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError

from karokar.kernel.database import driver
from karokar.kernel.db import db, is_transient, transaction


@pytest.fixture
def pg_app(databases):
    with databases.fresh_app("postgresql") as app:
        yield app


def end_sessions() -> None:
    """End every session of this database but the one that asks, as a server does that is shut down."""
    with db.engine.connect() as connection:
        connection.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
            )
        )


def number_of(connection) -> int:
    return driver.run(connection, "select pg_backend_pid()")[0][0]


@pytest.mark.postgresql
def test_a_connection_that_the_server_ended_is_replaced_before_it_is_used(pg_app):
    with db.engine.connect() as first, db.engine.connect() as second:
        ended, asking = number_of(first), number_of(second)
    with db.engine.connect() as connection:
        assert number_of(connection) in {ended, asking}
        connection.rollback()
        end_sessions()
    with db.engine.connect() as first, db.engine.connect() as second:
        numbers = {number_of(first), number_of(second)}
    assert numbers != {ended, asking}


@pytest.mark.postgresql
def test_a_quiet_connection_is_asked_and_used_again(pg_app, monkeypatch):
    with db.engine.connect() as connection:
        number = number_of(connection)
    monkeypatch.setattr(driver, "_ASKED_AFTER_SECONDS", -1.0)
    with db.engine.connect() as connection:
        assert number_of(connection) == number


@pytest.mark.postgresql
def test_a_session_that_ends_within_a_transaction_is_a_passing_trouble(pg_app):
    with db.engine.connect() as connection:
        number_of(connection)
        end_sessions()
        with pytest.raises(OperationalError) as caught:
            number_of(connection)
    assert is_transient(caught.value)
    with db.engine.connect() as connection:
        assert number_of(connection)


def test_a_broken_constraint_is_told_as_sqlalchemy_tells_it(any_app):
    add = "insert into leases(name, holder, until) values ('x', '018f0000000070008000000000000000', '2026-01-01')"
    with transaction() as session:
        driver.run(session.connection(), add)
    with transaction() as session, pytest.raises(IntegrityError):
        driver.run(session.connection(), add)
    db.session.rollback()
    assert driver.run(db.session.connection(), "select count(*) from leases") == [(1,)]


def test_a_further_connection_takes_no_lock_away_from_the_first(tmp_path):
    """Without its lock another process that leaves as the last one removes the log that is still being read."""
    place = tmp_path / "locks.sqlite3"
    engine = create_engine(f"sqlite:///{place}", poolclass=NullPool)
    with engine.connect() as first:
        first.exec_driver_sql("create table t (n integer)")
        first.commit()
        assert first.exec_driver_sql("select count(*) from t").scalar_one() == 0
        first.rollback()
        engine.connect().close()
        other = (
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
            "c.execute('insert into t values (1)'); c.commit(); c.close()"
        )
        subprocess.run([sys.executable, "-c", other, str(place)], check=True, timeout=60)
        assert place.with_name("locks.sqlite3-wal").exists()
        assert first.exec_driver_sql("select count(*) from t").scalar_one() == 1
