"""Columns of text that people type: names, which can be read, and keys by which text is found and sorted."""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Index, Text, event, inspect
from sqlalchemy.orm import Session, mapped_column

from karokar.kernel.db import Base
from karokar.kernel.errors import RuleBroken
from karokar.kernel.text.normalization import name_problem, normal, search_key, search_words

SearchKey = Text().with_variant(Text(collation="C"), "postgresql")
"""The type of a search key: both databases put keys in the same order, that of their letters' numbers."""

LONGEST_KEY = 400
"""Letters of a search key at most. One sign can stand for many letters, and an index takes no more."""

NAME = {"name": True}
"""The `info` of a column that holds a name or title: what cannot be one is refused, whoever sets it."""


def key_of(*columns: str) -> Any:
    """Declare a column that is always the search key of these columns of the same row, one after the other.

    Text is found and sorted by it (`kernel.text.normalization.search_key`): the databases fold ASCII letters only.
    """
    info = {"key_of": columns, "untracked": True}
    return mapped_column(SearchKey, server_default="", info=info, sort_order=80)


def indexes_of_key(table: str) -> tuple[Index, Index]:
    """Return the indexes of a table's search key: for its order, and on PostgreSQL for what lies within it."""
    within = Index(
        f"ix_{table}_search_key_within",
        "search_key",
        postgresql_using="gin",
        postgresql_ops={"search_key": "gin_trgm_ops"},
        info={"dialects": ("postgresql",)},
    )
    return Index(f"ix_{table}_search_key", "search_key", "id"), within.ddl_if(dialect="postgresql")


def finds(key: Any, text: str | None) -> list[ColumnElement[bool]]:
    """Return the conditions that a search key holds every word of the text."""
    return [key.contains(word, autoescape=True) for word in search_words(text)]


@event.listens_for(Base, "attribute_instrument", propagate=True)
def _check_names(_class: type[Base], key: str, attribute: Any) -> None:
    columns = getattr(getattr(attribute, "property", None), "columns", None)
    if not columns or not columns[0].info.get("name"):
        return

    @event.listens_for(attribute, "set", retval=True)
    def check(_row: Base, value: str | None, _before: Any, _initiator: Any) -> str | None:
        if not value:
            return value
        name = normal(value).strip()
        sentence = name_problem(name)
        if sentence is not None:
            raise RuleBroken("NAME_NOT_READABLE", sentence, fields={key: sentence})
        return name


@cache
def _keys_of(class_: type[Base]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = ((attribute.key, attribute.columns[0].info.get("key_of")) for attribute in inspect(class_).column_attrs)
    return tuple((key, columns) for key, columns in found if columns)


@event.listens_for(Session, "before_flush")
def _keep_search_keys(session: Session, _context: Any, _instances: Any) -> None:
    for row in (*session.new, *session.dirty):
        class_: type[Base] = type(row)
        for key, columns in _keys_of(class_):
            wanted = search_key(" ".join(getattr(row, column) or "" for column in columns))[:LONGEST_KEY]
            if getattr(row, key) != wanted:
                setattr(row, key, wanted)
