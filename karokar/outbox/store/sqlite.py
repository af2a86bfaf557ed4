"""The statements of SQLite. There is one writer at a time, so what PostgreSQL locks is locked already."""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Connection, Engine

from karokar.outbox.store.base import (
    ADDED_COLUMNS,
    ALL_SHARDS,
    READ_COLUMNS,
    Lost,
    NewEvent,
    Row,
    Standing,
    Store,
    StoredEvent,
    SubscriptionRow,
)

_ADD_EVENT = f"insert into events({ADDED_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ADD_SUBJECTS = "insert into event_subjects(subject_type, subject_id, event_id) values (?, ?, ?)"
_SELECT = (
    f"select {READ_COLUMNS.format(payload='e.payload', metadata='e.metadata')}"
    " from event_log l join events e on e.id = l.event_id"
)

_NOW = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
_SUBSCRIPTIONS = (
    "select event_type, handler, name, key, since_position, until_position, paused_at is not null from subscriptions"
)
_BLOCKED = (
    "select distinct handler, stream from troubles where shard = ? and position <= ?"
    " and state in ('retrying', 'waiting', 'dead')"
)
_ADD_HANDLED = f"insert into handled(position, at, handlers, us) values (?, {_NOW}, ?, ?)"
_ADVANCE = f"insert into progress(shard, position, at) values (?, ?, {_NOW})"


class SqliteStore(Store):
    """See `Store`."""

    value: ClassVar[str] = "?"
    shards: ClassVar[str] = " union all ".join(f"select {shard} as shard" for shard in ALL_SHARDS)
    first_batch: ClassVar[int] = 50
    largest_batch: ClassVar[int] = 1000
    # Page writers wait while a batch holds the database: ten milliseconds for us, then five for them.
    slice_seconds: ClassVar[float | None] = 0.010
    pause_seconds: ClassVar[float] = 0.005

    @classmethod
    @contextmanager
    def connect(cls, engine: Engine) -> Iterator[Connection]:  # noqa: D102
        with engine.connect() as connection:
            yield connection

    @classmethod
    def add_event(cls, connection: Connection, event: NewEvent) -> None:  # noqa: D102
        row = (
            event.event_id.hex,
            event.event_type,
            event.version,
            event.aggregate_type,
            event.aggregate_id.hex,
            event.aggregate_seq,
            event.stream,
            event.shard,
            event.correlation_id.hex,
            cls.moment(event.occurred_at),
            event.payload,
            event.metadata,
        )
        number = connection.exec_driver_sql(_ADD_EVENT, row).lastrowid
        subjects = [(kind, entity_id.hex, number) for kind, entity_id in event.subjects]
        if subjects:
            connection.exec_driver_sql(_ADD_SUBJECTS, subjects)

    @classmethod
    def moment(cls, moment: datetime) -> Any:  # noqa: D102
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")

    @classmethod
    def read_moment(cls, value: Any) -> datetime | None:  # noqa: D102
        return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)

    def sequence(self) -> None:
        """Do nothing: an event's row number is its position."""

    def mend(self) -> bool:
        """Do nothing: positions are part of the file that was restored."""
        return False

    def read(self, shard: int, after: int, limit: int) -> list[StoredEvent]:  # noqa: D102
        sql = f"{_SELECT} where l.shard = ? and l.position > ? order by l.position limit ?"
        return self._stored(sql, (shard, after, limit))

    def read_at(self, positions: Collection[int]) -> list[StoredEvent]:  # noqa: D102
        marks = ", ".join("?" for _ in positions)
        return self._stored(f"{_SELECT} where l.position in ({marks}) order by l.position", tuple(positions))

    def _stored(self, sql: str, values: tuple[Any, ...]) -> list[StoredEvent]:
        return [
            StoredEvent(
                row[0],
                row[1],
                UUID(row[2]),
                row[3],
                row[4],
                row[5],
                UUID(row[6]),
                row[7],
                row[8],
                datetime.fromisoformat(row[9]).replace(tzinfo=UTC),
                row[10],
                row[11],
            )
            for row in self._execute(sql, values)
        ]

    def note_start(self, shard: int, until: int) -> int:  # noqa: D102
        sql = f"insert into starts(shard, until, at) values (?, ?, {_NOW})"
        # Not waiting for the disk: losing a note in a power cut is harmless.
        self._execute("pragma synchronous=normal")
        try:
            return int(self._driver.execute(sql, (shard, until)).lastrowid)
        finally:
            self._execute("pragma synchronous=full")

    def take_back_start(self, number: int) -> None:  # noqa: D102
        self._execute("delete from starts where id = ?", (number,))

    def lost(self, shard: int, progress: int) -> Lost | None:  # noqa: D102
        sql = (
            "select max(until), (julianday('now') - julianday(max(at))) * 86400.0 from starts"
            " where shard = ? and until > ?"
        )
        ((until, age),) = self._execute(sql, (shard, progress))
        return None if until is None else Lost(until, age)

    @classmethod
    def lock(cls, connection: Connection, shard: int) -> bool:  # noqa: D102, ARG003
        return True

    @classmethod
    def lock_sequencer(cls, connection: Connection) -> None:  # noqa: D102
        pass

    @classmethod
    def wait_for_shards(cls, connection: Connection) -> None:  # noqa: D102
        pass

    @classmethod
    def standing(cls, connection: Connection, shard: int, event_types: Collection[str]) -> Standing:  # noqa: D102
        progress = cls.progress_in(connection, shard)
        subscriptions: list[SubscriptionRow] = []
        if event_types:
            marks = ", ".join("?" for _ in event_types)
            rows = connection.exec_driver_sql(f"{_SUBSCRIPTIONS} where event_type in ({marks})", tuple(event_types))
            subscriptions = [SubscriptionRow(*row) for row in rows]
        blocked = {(row[0], row[1]) for row in connection.exec_driver_sql(_BLOCKED, (shard, progress))}
        return Standing(progress, subscriptions, blocked)

    @classmethod
    def add_progress(cls, connection: Connection, shard: int, rows: Sequence[Row]) -> None:  # noqa: D102
        values = [(row.position, json.dumps(list(row.handlers)), json.dumps(list(row.us))) for row in rows]
        connection.exec_driver_sql(_ADD_HANDLED, values)
        connection.exec_driver_sql(_ADVANCE, (shard, rows[-1].position))

    @classmethod
    def append_handler(cls, connection: Connection, position: int, handler: int, us: int) -> None:  # noqa: D102
        sql = (
            "update handled set handlers = json_insert(handlers, '$[#]', ?), us = json_insert(us, '$[#]', ?)"
            " where position = ? and not exists (select 1 from json_each(handlers) where value = ?)"
        )
        connection.exec_driver_sql(sql, (handler, us, position, handler))

    @property
    def _driver(self) -> Any:
        return self._connection.connection.driver_connection

    def _execute(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        # Straight to the driver, where a statement outside of a transaction is its own: SQLAlchemy would open one.
        rows: list[Any] = self._driver.execute(sql, values).fetchall()
        return rows
