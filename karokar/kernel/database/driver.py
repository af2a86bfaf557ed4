"""What happens below SQLAlchemy: statements straight to the driver, how connections are made, begun and looked at."""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from select import POLLIN, poll
from typing import Any

from psycopg.pq import ExecStatus
from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

_WAITS_SECONDS = 10.0
"""How long a write transaction on SQLite waits for the one that is open."""

_LOOKS_EVERY_SECONDS = 0.001

_ASKED_AFTER_SECONDS = 10.0
"""A connection to PostgreSQL that was quiet for so long is asked whether it still leads anywhere."""


def run(connection: Connection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    """Run one statement of the driver's dialect in the open transaction, and return its rows.

    For statements that run for every event: SQLAlchemy's own way costs the client five times as much. Errors are those
    of SQLAlchemy.
    """
    with _cursor(connection, sql) as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall()) if cursor.description else []


def run_many(connection: Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run one statement once for each row of values; see `run`."""
    with _cursor(connection, sql) as cursor:
        cursor.executemany(sql, rows)


def prepare_connections() -> None:
    """Let every engine's connections be looked at before use, and SQLite's be set up and begun as the project needs."""
    event.listen(Engine, "checkout", _look_whether_the_server_is_there)
    event.listen(Engine, "connect", _prepare_nothing_behind_a_pooler)
    event.listen(Engine, "do_connect", _make_private_file)
    event.listen(Engine, "connect", _prepare_sqlite)
    event.listen(Engine, "begin", _begin_sqlite)


@contextmanager
def _cursor(connection: Connection, sql: str) -> Iterator[Any]:
    """Yield a cursor of the driver; its errors are told as SQLAlchemy tells them."""
    dialect = connection.dialect
    cursor = connection.connection.cursor()
    try:
        yield cursor
    except dialect.loaded_dbapi.Error as error:
        is_lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, cursor)
        if is_lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            sql, None, error, dialect.loaded_dbapi.Error, connection_invalidated=is_lost, dialect=dialect
        ) from error
    finally:
        cursor.close()


# PostgreSQL -----------------------------------------------------------------------------------------------------------


def _look_whether_the_server_is_there(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    """Let a connection be replaced whose server has gone, without asking the server each time.

    A server that ends a session says so: something has arrived where nothing was asked. One that is cut off says
    nothing, so who was quiet for long is asked.
    """
    if isinstance(connection, sqlite3.Connection):
        return
    now = time.monotonic()
    if connection.closed or _has_arrived(connection.fileno()):
        raise DisconnectionError
    if now - record.info.get("karokar_used_at", now) > _ASKED_AFTER_SECONDS:
        answer = connection.pgconn.exec_(b"")
        if answer.status != ExecStatus.EMPTY_QUERY:
            raise DisconnectionError
    record.info["karokar_used_at"] = now


def _has_arrived(file: int) -> bool:
    watched = poll()
    watched.register(file, POLLIN)
    return bool(watched.poll(0))


def _prepare_nothing_behind_a_pooler(connection: Any, _record: Any) -> None:
    """Keep the driver from preparing statements in sessions that a pooler takes away after each transaction.

    A pooler gives its clients process numbers of its own making: so it is known, and nobody has to set anything.
    """
    if isinstance(connection, sqlite3.Connection):
        return
    (server,) = connection.execute("select pg_backend_pid()").fetchone()
    connection.rollback()
    if server != connection.info.backend_pid:
        connection.prepare_threshold = None


# SQLite ---------------------------------------------------------------------------------------------------------------


def _make_private_file(dialect: Dialect, _record: Any, arguments: Any, _named: Any) -> None:
    """Make a new database's file before SQLite does, for this user alone; SQLite gives its log the same rights.

    A file that is there is never opened here: to close it again would drop every lock that SQLite holds on it in this
    process, and another process could reset the log while it is read (sqlite.org/howtocorrupt.html, section 2.2).
    """
    place = str(arguments[0]) if dialect.name == "sqlite" and arguments else ""
    if not place or place.startswith("file:") or ":memory:" in place:
        return
    with suppress(OSError):
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_WAITS_SECONDS * 1000:.0f}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    if connection.get_execution_options().get("karokar_write"):
        _begin_writing(connection)
    else:
        connection.exec_driver_sql("BEGIN")


def _begin_writing(connection: Connection) -> None:
    """Begin the one write transaction there is at a time.

    SQLite itself waits in steps that grow to a tenth of a second; whoever writes often would always come first. So we
    look again every millisecond.
    """
    driver: Any = connection.connection.dbapi_connection
    deadline = time.monotonic() + _WAITS_SECONDS
    driver.execute("PRAGMA busy_timeout=0")
    try:
        while time.monotonic() < deadline:
            try:
                driver.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    break
                time.sleep(_LOOKS_EVERY_SECONDS)
            else:
                return
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # Whatever is wrong is told in SQLAlchemy's words.
    finally:
        driver.execute(f"PRAGMA busy_timeout={_WAITS_SECONDS * 1000:.0f}")
