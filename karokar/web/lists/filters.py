"""Typed filters in the address: `?status=REQUESTED&from=2026-11-16&sort=-start`.

    FILTERS = (
        Text("q", "Plate or reference"),
        Choice("status", "Status", choices=state_choices("booking")),
        Day("from", "From"), Day("to", "To", is_end=True),
    )
    filters = Filters.of_request(FILTERS, sorts=("start", "reference"), default_sort="-start")
    page = queries.list_bookings(**filters.values, sort=filters.sort, cursor=filters.cursor)

A value that does not fit is shown as an error at its field and filters nothing.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import abort, redirect, request

from karokar.kernel.db import primitive
from karokar.kernel.errors import RuleBroken
from karokar.web.lists import saved_views
from karokar.web.shell.times import end_of_day, local_day, read_day, read_moment, start_of_day

LARGEST_NUMBER = 2**31 - 1
"""What a column of numbers holds: beyond it the database refuses to compare."""


@dataclass(frozen=True)
class Field:
    """One filter: its ?name=, its label, and the name that a query gives it (`argument`, by default the same)."""

    name: str
    label: str
    argument: str = ""
    kind = "text"

    def read(self, raw: str) -> Any:
        """Return the typed value. Raises ValueError with a sentence where the text does not fit."""
        return raw

    def show(self, value: Any) -> str:
        """Return the value as its chip shows it."""
        return str(value)

    def options(self) -> Sequence[tuple[str, str]]:
        """Return what may be chosen; nothing where anything may be typed."""
        return ()


@dataclass(frozen=True)
class Text(Field):
    """Words to search for."""


@dataclass(frozen=True)
class Choice(Field):
    """One of a list of (value, word) pairs; `is_id`: the value is an id."""

    choices: Sequence[tuple[str, str]] = ()
    is_id: bool = False
    kind = "choice"

    def read(self, raw: str) -> Any:
        """Return the chosen value."""
        if raw not in dict(self.choices):
            message = "Choose one from the list."
            raise ValueError(message)
        return UUID(raw) if self.is_id else raw

    def show(self, value: Any) -> str:
        """Return the word of the chosen value."""
        return dict(self.choices).get(str(value), str(value))

    def options(self) -> Sequence[tuple[str, str]]:
        """Return the pairs."""
        return self.choices


@dataclass(frozen=True)
class Carried(Field):
    """An id that a link brings along: no field to fill in, a chip to take away. `name_of` says whose it is, or None."""

    name_of: Callable[[UUID], str | None] = lambda _id: None
    kind = "carried"

    def read(self, raw: str) -> Any:
        """Return the id of something that has a name."""
        try:
            found = UUID(raw)
        except ValueError:
            found = None
        if found is None or self.name_of(found) is None:
            message = f"{self.label}: nothing is known by this id."
            raise ValueError(message)
        return found

    def show(self, value: Any) -> str:
        """Return the name."""
        return self.name_of(value) or str(value)


@dataclass(frozen=True)
class Number(Field):
    """A whole number."""

    kind = "number"

    def read(self, raw: str) -> Any:
        """Return the number."""
        # int() would also take "1_000".
        if not re.fullmatch(r"[+-]?[0-9]{1,10}", raw, re.ASCII) or abs(int(raw)) > LARGEST_NUMBER:
            message = "Type a whole number."
            raise ValueError(message)
        return int(raw)


@dataclass(frozen=True)
class Day(Field):
    """A day in the viewer's zone; the value is the moment at which it begins, or (`is_end`) at which it is over."""

    is_end: bool = False
    kind = "date"

    def read(self, raw: str) -> Any:
        """Return the moment."""
        try:
            on = date.fromisoformat(raw)
            return end_of_day(on) if self.is_end else start_of_day(on)
        except (ValueError, OverflowError):
            message = "Type a day like 2026-11-20."
            raise ValueError(message) from None

    def show(self, value: Any) -> str:
        """Return the day in words."""
        moment: datetime = value
        return local_day(moment - timedelta(seconds=1) if self.is_end else moment)


@dataclass(frozen=True)
class Shown:
    """A filter as the form shows it."""

    name: str
    label: str
    kind: str
    raw: str
    choices: Sequence[tuple[str, str]]
    error: str


@dataclass(frozen=True)
class Chip:
    """A filter in use."""

    name: str
    label: str
    text: str


@dataclass(frozen=True)
class Filters:
    """The filters of a list, bound to what was asked for."""

    fields: list[Shown]
    values: dict[str, Any]
    chips: list[Chip]
    sort: str
    sort_key: str
    cursor: str | None
    raw: dict[str, str] = field(default_factory=dict)

    @property
    def is_filtered(self) -> bool:
        """Whether any filter is in use: an empty list is then "nothing matches", not "nothing yet"."""
        return bool(self.chips)

    @property
    def problems(self) -> list[str]:
        """What is wrong with each value that did not fit, as a sentence: such a value filters nothing."""
        return [f"{one.label}: {one.error}" for one in self.fields if one.error]

    def refuse_problems(self) -> None:
        """Raise RuleBroken, with a sentence for each, where a value did not fit."""
        if self.problems:
            raise RuleBroken("FILTER_NOT_UNDERSTOOD", " ".join(self.problems))

    @property
    def query(self) -> str:
        """The filters and the order as the address holds them, without the page."""
        return urlencode({**self.raw, **({"sort": self.sort_key} if self.sort_key else {})})

    @property
    def snapshot(self) -> dict[str, Any]:
        """What was asked for, as a run keeps it: the typed values as JSON holds them.

        Raises RuleBroken where a value did not fit: a run over everything would not be what was meant.
        """
        self.refuse_problems()
        return {name: primitive(value) for name, value in self.values.items() if value is not None}

    @classmethod
    def of_request(
        cls,
        fields: Sequence[Field],
        *,
        sorts: Sequence[str] = (),
        default_sort: str = "",
        args: Mapping[str, str] | None = None,
    ) -> "Filters":
        """Return the filters as this request (or `args`) asks for them; every field has a value, None where unused.

        A list that is opened without any leads on to the view that the person made its default.
        """
        default = saved_views.default_address() if args is None else None
        if default is not None:
            abort(redirect(default, 303))
        source = request.args if args is None else args
        shown, values, chips, raws = [], {}, [], {}
        for one in fields:
            raw = source.get(one.name, "").strip()[:200]
            value, error = None, ""
            if raw:
                try:
                    value = one.read(raw)
                    chips.append(Chip(one.name, one.label, one.show(value)))
                    raws[one.name] = raw
                except ValueError as problem:
                    error = str(problem)
            values[one.argument or one.name] = value
            shown.append(Shown(one.name, one.label, one.kind, raw, one.options(), error))
        asked = source.get("sort", "")
        is_known = asked.removeprefix("-") in sorts
        sort = asked if is_known else default_sort
        return cls(shown, values, chips, sort, asked if is_known else "", source.get("cursor"), raws)


def asked_moment(name: str) -> datetime | None:
    """Return the moment that the address carries (with its zone, or local to the viewer); None for none or nonsense."""
    text = request.args.get(name, "").strip()
    try:
        # A plus sign in an address arrives as a space.
        return read_moment(text.replace(" ", "+") if text.count(":") > 1 and " " in text else text)
    except ValueError:
        return None


def asked_day(name: str) -> tuple[date | None, str]:
    """Return the day that the address carries, None for none; and a sentence about one that cannot be read."""
    text = request.args.get(name, "").strip()
    if not text:
        return None, ""
    try:
        return read_day(text), ""
    except ValueError:
        return None, f"{text[:40]} is not a day of the calendar that can be shown here. Type a day like 2026-11-20."
