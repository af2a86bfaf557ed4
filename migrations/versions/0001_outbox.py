"""The tables of outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001_outbox"
down_revision = None
branch_labels = None
depends_on = None

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)
OPEN = "state in ('retrying', 'waiting', 'dead')"

# Gives every event that is visible now, and was not visible to the newest tick, the next positions. One statement gives
# positions and takes the snapshot, so both see the same; the function keeps the lock shorter than any client could.
SEQUENCE_EVENTS = """
create function sequence_events(out last bigint, out shards smallint[]) language plpgsql as $$
begin
  perform pg_advisory_xact_lock(7001);
  with s as materialized (
    select snapshot as old, position as p, pg_current_snapshot() as cur from ticks order by position desc limit 1),
  fresh as (
    select e.id, e.shard from s, events e
     where e.xid >= pg_snapshot_xmax(s.old) and e.xid < pg_snapshot_xmax(s.cur) and pg_visible_in_snapshot(e.xid, s.cur)
    union all
    select e.id, e.shard from s, events e
     where e.xid = any (array(select pg_snapshot_xip(old) from s)) and pg_visible_in_snapshot(e.xid, s.cur)),
  added as (
    insert into event_log(position, event_id, shard)
    select s.p + row_number() over (order by fresh.id), fresh.id, fresh.shard from fresh, s
    on conflict (event_id) do nothing returning position, event_log.shard),
  tick as (
    insert into ticks(position, snapshot, at)
    select max(position), (select cur from s), clock_timestamp() from added having count(*) > 0 returning position)
  select (select position from tick), array_agg(distinct added.shard) into last, shards from added;
end $$
"""


def upgrade() -> None:
    """Make the tables."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "events",
        sa.Column("id", ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("aggregate_type", sa.Text(), nullable=False),
        sa.Column("aggregate_id", sa.Uuid(), nullable=False),
        sa.Column("aggregate_seq", sa.Integer(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("payload", DOCUMENT, nullable=False),
        sa.Column("metadata", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("event_id", name="uq_events_event_id"),
        sa.UniqueConstraint(
            "aggregate_type",
            "aggregate_id",
            "aggregate_seq",
            name="uq_events_aggregate_type_aggregate_id_aggregate_seq",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_event_type_id", "events", ["event_type", "id"])
    op.create_index("ix_events_correlation_id", "events", ["correlation_id"])
    op.create_table(
        "event_subjects",
        sa.Column("subject_type", sa.SmallInteger(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", ROW_NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("subject_type", "subject_id", "event_id", name="pk_event_subjects"),
    )
    if is_postgresql:
        _make_log()
    else:
        op.create_index("ix_events_shard_id", "events", ["shard", "id"])
        op.execute("create view event_log as select id as position, id as event_id, shard from events")
    op.create_table(
        "progress",
        sa.Column("shard", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("shard", "position", name="pk_progress"),
    )
    op.create_table(
        "starts",
        sa.Column("id", ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_starts"),
    )
    op.create_index("ix_starts_shard_until", "starts", ["shard", "until"])
    op.create_table(
        "handled",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("handlers", sa.ARRAY(sa.SmallInteger()).with_variant(sa.JSON(), "sqlite"), nullable=False),
        sa.Column("us", sa.ARRAY(sa.Integer()).with_variant(sa.JSON(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_handled"),
    )
    op.create_table(
        "troubles",
        sa.Column("handler", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", TIME),
        sa.Column("error", sa.Text()),
        sa.Column("fingerprint", sa.Text()),
        sa.Column("since", TIME, nullable=False),
        sa.PrimaryKeyConstraint("handler", "position", name="pk_troubles"),
        sa.CheckConstraint(
            "state in ('retrying', 'waiting', 'dead', 'dismissed', 'done')", name="ck_troubles_state_is_known"
        ),
    )
    op.create_index(
        "ix_troubles_open",
        "troubles",
        ["shard", "handler", "stream", "position"],
        postgresql_where=sa.text(OPEN),
        sqlite_where=sa.text(OPEN),
    )
    op.create_index(
        "ix_troubles_due",
        "troubles",
        ["due_at"],
        postgresql_where=sa.text("state = 'retrying'"),
        sqlite_where=sa.text("state = 'retrying'"),
    )
    op.create_index("ix_troubles_position", "troubles", ["position"])
    op.create_table(
        "subscriptions",
        sa.Column("handler", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("since_position", sa.BigInteger(), nullable=False),
        sa.Column("until_position", sa.BigInteger()),
        sa.Column("paused_at", TIME),
        sa.PrimaryKeyConstraint("handler", "event_type", name="pk_subscriptions"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "canaries",
        sa.Column("id", ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("answered_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_canaries"),
    )
    op.create_index(
        "ix_canaries_unanswered",
        "canaries",
        ["asked_at"],
        postgresql_where=sa.text("answered_at is null"),
        sqlite_where=sa.text("answered_at is null"),
    )
    op.create_table(
        "latency_counts",
        sa.Column("shard", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("buckets", sa.JSON(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("shard", name="pk_latency_counts"),
    )

    op.create_table(
        "event_verifications",
        sa.Column("id", ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("since_position", sa.BigInteger(), nullable=False),
        sa.Column("until_position", sa.BigInteger(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("problems", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_verifications"),
    )


def _make_log() -> None:
    op.execute("alter table events add column xid xid8 not null default pg_current_xact_id()")
    op.execute("create index ix_events_xid on events(xid)")
    op.create_table(
        "event_log",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_event_log"),
        sa.UniqueConstraint("event_id", name="uq_event_log_event_id"),
    )
    op.create_index("uq_event_log_shard_position", "event_log", ["shard", "position"], unique=True)
    op.execute(
        "create table ticks(position bigint not null, snapshot pg_snapshot not null, at timestamptz not null,"
        # A cluster's own number: a tick that came from another one is known by it.
        " system_identifier bigint not null default ((pg_control_system()).system_identifier),"
        " constraint pk_ticks primary key (position))"
    )
    op.execute("insert into ticks values (0, pg_current_snapshot(), clock_timestamp())")
    op.execute(SEQUENCE_EVENTS)


def downgrade() -> None:
    """Drop the tables."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("drop function sequence_events()")
        op.drop_table("ticks")
        op.drop_table("event_log")
    else:
        op.execute("drop view event_log")
    for table in (
        "event_verifications",
        "latency_counts",
        "canaries",
        "leases",
        "subscriptions",
        "troubles",
        "handled",
        "starts",
        "progress",
        "event_subjects",
        "events",
    ):
        op.drop_table(table)
