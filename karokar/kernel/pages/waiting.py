"""What the home page and the search box ask of each context. Contexts answer in these shapes from their queries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Holds(StrEnum):
    """What another context than the one that lists an item has to confirm about its subject, or the item is gone."""

    BOOKING_IS_VACANT = "this booking needs another driver, and is not over"


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What can be done about a waiting item at once, by one POST that asks for nothing more.

    `version` is the one that the entity had when it was read; `fields` is what else the POST sends.
    """

    label: str
    icon: str
    endpoint: str
    version: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WaitingItem:
    """One thing that waits for the acting person.

    `kind` is a short label ("Booking request"), `since` when it began to wait, `due` when it is too late (None: never),
    `endpoint` and `values` make the link to the page on which it is done, `verb` says what is done there; `deed`, with
    the same values, does it from the list. `about` names the things that it concerns by kind and id ("Vehicle", …):
    home asks for their names; `period` is when it takes place. `holds_if` is what
    another context confirms: the item stands only while that is so of its `subject_id`.
    """

    kind: str
    title: str
    since: datetime
    endpoint: str
    values: dict[str, str]
    verb: str = "Open"
    deed: Deed | None = None
    due: datetime | None = None
    detail: str = ""
    subject_id: UUID | None = None
    about: tuple[tuple[str, UUID], ...] = ()
    period: tuple[datetime, datetime | None] | None = None
    holds_if: Holds | None = None


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number that tells how things stand, and leads to the list of what was counted.

    `tone` is "bad" or "wait" where the number asks for somebody; `since` is when the
    oldest of what was counted began to wait.
    """

    label: str
    value: str
    endpoint: str
    values: dict[str, str]
    tone: str = ""
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One answer of the search box: what it is, what it is called, and the link to it."""

    kind: str
    title: str
    endpoint: str
    values: dict[str, str]
    detail: str = ""
