"""Rows written without the mapper: many at once, or only where they are not there already."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from karokar.kernel.database import driver
from karokar.kernel.db import Base, db


def upsert(bind: Session | Connection, class_: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """Return an insert into the class's table to which `on_conflict_do_nothing` or `_do_update` can be added."""
    connection = bind.connection() if isinstance(bind, Session) else bind
    table = cast("Table", class_.__table__)
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def insert_missing(class_: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, given by column, in one go; a row whose key (any unique one) is there already is left as it is."""
    if rows:
        db.session.execute(upsert(db.session(), class_).on_conflict_do_nothing(), list(rows))


def insert_if_new(class_: type[Base], row: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is there already, and return whether it was new."""
    result: Any = db.session.execute(upsert(db.session(), class_).on_conflict_do_nothing().values(**row))
    return bool(result.rowcount)


def insert_rows(model: type[Base], rows: Sequence[Mapping[str, Any]], *, skip_existing: bool = False) -> None:
    """Insert rows, given as column → value, in one statement of the open transaction.

    All rows have the same columns; defaults made by Python are not filled in. With `skip_existing`, a row that breaks
    a unique key is left out, so that a second delivery changes nothing.
    """
    if not rows:
        return
    table: Any = model.__table__
    connection = db.session.connection()
    if connection.dialect.name == "postgresql":
        _insert_document(connection, table, tuple(rows[0]), rows, skip_existing=skip_existing)
        return
    statement = upsert(connection, model)
    connection.execute(statement.on_conflict_do_nothing() if skip_existing else statement, list(rows))


def _insert_document(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[Mapping[str, Any]],
    *,
    skip_existing: bool,
) -> None:
    # One document with all rows costs the client a tenth of a statement with as many values, and is quick to plan.
    statement = _statement(table, columns) + (" on conflict do nothing" if skip_existing else "")
    driver.run(connection, statement, (msgspec.json.encode(rows).decode(),))


@cache
def _statement(table: Table, columns: tuple[str, ...]) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    names = ", ".join(f'"{name}"' for name in columns)
    types = ", ".join(f'"{name}" {table.c[name].type.compile(dialect)}' for name in columns)
    return f"insert into {table.name}({names}) select {names} from json_to_recordset(%s::json) as r({types})"
