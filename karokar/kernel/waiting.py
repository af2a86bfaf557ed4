"""What the home page and the search box ask of each context. Contexts answer in these shapes from their queries."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class WaitingItem:
    """One thing that waits for the acting person.

    `kind` is a short label ("Booking request"), `since` when it began to wait, `due` when it is too late (None: never),
    `endpoint` and `values` make the link to the page on which it is done.
    """

    kind: str
    title: str
    since: datetime
    endpoint: str
    values: dict[str, str]
    due: datetime | None = None
    detail: str = ""
    subject_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One answer of the search box: what it is, what it is called, and the link to it."""

    kind: str
    title: str
    endpoint: str
    values: dict[str, str]
    detail: str = ""
