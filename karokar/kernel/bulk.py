"""Many rows into a table at once: the way for handlers that are given lists."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, insert
from sqlalchemy.dialects import postgresql, sqlite

from karokar.kernel import driver
from karokar.kernel.db import Base, db


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
    statement: Any = sqlite.insert(table).on_conflict_do_nothing() if skip_existing else insert(table)
    connection.execute(statement, list(rows))


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
