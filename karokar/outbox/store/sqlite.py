"""The statements of SQLite. There is one writer at a time, so what PostgreSQL locks is locked already."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Engine

from karokar.kernel import clock
from karokar.kernel.database import driver
from karokar.outbox.store.base import (
    ADDED_COLUMNS,
    ALL_SHARDS,
    READ_COLUMNS,
    NewEvent,
    Row,
    ShardState,
    Store,
    StoredEvent,
    SubscriptionRow,
)

LARGEST_BATCH = 1000

_ADD_EVENT = f"insert into events({ADDED_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning id"
_ADD_SUBJECTS = "insert into event_subjects(subject_type, subject_id, event_id) values (?, ?, ?)"
_SELECT = (
    f"select {READ_COLUMNS.format(payload='e.payload', metadata='e.metadata')}"
    " from event_log l join events e on e.id = l.event_id"
)

_NOW = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
_SHARDS = " union all ".join(f"select {shard} as shard" for shard in ALL_SHARDS)
_BEHIND = "from starts n where n.shard = s.shard and n.until > s.progress"
_WHAT_IS_THERE = f"""
select
  (select json_group_array(json_array(s.shard, s.progress, s.events, (select max(until) {_BEHIND}),
     (julianday('now') - julianday(max((select max(n.at) {_BEHIND}), coalesce(
       (select p.at from progress p where p.shard = s.shard and p.position = s.progress), '')))) * 86400.0))
   from (select r.shard, r.progress,
           (select count(*) from (
              select 1 from events e where e.shard = r.shard and e.id > r.progress limit {LARGEST_BATCH})) as events
         from (select shards.shard,
                 coalesce((select max(position) from progress p where p.shard = shards.shard), 0) as progress
               from ({_SHARDS}) shards) r) s
   where s.events > 0),
  exists (select 1 from troubles where state = 'retrying' and due_at <= ?),
  exists (select 1 from canaries where answered_at is null)
"""
_SUBSCRIPTIONS = (
    "select event_type, handler, name, key, since_position, until_position, paused_at is not null from subscriptions"
)
_IS_ANY_TROUBLE = "select exists (select 1 from troubles where state in ('retrying', 'waiting', 'dead'))"
_BLOCKED = "select distinct handler, stream from troubles where shard = ? and state in ('retrying', 'waiting', 'dead')"
_ADD_HANDLED = f"insert into handled(position, at, handlers, us) values (?, {_NOW}, ?, ?)"
_ADVANCE = f"insert into progress(shard, position, at) values (?, ?, {_NOW})"


class SqliteStore(Store):
    """See `Store`."""

    value: ClassVar[str] = "?"
    what_is_there: ClassVar[str] = _WHAT_IS_THERE
    shards: ClassVar[str] = _SHARDS
    first_batch: ClassVar[int] = 50
    largest_batch: ClassVar[int] = LARGEST_BATCH
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
        ((number,),) = driver.run(connection, _ADD_EVENT, row)
        subjects = [(kind, entity_id.hex, number) for kind, entity_id in event.subjects]
        if subjects:
            driver.run_many(connection, _ADD_SUBJECTS, subjects)

    @classmethod
    def moment(cls, moment: datetime) -> Any:  # noqa: D102
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")

    @classmethod
    def read_moment(cls, value: Any) -> datetime | None:  # noqa: D102
        return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)

    def sequence(self) -> None:
        """Do nothing: an event's row number is its position."""

    def rebase_after_restore(self) -> bool:
        """Do nothing: positions are part of the file that was restored."""
        return False

    def moment_of_look(self) -> datetime:
        """Return now by this machine's clock, by which retries are due: SQLite's own drops the microseconds."""
        return clock.now()

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
                row[2],
                UUID(row[3]),
                row[4],
                row[5],
                row[6],
                UUID(row[7]),
                row[8],
                row[9],
                datetime.fromisoformat(row[10]).replace(tzinfo=UTC),
                row[11],
                row[12],
            )
            for row in self._execute(sql, values)
        ]

    def begin(self, progress: Mapping[int, int]) -> tuple[Mapping[int, int], list[StoredEvent]]:  # noqa: D102
        events = [event for shard, after in progress.items() for event in self.read(shard, after, self.batch_size)]
        events.sort()
        notes = self._note_starts({event.shard: event.position for event in events})
        return notes, events

    def _note_starts(self, until: Mapping[int, int]) -> dict[int, int]:
        if not until:
            return {}
        sql = f"insert into starts(shard, until, at) values {', '.join([f'(?, ?, {_NOW})'] * len(until))}"
        # Not waiting for the disk: losing a note in a power cut is harmless.
        self._execute("pragma synchronous=normal")
        try:
            rows = self._execute(f"{sql} returning shard, id", tuple(chain.from_iterable(until.items())))
        finally:
            self._execute("pragma synchronous=full")
        return dict(rows)

    def take_back_start(self, number: int) -> None:  # noqa: D102
        self._execute("delete from starts where id = ?", (number,))

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
    def claim(  # noqa: D102
        cls, connection: Connection, shards: Collection[int], event_types: Collection[str]
    ) -> ShardState:
        subscriptions: list[SubscriptionRow] = []
        marks = ", ".join("?" for _ in event_types)
        if event_types:
            rows = driver.run(connection, f"{_SUBSCRIPTIONS} where event_type in ({marks})", tuple(event_types))
            subscriptions = [SubscriptionRow(*row) for row in rows]
        progress = {shard: cls.progress_in(connection, shard) for shard in shards}
        # Nearly never is there any trouble: one look instead of two for each shard.
        if not driver.run(connection, _IS_ANY_TROUBLE)[0][0]:
            return ShardState(progress, subscriptions, set())
        blocked = {
            (shard, handler, key) for shard in progress for handler, key in driver.run(connection, _BLOCKED, (shard,))
        }
        return ShardState(progress, subscriptions, blocked)

    @classmethod
    def add_progress(  # noqa: D102
        cls, connection: Connection, rows: Sequence[Row], progress: Mapping[int, int]
    ) -> None:
        values = [(row.position, _encode(row.handlers), _encode(row.us)) for row in rows]
        driver.run_many(connection, _ADD_HANDLED, values)
        driver.run_many(connection, _ADVANCE, list(progress.items()))

    @classmethod
    def append_handler(cls, connection: Connection, positions: Sequence[int], handler: int, us: int) -> None:  # noqa: D102
        sql = (
            "update handled set handlers = json_insert(handlers, '$[#]', ?), us = json_insert(us, '$[#]', ?)"
            " where position = ? and not exists (select 1 from json_each(handlers) where value = ?)"
        )
        driver.run_many(connection, sql, [(handler, us, position, handler) for position in positions])


def _encode(numbers: Sequence[int]) -> str:
    return msgspec.json.encode(numbers).decode()
