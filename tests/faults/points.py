"""Where the engine is killed and frozen: named points on the way of a delivery, planted from outside.

The project's code knows nothing of them. A process that reaches a point may end itself there (SIGKILL) or stop itself
(SIGSTOP), as chance says; chance is seeded, so a run can be had again.
"""

import os
import random
import signal
from collections.abc import Callable
from functools import wraps
from typing import Any

from karokar.outbox import wakeup
from karokar.outbox.delivery import batch, isolated, retry
from karokar.outbox.store.postgresql import PostgresqlStore
from karokar.outbox.store.sqlite import SqliteStore

POINTS = (
    "before claim",
    "handler started",
    "before commit",
    "after commit",
    "attempt begun",
    "loss made up",
    "bell cleared",
    "bell held",
)


class Chance:
    """Decides at each point what happens to this process."""

    def __init__(self, seed: int, *, kill: float, freeze: float, fail: float) -> None:
        self._random = random.Random(seed)
        self._kill, self._freeze, self._fail = kill, freeze, fail

    def at(self, point: str) -> None:
        assert point in POINTS
        drawn = self._random.random()
        if drawn < self._kill:
            os.kill(os.getpid(), signal.SIGKILL)
        if drawn < self._kill + self._freeze:
            os.kill(os.getpid(), signal.SIGSTOP)

    def fails(self) -> bool:
        return self._random.random() < self._fail


def plant(chance: Chance) -> None:
    """Put the points into this process's engine. Handlers call `handler started` themselves."""
    for module, name in ((batch, "claim"), (isolated, "claim")):
        setattr(module, name, before(getattr(module, name), lambda: chance.at("before claim")))
    for store in (PostgresqlStore, SqliteStore):
        store.add_progress = classmethod(after(store.add_progress.__func__, lambda: chance.at("before commit")))
    batch._deliver_together = after(batch._deliver_together, lambda: chance.at("after commit"))
    isolated._deliver_one = after(isolated._deliver_one, lambda: chance.at("after commit"))
    isolated.defer = after(isolated.defer, lambda: chance.at("loss made up"))
    retry._begin = after(retry._begin, lambda: chance.at("attempt begun"))
    wakeup.clear = after(wakeup.clear, lambda: chance.at("bell cleared"))
    wakeup._hold = after(wakeup._hold, lambda: chance.at("bell held"))


def before(function: Callable[..., Any], call: Callable[[], None]) -> Callable[..., Any]:
    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        call()
        return function(*args, **kwargs)

    return run


def after(function: Callable[..., Any], call: Callable[[], None]) -> Callable[..., Any]:
    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        call()
        return result

    return run
