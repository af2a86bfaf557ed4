"""What the engine asks of a database, in one list, with an answer for PostgreSQL and one for SQLite.

Everything here is one statement or two. What they are for, and in which order, is told in `delivery`'s
`batch`, `deferred` and `drain`. A `Store` reads on a connection of its own, outside of any transaction; what takes a
`Connection` runs in the transaction that is open there.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from karokar.kernel.db import db
from karokar.outbox.store.base import Lost, NewEvent, Store, StoredEvent
from karokar.outbox.store.postgresql import PostgresqlStore
from karokar.outbox.store.sqlite import SqliteStore


def store_class(dialect: str) -> type[Store]:
    """Return the statements of a database."""
    return PostgresqlStore if dialect == "postgresql" else SqliteStore


@contextmanager
def open_store(engine: Engine | None = None) -> Iterator[Store]:
    """Open a store on the application's database, with a connection of its own until the end of the block."""
    engine = engine or db.engine
    class_ = store_class(engine.dialect.name)
    with class_.connect(engine) as connection:
        yield class_(connection)


def add_event(connection: Connection, event: NewEvent) -> None:
    """Insert an event and its subjects in the open transaction."""
    store_class(connection.dialect.name).add_event(connection, event)


__all__ = ["Lost", "NewEvent", "Store", "StoredEvent", "add_event", "open_store", "store_class"]
