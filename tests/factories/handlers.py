"""Handlers of a test alone, in place of the application's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from karokar.events.base import Envelope
from karokar.events.handlers import HANDLERS, Handler

Call = tuple[str, Any]


class Broken(RuntimeError):
    """What a planted handler raises."""


class Planted:
    """A handler that notes what it was given, and fails as long as it is told to."""

    def __init__(self, name: str, *selectors: Any, **options: Any) -> None:
        self.name = name
        self.is_broken = False
        self.taken: list[Any] = []
        self.handler = Handler(
            name=name,
            function=self.take,
            effect="projection",
            key=options.get("key", "aggregate"),
            many=False,
            from_start=False,
            description=f"Planted as {name}.",
            selectors=selectors,
            producer=None,
        )

    def take(self, envelope: Envelope[Any]) -> None:
        if self.is_broken:
            raise Broken(f"{self.name} is told to fail")
        self.taken.append(envelope.event_id)


@contextmanager
def only(*planted: Planted) -> Iterator[None]:
    """Let these be the only handlers."""
    kept = dict(HANDLERS)
    HANDLERS.clear()
    HANDLERS.update({one.name: one.handler for one in planted})
    try:
        yield
    finally:
        HANDLERS.clear()
        HANDLERS.update(kept)
