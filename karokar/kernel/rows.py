"""Rows that may be there already: what a projection writes, so that writing it twice changes nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

from karokar.kernel.db import Base, db


def insert_missing(class_: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, given by column, in one go; a row whose key (any unique one) is there already is left as it is."""
    if rows:
        db.session.execute(_insert(class_), list(rows))


def insert_if_new(class_: type[Base], row: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is there already, and return whether it was new."""
    result: Any = db.session.execute(_insert(class_).values(**row))
    return bool(result.rowcount)


def _insert(class_: type[Base]) -> Insert:
    table = class_.__table__
    assert isinstance(table, Table)  # noqa: S101 - a mapped class has a table
    if db.session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()
