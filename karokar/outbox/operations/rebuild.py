"""Rebuild: what a projection's rows would be, if its events were all that there is; and making them so.

A handler that says which rows are its own (`keeps`) is called with its events, stream by stream, while empty temporary
tables stand before its own: whatever it reads and writes there, it begins with nothing. Then both are compared. A check
reads the live tables from one snapshot and takes no lock on them, neither on a row nor, on SQLite, on the file. Only
streams that differ are built once more to be corrected, under their shard's lock, each in a transaction of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, and_, delete, insert, or_, select, text
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

from karokar.events.handlers import HANDLERS, Handler
from karokar.kernel.db import db, transaction
from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import check as check_permission
from karokar.kernel.processes.heartbeat import beat
from karokar.outbox.operations.permissions import EVENT_OPERATE
from karokar.outbox.operations.replay import run_again, take_shard
from karokar.outbox.operations.replay_plan import Unit, Wanted, list_units

STREAMS_AT_ONCE = 200
"""So many streams are compared within one snapshot."""

Row = tuple[Any, ...]


@dataclass
class Difference:
    """How one stream's rows differ from what its events tell, in rows by table."""

    unit: Unit
    missing: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)
    too_many: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows differ."""
        return sum(sum(kind.values()) for kind in (self.missing, self.wrong, self.too_many))

    @property
    def in_words(self) -> str:
        """Say it."""
        kinds = (("missing", self.missing), ("wrong", self.wrong), ("too many", self.too_many))
        return ", ".join(
            f"{table}: {count:,} {kind}" for kind, found in kinds for table, count in sorted(found.items())
        )


@dataclass(frozen=True)
class _Kept:
    """One of a projection's tables: as it lives, and the temporary one before it."""

    live: Table
    shadow: Table
    key: str

    def rows(self, session: Session, table: Table, unit: Unit) -> dict[Row, Row]:
        found = session.execute(select(table).where(table.c[self.key] == _id_of(unit))).mappings()
        return {tuple(row[column] for column in table.primary_key): tuple(row.values()) for row in found}


def can_rebuild(name: str) -> bool:
    """Whether this handler says which rows are its own. Raises NotFound for one that this code does not know."""
    return bool(_declared(name).keeps)


def check(name: str) -> Iterator[Difference]:
    """Yield each stream whose rows are not what its events tell. Changes nothing, and holds nobody up.

    Raises PermissionDenied and NotFound.
    """
    check_permission(EVENT_OPERATE)
    declared = _declared(name)
    units = [unit for unit in list_units(Wanted(handler=name)) if unit.kind == "rerun"]
    for begin in range(0, len(units), STREAMS_AT_ONCE):
        chunk = units[begin : begin + STREAMS_AT_ONCE]
        beat()
        session = db.session()
        session.rollback()
        try:
            if session.get_bind().dialect.name == "postgresql":
                session.execute(text("set transaction isolation level repeatable read"))
            with _shadows(session, declared) as kept:
                for unit in chunk:
                    _build(session, unit)
                found = [_compare(session, kept, unit) for unit in chunk]
        finally:
            session.rollback()
            session.expunge_all()
        yield from (one for one in found if one.rows)


def count_streams(name: str) -> int:
    """Return how many streams a projection has."""
    return sum(unit.kind == "rerun" for unit in list_units(Wanted(handler=name)))


def apply(unit: Unit) -> Difference:
    """Make one stream's rows what its events tell, in one transaction, and return what was changed.

    Raises PermissionDenied, NotFound, and Busy where the shard is being delivered all the time.
    """
    check_permission(EVENT_OPERATE)
    with transaction() as session:
        take_shard(session, unit.shard)
        with _shadows(session, _declared(unit.handler)) as kept:
            _build(session, unit)
            difference = _compare(session, kept, unit)
            for table in kept:
                _correct(session, table, unit)
            for table in kept:
                session.execute(DropTable(table.shadow))
        session.expunge_all()
        return difference


def _declared(name: str) -> Handler:
    declared = HANDLERS.get(name)
    if declared is None or declared.effect != "projection":
        raise NotFound("handler")
    return declared


def _id_of(unit: Unit) -> UUID:
    return UUID(unit.aggregate_id if unit.stream is None else unit.stream.partition(":")[2])


@contextmanager
def _shadows(session: Session, declared: Handler) -> Iterator[Sequence[_Kept]]:
    """Put an empty temporary table before each of the handler's own until the transaction ends."""
    session.expunge_all()
    connection = session.connection()
    is_postgresql = connection.dialect.name == "postgresql"
    live_schema = connection.scalar(text("select current_schema()")) if is_postgresql else "main"
    kept = []
    for attribute in declared.keeps:
        column: Column[Any] = attribute.property.columns[0]
        shadow: Table = column.table.to_metadata(MetaData())
        if is_postgresql:
            shadow.dialect_options["postgresql"]["on_commit"] = "DROP"
        create = str(CreateTable(shadow, include_foreign_key_constraints=[]).compile(connection))
        connection.exec_driver_sql(create.replace("CREATE TABLE", "CREATE TEMPORARY TABLE", 1))
        for index in shadow.indexes:
            if index.unique:
                connection.execute(CreateIndex(index))
        schema = "pg_temp" if is_postgresql else "temp"
        kept.append(
            _Kept(
                live=column.table.to_metadata(MetaData(), schema=live_schema),
                shadow=column.table.to_metadata(MetaData(), schema=schema),
                key=column.name,
            )
        )
    with _nothing_prepared(connection.connection.driver_connection):
        yield kept


@contextmanager
def _nothing_prepared(driver: Any) -> Iterator[None]:
    """Let no statement run as it was prepared: it would mean the live table."""
    if not hasattr(driver, "prepare_threshold"):
        yield
        return
    threshold, driver.prepare_threshold = driver.prepare_threshold, None
    try:
        yield
    finally:
        driver.prepare_threshold = threshold


def _build(session: Session, unit: Unit) -> None:
    run_again(session, unit)
    session.flush()
    session.expunge_all()


def _compare(session: Session, kept: Sequence[_Kept], unit: Unit) -> Difference:
    difference = Difference(unit)
    for table in kept:
        live, told = table.rows(session, table.live, unit), table.rows(session, table.shadow, unit)
        counts = {
            "missing": len(told.keys() - live.keys()),
            "too_many": len(live.keys() - told.keys()),
            "wrong": sum(live[key] != told[key] for key in live.keys() & told.keys()),
        }
        for kind, count in counts.items():
            if count:
                getattr(difference, kind)[table.live.name] = count
    return difference


def _correct(session: Session, table: _Kept, unit: Unit) -> None:
    live, told = table.rows(session, table.live, unit), table.rows(session, table.shadow, unit)
    columns = list(table.live.primary_key)
    outdated = [key for key, row in live.items() if told.get(key) != row]
    if outdated:
        same = [and_(*(column == value for column, value in zip(columns, key, strict=True))) for key in outdated]
        session.execute(delete(table.live).where(or_(*same)))
    names = [column.name for column in table.live.columns]
    new: list[Mapping[str, Any]] = [
        dict(zip(names, row, strict=True)) for key, row in told.items() if live.get(key) != row
    ]
    if new:
        session.execute(insert(table.live), new)
