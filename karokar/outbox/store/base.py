"""The list of what the engine asks, and what both databases answer in the same words."""

import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Engine

from karokar.kernel import clock
from karokar.kernel.database import driver
from karokar.outbox.models import SHARDS


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """A row of `events` to be, with its subjects as (number of the kind, id). Documents are JSON text."""

    event_id: UUID
    event_type: str
    version: int
    aggregate_type: str
    aggregate_id: UUID
    aggregate_seq: int
    stream: str
    shard: int
    correlation_id: UUID
    occurred_at: datetime
    payload: str
    metadata: str
    subjects: Sequence[tuple[int, UUID]]


class StoredEvent(NamedTuple):
    """An event with its position, as it is read. `number` is its row number. Documents are JSON text."""

    position: int
    shard: int
    number: int
    event_id: UUID
    event_type: str
    version: int
    aggregate_type: str
    aggregate_id: UUID
    aggregate_seq: int
    stream: str
    occurred_at: datetime
    payload: str
    metadata: str


class Lost(NamedTuple):
    """Somebody began to deliver up to `until` and has not come to the end for `age` seconds."""

    until: int
    age: float


class Ahead(NamedTuple):
    """A shard with events after its progress: how many, a largest batch at most.

    `lost` is set where somebody began and has not come to the end.
    """

    shard: int
    progress: int
    events: int
    lost: Lost | None


class Poll(NamedTuple):
    """What there is to do: shards with events, whether a retry is due, whether a canary waits for its answer."""

    shards: Sequence[Ahead]
    is_retry_due: bool
    is_canary_waiting: bool


class SubscriptionRow(NamedTuple):
    """A row of `subscriptions`: who is given the events of a type, and within which positions."""

    event_type: str
    handler: int
    name: str
    key: str
    since: int
    until: int | None
    is_paused: bool


class ShardState(NamedTuple):
    """How shards stand: how far each is, the subscriptions asked for, and what is blocked: (shard, handler, key)."""

    progress: Mapping[int, int]
    subscriptions: Sequence[SubscriptionRow]
    blocked: set[tuple[int, int, str]]


class Row(NamedTuple):
    """One row of `handled`: who handled the event at a position, and how long each took in microseconds."""

    position: int
    handlers: Sequence[int]
    us: Sequence[int]


ADDED_COLUMNS = (
    "event_id, event_type, version, aggregate_type, aggregate_id, aggregate_seq, stream, shard, "
    "correlation_id, occurred_at, "
    "payload, metadata"
)
READ_COLUMNS = (
    "l.position, l.shard, e.id, e.event_id, e.event_type, e.version, e.aggregate_type, e.aggregate_id, "
    "e.aggregate_seq, e.stream, e.occurred_at, {payload}, {metadata}"
)
_PROGRESS = "select position from progress where shard = {value} order by position desc limit 1"
ALL_SHARDS = range(SHARDS)


class Store(ABC):
    """The statements of one database."""

    # How SQL names a value, and the numbers of all shards.
    value: ClassVar[str]
    shards: ClassVar[str]
    # The statement of `look`.
    what_is_there: ClassVar[str]
    first_batch: ClassVar[int]
    largest_batch: ClassVar[int]
    # How long a batch may hold what others wait for, and how long they are let in afterwards; None: they never wait.
    slice_seconds: ClassVar[float | None]
    pause_seconds: ClassVar[float]

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.batch_size = self.first_batch

    def keep_pace(self, events: int, seconds: float) -> None:
        """Let the next batch be as large as fits into a slice, judging by one of so many events that took so long."""
        if self.slice_seconds is not None:
            fitting = int(events * self.slice_seconds / max(seconds, 0.0005))
            self.batch_size = min(max(fitting, 1), 2 * self.batch_size, self.largest_batch)
            time.sleep(self.pause_seconds)

    @classmethod
    @abstractmethod
    def connect(cls, engine: Engine) -> AbstractContextManager[Connection]:
        """Open a connection on which each statement is a transaction of its own."""

    @classmethod
    @abstractmethod
    def add_event(cls, connection: Connection, event: NewEvent) -> None:
        """Insert an event and its subjects."""

    @classmethod
    @abstractmethod
    def moment(cls, moment: datetime) -> Any:
        """Return a time as the driver takes it."""

    @classmethod
    @abstractmethod
    def read_moment(cls, value: Any) -> datetime | None:
        """Return a time as the driver gave it."""

    # Outside of a transaction -----------------------------------------------------------------------------------------

    @abstractmethod
    def sequence(self) -> None:
        """Give a position to every event that is visible and has none."""

    @abstractmethod
    def rebase_after_restore(self) -> bool:
        """Let the sequencer go on after a restore into another cluster; False where there is nothing to mend."""

    @abstractmethod
    def read(self, shard: int, after: int, limit: int) -> list[StoredEvent]:
        """Return the next events of a shard, in position order."""

    @abstractmethod
    def read_at(self, positions: Collection[int]) -> list[StoredEvent]:
        """Return the events at these positions, in position order."""

    @abstractmethod
    def begin(self, progress: Mapping[int, int]) -> tuple[Mapping[int, int], list[StoredEvent]]:
        """Return the next events of shards after their progress, a batch of each at most, in position order.

        With them, for each shard that has any, the number of a note that their delivery begins, which does not wait for
        the disk.
        """

    @abstractmethod
    def take_back_start(self, number: int) -> None:
        """Take the note back: nothing was begun."""

    def _execute(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        # Straight to the driver, where a statement outside of a transaction is its own: SQLAlchemy would open one.
        return driver.run(self._connection, sql, values)

    def newest_position(self) -> int:
        """Return the last position given."""
        return int(self._execute("select coalesce(max(position), 0) from event_log")[0][0])

    def poll(self) -> Poll:
        """Return what there is to do now, in one statement: it is asked for again after every round."""
        moment = self.moment_of_look()
        ((shards, is_retry_due, is_canary_waiting),) = self._execute(
            self.what_is_there, (None if moment is None else self.moment(moment),)
        )
        return Poll(
            [
                Ahead(shard, progress, events, None if until is None else Lost(until, age))
                for shard, progress, events, until, age in msgspec.json.decode(shards)
            ],
            bool(is_retry_due),
            bool(is_canary_waiting),
        )

    def moment_of_look(self) -> datetime | None:
        """Return up to when retries are due; None: now by the database's clock, unless time stands still here."""
        return clock.stands_at()

    def oldest_waiting(self) -> datetime | None:
        """Return when the oldest event that no shard has reached occurred; None where every shard is at its end."""
        rows = self._execute(
            f"select min(e.occurred_at) from ({self.shards}) s join event_log l on l.position ="
            " (select min(n.position) from event_log n where n.shard = s.shard and n.position >"
            " coalesce((select max(p.position) from progress p where p.shard = s.shard), 0))"
            " join events e on e.id = l.event_id"
        )
        return self.read_moment(rows[0][0])

    def progress(self, shard: int) -> int:
        """Return the position up to which the shard is delivered."""
        return self.progress_in(self._connection, shard)

    # Inside a transaction ---------------------------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def lock(cls, connection: Connection, shard: int) -> bool:
        """Take the shard until the transaction ends; False where somebody else has it."""

    @classmethod
    @abstractmethod
    def claim(cls, connection: Connection, shards: Collection[int], event_types: Collection[str]) -> ShardState:
        """Take those of the shards that nobody else has, until the transaction ends.

        Returns how these stand, looked at after they were taken, and who subscribed to these types of events.
        """

    @classmethod
    @abstractmethod
    def lock_sequencer(cls, connection: Connection) -> None:
        """Let nobody give positions until the transaction ends."""

    @classmethod
    @abstractmethod
    def wait_for_shards(cls, connection: Connection) -> None:
        """Take every shard until the transaction ends."""

    @classmethod
    @abstractmethod
    def add_progress(cls, connection: Connection, rows: Sequence[Row], progress: Mapping[int, int]) -> None:
        """Say who handled these events, and up to where these shards are delivered now."""

    @classmethod
    @abstractmethod
    def append_handler(cls, connection: Connection, positions: Sequence[int], handler: int, us: int) -> None:
        """Add one handler to those that have handled these events."""

    @classmethod
    def progress_in(cls, connection: Connection, shard: int) -> int:
        """Return the position up to which the shard is delivered, as this transaction sees it."""
        rows = driver.run(connection, _PROGRESS.format(value=cls.value), (shard,))
        return int(rows[0][0]) if rows else 0
