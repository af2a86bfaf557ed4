"""Which changes of status there are: one table of rows for each kind of thing, asked by aggregates, pages and tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from karokar.kernel.errors import StateConflict

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True)
class Transition(Generic[S]):
    """One row: from `source` (None: not there yet) to `target` (None: deleted) by `verb`, told by `event`."""

    source: S | None
    target: S | None
    verb: str
    event: str = ""
    is_by_clock: bool = False


class StateMachine(Generic[S]):
    """A table of transitions. What is not in it is refused with `code`, and with the sentence that `refusal` makes of
    the status and the verb.
    """

    def __init__(
        self, states: type[S], rows: Sequence[Transition[S]], *, code: str, refusal: Callable[[S, str], str]
    ) -> None:
        self.states = states
        self.rows = tuple(rows)
        self._by_source = {(row.source, row.verb): row for row in rows}
        self._code = code
        self._refusal = refusal
        if len(self._by_source) < len(self.rows):
            message = f"{code}: two rows begin in the same status with the same verb."
            raise ValueError(message)

    def can(self, status: str, verb: str) -> bool:
        """Whether the verb may be used in this status."""
        return (self.states(status), verb) in self._by_source

    def next(self, status: str, verb: str) -> S:
        """Return the status that follows. Raises StateConflict where the verb may not be used, or ends the thing."""
        target = self.end_of(status, verb)
        if target is None:
            message = f"{verb} leaves nothing that could have a status."
            raise LookupError(message)
        return target

    def end_of(self, status: str, verb: str) -> S | None:
        """Return the status that follows, None where the thing is deleted. Raises StateConflict as `next`."""
        row = self._by_source.get((self.states(status), verb))
        if row is None:
            sentence = self._refusal(self.states(status), verb)
            raise StateConflict(self._code, sentence, status=str(status), verb=verb)
        return row.target
