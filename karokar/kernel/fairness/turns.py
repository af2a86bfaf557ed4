"""Taking turns: how a queue that many share is worked off, so that nobody's thousand hold up somebody else's one.

A queue has one worker at a time, the relay that leads, so who had a turn is kept in its memory. A relay that takes over
begins with whoever has waited longest.
"""

from collections.abc import Hashable, Iterable
from itertools import count
from typing import TypeVar

H = TypeVar("H", bound=Hashable)

_REMEMBERED = 10_000


class Turns:
    """Who had a turn, and in which order."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._last: dict[Hashable, int] = {}

    def in_order(self, waiting: Iterable[H]) -> list[H]:
        """Return those who wait, once each: first who never had a turn, then whose turn was longest ago.

        Among equals, whoever is named first comes first.
        """
        return sorted(dict.fromkeys(waiting), key=lambda one: self._last.get(one, 0))

    def take(self, one: Hashable) -> None:
        """Note that somebody has their turn now."""
        self._last.pop(one, None)
        self._last[one] = next(self._numbers)
        if len(self._last) > _REMEMBERED:
            del self._last[next(iter(self._last))]
