"""What the clock does: jobs that run every so often, as the system, each run with a correlation of its own.

A job must be safe to run twice and at any time: the relay that leads runs it when it is due, and a new leader starts
anew. Contexts declare jobs in their `actions`; the relay runs them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.exc import OperationalError

from karokar.kernel.db import db
from karokar.kernel.errors import Busy, DomainError
from karokar.kernel.log import get_logger

F = TypeVar("F", bound=Callable[[], object])

Lane = Literal["clock", "mail", "runs"]
"""Jobs of one lane run one after the other; lanes do not wait for each other. What may take long has its own."""

LOOKED_AT_MOST = 10_000


@dataclass(frozen=True)
class Job:
    """A function of no arguments, run every `seconds`; `name` is `context.function`."""

    name: str
    seconds: float
    run: Callable[[], object]
    lane: Lane = "clock"


JOBS: dict[str, Job] = {}


def every(seconds: float, *, lane: Lane = "clock") -> Callable[[F], F]:
    """Declare that the clock runs this function every so many seconds. Raises ValueError for a name used twice."""

    def declare(function: F) -> F:
        name = f"{function.__module__.split('.')[1]}.{getattr(function, '__name__', '?')}"
        if name in JOBS:
            message = f"Two clock jobs are called {name}."
            raise ValueError(message)
        JOBS[name] = Job(name, seconds, function, lane)
        return function

    return declare


def work_through(ids: Select[UUID], change: Callable[[UUID], object], *, at_most: int = 100) -> int:
    """Change what a statement finds, each in a transaction of its own, and return how many were changed.

    `change` is an action. One that it refuses (somebody was quicker) or returns False for does not count, and one that
    fails is logged: neither holds up those behind it. Raises Busy and OperationalError, where the database is away.
    """
    done = 0
    for entity_id in db.session.scalars(ids.limit(LOOKED_AT_MOST)).all():
        try:
            is_done = change(entity_id) is not False
        except (Busy, OperationalError):
            raise
        except DomainError:
            continue
        except Exception:  # noqa: BLE001 - one that is broken must not hold up the others
            get_logger(__name__).exception("clock_change_failed", id=str(entity_id))
            continue
        done += is_done
        if done == at_most:
            break
    return done
