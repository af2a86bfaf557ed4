"""The work that every figure is measured with: things that are moved, and three handlers that insert one row each."""

import contextlib
import dataclasses
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar
from uuid import UUID

import flask_migrate
import msgspec
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from karokar.app import create_app
from karokar.config import PROJECT, Config, load_config
from karokar.events.base import Event, OrganizationId, VehicleId, fact
from karokar.events.bus import publish
from karokar.events.handlers import HANDLERS, handles
from karokar.kernel import clock, log
from karokar.kernel.actor import SYSTEM, Cause
from karokar.kernel.database.rows import insert_rows
from karokar.kernel.db import Aggregate, Base, action, db, transaction
from karokar.kernel.ids import new_id
from karokar.kernel.processes.memory import keep_what_is_loaded
from karokar.outbox.models import EventRow
from karokar.outbox.recorder import metadata_of, shard_of
from tests.servers import postgresql

VEHICLE, VENDOR, CORPORATE = new_id(), new_id(), new_id()


class Item(Aggregate):
    __tablename__ = "bench_items"
    aggregate_type = "BenchItem"
    label = "item"
    __table_args__ = {"info": {"dialects": ()}}
    number: Mapped[int]
    seen: Mapped[int] = mapped_column(info={"untracked": True})


class _Effect(Base):
    __abstract__ = True
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int]


class EffectA(_Effect):
    __tablename__ = "bench_effects_a"
    __table_args__ = {"info": {"dialects": ()}}


class EffectB(_Effect):
    __tablename__ = "bench_effects_b"
    __table_args__ = {"info": {"dialects": ()}}


class EffectC(_Effect):
    __tablename__ = "bench_effects_c"
    __table_args__ = {"info": {"dialects": ()}}


EFFECTS = (EffectA, EffectB, EffectC)


@fact("BenchItemMoved", "moved an item")
class ItemMoved(Event, frozen=True, kw_only=True):
    """An item moved: the aggregate and four subjects, as a booking has."""

    aggregate_type: ClassVar[str] = "BenchItem"
    aggregate_field: ClassVar[str | None] = "item_id"
    item_id: Annotated[UUID, msgspec.Meta(extra={"subject": "Booking"})]
    vehicle_id: VehicleId
    vendor_organization_id: OrganizationId
    corporate_organization_id: OrganizationId
    number: int


def declare(style: str) -> None:
    """Declare the three handlers in one of the styles: list, add, action (one that adds a row, two as lists)."""
    HANDLERS.clear()
    for index, table in enumerate(EFFECTS):
        _declare(f"effect_{index}", table, style, is_first=index == 0)


def _declare(name: str, table: type[_Effect], style: str, *, is_first: bool) -> None:
    def as_list(envelopes: list[Any]) -> None:
        rows = [{"event_id": one.event_id, "number": one.event.number} for one in envelopes]
        insert_rows(table, rows)

    def add(envelope: Any) -> None:
        db.session.add(table(event_id=envelope.event_id, number=envelope.event.number))

    is_action = style == "action" and is_first
    is_list = style == "list" or (style == "action" and not is_first)
    function = as_list if is_list else add
    function.__module__, function.__name__ = "karokar.bench.handlers", name
    handles(
        ItemMoved,
        many=is_list,
        effect="action" if is_action else "projection",
        description="Inserts one row.",
    )(function)


# Databases ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def application(kind: str, **settings: Any) -> Iterator[Flask]:
    """Yield an application on a new database: a PostgreSQL cluster of its own with fsync on, or a SQLite file."""
    directory = Path(tempfile.mkdtemp(prefix="kk-", dir="/tmp"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        url = f"sqlite:///{directory / 'bench.sqlite3'}"
        if kind == "postgresql":
            stack.enter_context(
                postgresql.running(directory / "pg", {"fsync": "on", "full_page_writes": "on", "autovacuum": "on"})
            )
            url = postgresql.url(directory / "pg", "postgres")
        config = configure(url, directory, **settings)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        app = create_app(config)
        log.configure(config.log_format, logging.ERROR)
        with app.app_context():
            flask_migrate.upgrade(directory=str(PROJECT / "migrations"))
            make_tables()
            keep_what_is_loaded()  # As a worker does.
            yield app
            db.session.remove()
            db.engine.dispose()


def configure(url: str, directory: Path, **settings: Any) -> Config:
    config = load_config(
        {
            "KAROKAR_DATA": str(directory / "data"),
            "DATABASE_URL": url,
            "SECRET_KEY": "a-key-for-measuring-alone-0123456789",
            "EVENT_BUS_DISPATCHER": "none",
        }
    )
    return dataclasses.replace(config, **settings)


def make_tables() -> None:
    tables = [table.__table__ for table in (Item, *EFFECTS)]
    Base.metadata.create_all(db.engine, tables=tables)


def clean() -> None:
    """Forget all events and effects, keep the subscriptions empty."""
    names = ["events", "event_subjects", "progress", "starts", "handled", "troubles", "subscriptions"]
    names += [table.__tablename__ for table in (Item, *EFFECTS)]
    with transaction() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("set local session_replication_role = replica"))
            session.execute(text(f"truncate {', '.join((*names, 'event_log', 'ticks'))} restart identity"))
            session.execute(text("insert into ticks values (0, pg_current_snapshot(), clock_timestamp())"))
        else:
            # Events are append-only: the guards are put back below.
            guards = session.execute(
                text("select name, sql from sqlite_master where type = 'trigger' and sql like '%is append-only%'")
            ).all()
            for name, _sql in guards:
                session.execute(text(f"drop trigger {name}"))
            for name in names:
                session.execute(text(f"delete from {name}"))
            for _name, sql in guards:
                session.execute(text(sql))


def fill(events: int, aggregates: int = 1000) -> None:
    """Put events of so many aggregates into the log, straight, as if they had been recorded."""
    items = [new_id() for _ in range(aggregates)]
    cause = Cause(correlation_id=new_id())
    now = clock.now()
    rows = []
    for number in range(events):
        event = moved(items[number % aggregates], number)
        stream = f"BenchItem:{event.item_id}"
        metadata = metadata_of(event, SYSTEM, cause, {"number": [number - 1, number]})
        rows.append(
            {
                "event_id": new_id(),
                "event_type": event.event_type,
                "version": 1,
                "aggregate_type": "BenchItem",
                "aggregate_id": event.item_id,
                "aggregate_seq": number // aggregates + 1,
                "stream": stream,
                "shard": shard_of(stream),
                "correlation_id": cause.correlation_id,
                "occurred_at": now,
                "payload": msgspec.to_builtins(event),
                "metadata": msgspec.to_builtins(metadata),
            }
        )
    with transaction():
        for first in range(0, len(rows), 1000):
            insert_rows(EventRow, rows[first : first + 1000])
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("analyze"))


def moved(item_id: UUID, number: int) -> ItemMoved:
    """An event with the aggregate and three more subjects."""
    return ItemMoved(
        item_id=item_id,
        vehicle_id=VEHICLE,
        vendor_organization_id=VENDOR,
        corporate_organization_id=CORPORATE,
        number=number,
    )


@action
def make_item() -> UUID:
    item = Item(number=0, seen=0)
    db.session.add(item)
    publish(moved(item.id, 0))
    return item.id


@action
def move(item_id: UUID) -> None:
    """The usual action: load, change, publish."""
    item = db.session.get_one(Item, item_id)
    item.number += 1
    publish(moved(item.id, item.number))


@action
def touch(item_id: UUID) -> None:
    """The same load and UPDATE without an event."""
    db.session.get_one(Item, item_id).seen += 1
