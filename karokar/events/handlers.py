"""`@handles`: which function of which context reacts to which events. Declarations only; the table of subscriptions
decides who is given what.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeVar
from uuid import UUID

from karokar.events.base import LATEST, Event

F = TypeVar("F", bound=Callable[..., None])
Effect = Literal["projection", "action"]


@dataclass(frozen=True, kw_only=True)
class Handler:
    """A declared reaction. `name` is `context.function`, stored, and renamed only with a migration.

    `key` is what its order is kept by: the aggregate, or the wider stream. A `many` handler is called with a list of
    envelopes. A `projection` writes its context's own tables only; an `action` calls its context's actions and may
    publish.
    """

    name: str
    function: Callable[..., None]
    effect: Effect
    key: Literal["aggregate", "stream"]
    many: bool
    from_start: bool
    description: str
    selectors: tuple[type[Event] | str, ...]
    producer: str | None
    keeps: tuple[Any, ...] = ()

    def event_types(self) -> frozenset[str]:
        """The stored names that the selectors mean. Raises LookupError where one means none."""
        names: set[str] = set()
        for selector in self.selectors:
            if isinstance(selector, str):
                found = {name for name in LATEST if fnmatchcase(name, selector)}
            else:
                found = {selector.event_type}
            if not found:
                message = f"The handler {self.name} wants {selector}, which no event is called."
                raise LookupError(message)
            names |= found
        if self.producer is not None:
            found = {name for name, class_ in LATEST.items() if class_.producer == self.producer}
            if not found:
                message = f"The handler {self.name} wants events of {self.producer}, which tells none."
                raise LookupError(message)
            names |= found
        return frozenset(names)


HANDLERS: dict[str, Handler] = {}
"""Every declared handler by name."""

RESENDERS: list[Callable[[UUID], int]] = []
"""Functions that make anew what was sent outside about an event, where a replay asks for it."""


def resends(function: Callable[[UUID], int]) -> Callable[[UUID], int]:
    """Declare a function that sends again what left the database about an event (its id), and returns how many."""
    RESENDERS.append(function)
    return function


def handles(
    *selectors: type[Event] | str,
    producer: str | None = None,
    effect: Effect = "projection",
    key: Literal["aggregate", "stream"] = "aggregate",
    many: bool = False,
    from_start: bool = False,
    keeps: tuple[Any, ...] = (),
    description: str,
) -> Callable[[F], F]:
    """Declare that a function reacts to events: classes, patterns of names (`"Booking*"`, `"*"`), or a whole producer.

    The function takes one `Envelope` (with `many=True` a list of them) and runs inside the delivery's transaction.
    `keeps` names, of each table that a projection keeps by itself, the column that holds the id of its key (of the
    aggregate or the stream): with it, its rows can be rebuilt from nothing.
    Raises ValueError for a name used twice, or for nothing selected.
    """
    if not selectors and producer is None:
        message = "A handler needs events to handle."
        raise ValueError(message)

    def declare(function: F) -> F:
        described: Any = function
        name = f"{function.__module__.split('.')[1]}.{described.__name__}"
        if name in HANDLERS:
            message = f"Two handlers are called {name}."
            raise ValueError(message)
        HANDLERS[name] = Handler(
            name=name,
            function=function,
            effect=effect,
            key=key,
            many=many,
            from_start=from_start,
            description=description,
            selectors=selectors,
            producer=producer,
            keeps=keeps,
        )
        return function

    return declare
