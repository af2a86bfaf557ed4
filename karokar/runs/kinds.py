"""What can run: kinds of long work, declared by the contexts that know how to do it.

    def reject(item: Item, parameters: Mapping[str, Any]) -> str | None:
        actions.reject_booking(UUID(item.data["id"]), reason=parameters["reason"])

    row_kind("booking.reject", "Reject requests", permission=BOOKING_REJECT, list_items=list_rejectable, do=reject)

`do` runs once per row, each in a transaction of its own that also keeps the row's result, so that a row is never done
twice, whatever dies. A domain error is the row's result. `list_items` turns the parameters (what the filters said:
`parameters["filters"]`, and `parameters["chosen"]`, the ids chosen one by one, none for all) into rows, once. Where
people start it over a list, these are the rows that they were shown: an item's `data` holds what names a row and, where
it can change, its version.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar


@dataclass(frozen=True)
class Item:
    """One row of work: what people call it, and what `do` needs."""

    label: str
    data: Mapping[str, Any] = field(default_factory=dict)


class Skipped(Exception):
    """Raised by `do` for a row that needs nothing, with the sentence that says why."""


class Stopped(Exception):
    """Raised by `do` where the run must not go on, with the sentence that says why; this row and those after it stay
    to be done.
    """


@dataclass(frozen=True)
class Paced:
    """What `do` returns where the run shall wait for so many seconds before its next row."""

    message: str | None
    seconds: float


@dataclass(frozen=True)
class End:
    """How a run ended: its status, and its rows by outcome; `left` were not done (None: nobody had counted them)."""

    status: str
    ok: int
    failed: int
    skipped: int
    left: int | None


@dataclass(frozen=True)
class RowKind:
    """Work on many rows, one transaction each; `ended` is called in the transaction that ends the run, however it
    ended, as the system. `is_bulk`: people start it over what a list's filters match (`karokar.runs.views.bulk`); else
    only code starts it. `explains` is what they read before they start it.
    """

    name: str
    title: str
    permission: str
    list_items: Callable[[Mapping[str, Any]], Iterable[Item]]
    do: Callable[[Item, Mapping[str, Any]], str | Paced | None]
    ended: Callable[[Mapping[str, Any], End], None] | None = None
    is_bulk: bool = True
    explains: str = ""


@dataclass(frozen=True)
class Step:
    """What one step of making a file came to: where it stands now, how much of how much is done, the file at the end.

    What a step wrote beyond the `state` that it returned may be there when the next one begins: a worker may have died
    between writing and keeping the state.
    """

    state: Mapping[str, Any]
    done: int
    total: int
    file: Path | None = None


@dataclass(frozen=True)
class FileKind:
    """Work whose result is one file, made in steps of a second at most: `step(folder, parameters, state)`.

    The first step is given an empty state and folder; another worker goes on with the state that was kept last.
    """

    name: str
    title: str
    permission: str
    step: Callable[[Path, Mapping[str, Any], Mapping[str, Any]], Step]


K = TypeVar("K", RowKind, FileKind)

KINDS: dict[str, RowKind | FileKind] = {}
"""Every kind by its name, filled as contexts are loaded."""


def row_kind(
    name: str,
    title: str,
    *,
    permission: str,
    list_items: Callable[[Mapping[str, Any]], Iterable[Item]],
    do: Callable[[Item, Mapping[str, Any]], str | Paced | None],
    ended: Callable[[Mapping[str, Any], End], None] | None = None,
    is_bulk: bool = True,
    explains: str = "",
) -> RowKind:
    """Declare work on many rows. Raises ValueError for a name used twice."""
    return _add(RowKind(name, title, permission, list_items, do, ended, is_bulk, explains))


def file_kind(
    name: str,
    title: str,
    *,
    permission: str,
    step: Callable[[Path, Mapping[str, Any], Mapping[str, Any]], Step],
) -> FileKind:
    """Declare work that makes a file. Raises ValueError for a name used twice."""
    return _add(FileKind(name, title, permission, step))


def _add(kind: K) -> K:
    if kind.name in KINDS:
        message = f"Two kinds of run are called {kind.name}."
        raise ValueError(message)
    KINDS[kind.name] = kind
    return kind
