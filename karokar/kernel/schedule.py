"""What the clock does: jobs that run every so often, as the system, each run with a correlation of its own.

A job must be safe to run twice and at any time: the relay that leads runs it when it is due, and a new leader starts
anew. Contexts declare jobs in their `actions`; the relay runs them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

F = TypeVar("F", bound=Callable[[], object])


@dataclass(frozen=True)
class Job:
    """A function of no arguments, run every `seconds`; `name` is `context.function`."""

    name: str
    seconds: float
    run: Callable[[], object]


JOBS: dict[str, Job] = {}


def every(seconds: float) -> Callable[[F], F]:
    """Declare that the clock runs this function every so many seconds. Raises ValueError for a name used twice."""

    def declare(function: F) -> F:
        name = f"{function.__module__.split('.')[1]}.{getattr(function, '__name__', '?')}"
        if name in JOBS:
            message = f"Two clock jobs are called {name}."
            raise ValueError(message)
        JOBS[name] = Job(name, seconds, function)
        return function

    return declare
