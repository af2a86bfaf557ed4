"""The statements of PostgreSQL."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
from sqlalchemy import Connection, Engine

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

# Names of advisory locks: the sequencer's, and one per shard.
SEQUENCER = 7001
SHARD = 7002

# A worker that stands still inside a transaction is cut off by the server; a lock that does not come is given up.
FROZEN_AFTER_MS = 5000
LOCK_WAIT_MS = 3000

# One way to the server and back: the event's row number goes straight into its subjects.
_ADD_EVENT = f"""
with e as (
  insert into events({ADDED_COLUMNS})
  values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb) returning id)
insert into event_subjects(subject_type, subject_id, event_id)
select s.type, s.id, e.id from e, unnest(%s::smallint[], %s::uuid[]) as s(type, id)
"""

BATCH = 200

# Shards are named by where a value stands in an array, or by a bit: a plan for every list of them is the same plan, so
# that the server does not make one each time.
_SHARDS = f"generate_series(0, {len(ALL_SHARDS) - 1}) as shards(shard)"

_COLUMNS = READ_COLUMNS.format(payload="e.payload::text", metadata="e.metadata::text")
_SELECT = f"select {_COLUMNS} from event_log l join events e on e.id = l.event_id"
_READ = f"{_SELECT} where l.shard = %s and l.position > %s order by l.position limit %s"

# The setting holds for the statement's own transaction: losing a note in a crash of the server is harmless.
_QUICKLY = "quick as materialized (select set_config('synchronous_commit', 'off', true))"
_BEGIN = f"""
with {_QUICKLY},
batch as materialized (
  select {_COLUMNS} from (
    select shard, (%s::bigint[])[shard + 1] as position from {_SHARDS}) s
  cross join lateral (
    select position, shard, event_id from event_log
    where event_log.shard = s.shard and event_log.position > s.position order by position limit {BATCH}) l
  join events e on e.id = l.event_id),
note as (
  insert into starts(shard, until, at)
  select batch.shard, max(batch.position), clock_timestamp() from quick, batch group by batch.shard
  returning starts.id, starts.shard)
select batch.*, note.id from batch join note on note.shard = batch.shard order by batch.position
"""

_WHAT_IS_THERE = f"""
select
  (select coalesce(json_agg(json_build_array(s.shard, s.position, a.events, n.until, n.age)), '[]')::text from (
     select shards.shard, coalesce(p.position, 0) as position, p.at
     from {_SHARDS}
     left join lateral (
       select position, at from progress where progress.shard = shards.shard order by position desc limit 1
     ) p on true) s
   left join lateral (
     select max(until) as until, extract(epoch from clock_timestamp() - greatest(max(starts.at), s.at))::float8 as age
     from starts where starts.shard = s.shard and until > s.position) n on true
   cross join lateral (select count(*) as events from (
     select from event_log l where l.shard = s.shard and l.position > s.position limit {BATCH}) l) a
   where a.events > 0),
  exists (select 1 from troubles where state = 'retrying' and due_at <= coalesce(%s::timestamptz, now())),
  exists (select 1 from canaries where answered_at is null)
"""

_LOCK = f"""
select s.shard, pg_try_advisory_xact_lock({SHARD}, s.shard),
       set_config('idle_in_transaction_session_timeout', '{FROZEN_AFTER_MS}', true),
       set_config('lock_timeout', '{LOCK_WAIT_MS}', true)
from unnest(%s::int[]) as s(shard)
"""

# A statement of its own after the lock, so that it sees what the lock's last holder committed.
_STANDING = f"""
select
  (select json_agg(json_build_array(
     s.event_type, s.handler, s.name, s.key, s.since_position, s.until_position, s.paused_at is not null))
   from subscriptions s where s.event_type = any(%s)),
  (select json_agg(json_build_array(shards.shard, coalesce(p.position, 0),
     (select json_agg(distinct jsonb_build_array(t.handler, t.stream)) from troubles t
      where t.shard = shards.shard and t.state in ('retrying', 'waiting', 'dead'))))
   from {_SHARDS}
   left join lateral (
     select position from progress where progress.shard = shards.shard order by position desc limit 1) p on true
   where %s & (1 << shards.shard) <> 0)
"""

_ADD_PROGRESS = """
with added as (
  insert into handled(position, at, handlers, us)
  select r.position, clock_timestamp(), r.handlers, r.us
  from json_to_recordset(%s::json) as r(position bigint, handlers smallint[], us int[]))
insert into progress(shard, position, at)
select s.shard, s.position, clock_timestamp() from unnest(%s::smallint[], %s::bigint[]) as s(shard, position)
"""


# Numbers of transactions mean something within one cluster only: after a restore into another one, new events could
# have numbers that the sequencer takes for seen. What has no position gets one, and a new tick counts from now.
_IS_FROM_ELSEWHERE = """
select system_identifier <> (select system_identifier from pg_control_system())
  or pg_snapshot_xmax(snapshot) > pg_snapshot_xmax(pg_current_snapshot())
from ticks order by position desc limit 1
"""
_MEND = f"""
with lock as materialized (select pg_advisory_xact_lock({SEQUENCER})),
newest as (select coalesce(max(position), 0) as position from event_log, lock),
added as (
  insert into event_log(position, event_id, shard)
  select n.position + row_number() over (order by e.id), e.id, e.shard from events e, newest n
  where not exists (select 1 from event_log l where l.event_id = e.id) returning position)
insert into ticks(position, snapshot, at)
select greatest((select max(position) from added), n.position), pg_current_snapshot(), clock_timestamp() from newest n
on conflict (position) do update
  set snapshot = excluded.snapshot, at = excluded.at, system_identifier = excluded.system_identifier
"""


class PostgresqlStore(Store):
    """See `Store`."""

    value: ClassVar[str] = "%s"
    what_is_there: ClassVar[str] = _WHAT_IS_THERE
    shards: ClassVar[str] = f"select shard from {_SHARDS}"
    first_batch: ClassVar[int] = BATCH
    largest_batch: ClassVar[int] = BATCH
    slice_seconds: ClassVar[float | None] = None
    pause_seconds: ClassVar[float] = 0.0

    @classmethod
    @contextmanager
    def connect(cls, engine: Engine) -> Iterator[Connection]:  # noqa: D102
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection

    @classmethod
    def add_event(cls, connection: Connection, event: NewEvent) -> None:  # noqa: D102
        driver.run(
            connection,
            _ADD_EVENT,
            (
                event.event_id,
                event.event_type,
                event.version,
                event.aggregate_type,
                event.aggregate_id,
                event.aggregate_seq,
                event.stream,
                event.shard,
                event.correlation_id,
                event.occurred_at,
                event.payload,
                event.metadata,
                [kind for kind, _ in event.subjects],
                [entity_id for _, entity_id in event.subjects],
            ),
        )

    @classmethod
    def moment(cls, moment: datetime) -> Any:  # noqa: D102
        return moment

    @classmethod
    def read_moment(cls, value: Any) -> datetime | None:  # noqa: D102
        return None if value is None else value.astimezone(UTC)

    def sequence(self) -> None:  # noqa: D102
        self._execute("select sequence_events()")

    def rebase_after_restore(self) -> bool:  # noqa: D102
        is_from_elsewhere = self._execute(_IS_FROM_ELSEWHERE)[0][0]
        if is_from_elsewhere:
            self._execute(_MEND)
        return bool(is_from_elsewhere)

    def read(self, shard: int, after: int, limit: int) -> list[StoredEvent]:  # noqa: D102
        return [_stored(row) for row in self._execute(_READ, (shard, after, limit))]

    def begin(self, progress: Mapping[int, int]) -> tuple[Mapping[int, int], list[StoredEvent]]:  # noqa: D102
        rows = self._execute(_BEGIN, ([progress.get(shard) for shard in ALL_SHARDS],))
        events = [_stored(row) for row in rows]
        return {event.shard: row[-1] for event, row in zip(events, rows, strict=True)}, events

    def read_at(self, positions: Collection[int]) -> list[StoredEvent]:  # noqa: D102
        rows = self._execute(f"{_SELECT} where l.position = any(%s) order by l.position", (list(positions),))
        return [_stored(row) for row in rows]

    def take_back_start(self, number: int) -> None:  # noqa: D102
        self._execute("delete from starts where id = %s", (number,))

    @classmethod
    def lock(cls, connection: Connection, shard: int) -> bool:  # noqa: D102
        return bool(driver.run(connection, _LOCK, ([shard],))[0][1])

    @classmethod
    def claim(  # noqa: D102
        cls, connection: Connection, shards: Collection[int], event_types: Collection[str]
    ) -> ShardState:
        types, bits = list(event_types), sum(1 << shard for shard in shards)
        taken = {shard for shard, is_taken, *_ in driver.run(connection, _LOCK, (list(shards),)) if is_taken}
        ((subscriptions, standing),) = driver.run(connection, _STANDING, (types, bits))
        rows = [row for row in standing or () if row[0] in taken]
        return ShardState(
            {shard: progress for shard, progress, _blocked in rows},
            [SubscriptionRow._make(one) for one in subscriptions or ()],
            {(shard, handler, key) for shard, _progress, blocked in rows for handler, key in blocked or ()},
        )

    @classmethod
    def lock_sequencer(cls, connection: Connection) -> None:  # noqa: D102
        driver.run(connection, f"select pg_advisory_xact_lock({SEQUENCER})")

    @classmethod
    def wait_for_shards(cls, connection: Connection) -> None:  # noqa: D102
        driver.run(connection, f"select pg_advisory_xact_lock({SHARD}, s.shard) from ({cls.shards}) s")

    @classmethod
    def add_progress(  # noqa: D102
        cls, connection: Connection, rows: Sequence[Row], progress: Mapping[int, int]
    ) -> None:
        document = [{"position": row.position, "handlers": row.handlers, "us": row.us} for row in rows]
        values = (msgspec.json.encode(document).decode(), list(progress), list(progress.values()))
        driver.run(connection, _ADD_PROGRESS, values)

    @classmethod
    def append_handler(cls, connection: Connection, positions: Sequence[int], handler: int, us: int) -> None:  # noqa: D102
        sql = (
            "update handled set handlers = handlers || %s::smallint, us = us || %s::int"
            " where position = any(%s) and not handlers @> array[%s::smallint]"
        )
        driver.run(connection, sql, (handler, us, list(positions), handler))


def _stored(row: Any) -> StoredEvent:
    return StoredEvent._make((*row[:10], row[10].astimezone(UTC), *row[11:13]))
