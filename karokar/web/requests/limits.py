"""How often somebody may try: counted in Redis, so that all processes count together.

Each process counts for itself as well, so that nobody may try without end while Redis is away, full, or forgets.
"""

import math
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage, Storage, storage_from_string

from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.fairness.limits import MINUTE, Limit
from karokar.kernel.fairness.quotas import most_of, refusal
from karokar.kernel.log import get_logger

limiter = Limiter(get_remote_address, headers_enabled=False)

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_ANSWERS_WITHIN = 0.5
_QUIET_SECONDS = 5.0
_SCHEME = "together"


class CountedTogether(Storage):
    """Counts in Redis and in this process; the higher count holds. Whatever Redis does, no request fails by it."""

    STORAGE_SCHEME = [_SCHEME]

    def __init__(self, uri: str, wrap_exceptions: bool = False, **options: Any) -> None:  # noqa: FBT001, FBT002 - the library's
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        self._own = MemoryStorage()
        self._shared: Any = storage_from_string(uri.removeprefix(f"{_SCHEME}://"), **options)
        self._quiet_until = 0.0

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:  # noqa: D102
        return Exception

    def _ask(self, question: Callable[[], T], otherwise: T) -> T:
        if time.monotonic() < self._quiet_until:
            return otherwise
        try:
            return question()
        except Exception as error:  # noqa: BLE001 - away, full, loading, of another kind: it only counts
            self._quiet_until = time.monotonic() + _QUIET_SECONDS
            get_logger(__name__).warning("tries_counted_alone", reason=str(error))
            return otherwise

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:  # noqa: D102
        own = self._own.incr(key, expiry, amount=amount)
        return max(own, self._ask(lambda: self._shared.incr(key, expiry, amount=amount), 0))

    def get(self, key: str) -> int:  # noqa: D102
        return max(self._own.get(key), self._ask(lambda: self._shared.get(key), 0))

    def get_expiry(self, key: str) -> float:  # noqa: D102
        return max(self._own.get_expiry(key), self._ask(lambda: self._shared.get_expiry(key), 0.0))

    def check(self) -> bool:  # noqa: D102
        return True

    def reset(self) -> int | None:  # noqa: D102
        self._ask(self._shared.reset, None)
        return self._own.reset()

    def clear(self, key: str) -> None:  # noqa: D102
        self._own.clear(key)
        self._ask(lambda: self._shared.clear(key), None)


def limited(limit: Limit, key: Callable[[], str] | None = None) -> Callable[[F], F]:
    """Let a view be asked only so often by one network address, or by what `key` returns."""

    def decorate(view: F) -> F:
        return cast("F", limiter.limit(lambda: str(_item(limit)), key_func=key)(view))

    return decorate


def spend(limit: Limit) -> None:
    """Count a request of the acting person. Raises LimitReachedForNow where they made too many."""
    owner = str(current_actor().user_id or get_remote_address())
    item = _item(limit)
    if limiter.limiter.hit(item, limit.name, owner):
        return
    ends_at, _left = limiter.limiter.get_window_stats(item, limit.name, owner)
    raise refusal(limit, item.amount, seconds=max(1, math.ceil(ends_at - clock.now().timestamp())))


def _item(limit: Limit) -> RateLimitItem:
    seconds = int((limit.period or MINUTE).total_seconds())
    return RateLimitItemPerSecond(most_of(limit), seconds)


def seconds_to_wait() -> int:
    """Return for how many seconds the limit that this request broke goes on."""
    limit = limiter.current_limit
    return max(1, limit.reset_at - math.ceil(clock.now().timestamp())) if limit else 60


def install(app: Flask) -> None:
    """Count for this application."""
    url = app.config["KAROKAR"].redis_url
    if url is None:
        app.config["RATELIMIT_STORAGE_URI"] = "memory://"
    else:
        # "redis+unix" is the library's name for a socket.
        app.config["RATELIMIT_STORAGE_URI"] = f"{_SCHEME}://{url.replace('unix://', 'redis+unix://', 1)}"
        app.config["RATELIMIT_STORAGE_OPTIONS"] = {
            "socket_connect_timeout": _ANSWERS_WITHIN,
            "socket_timeout": _ANSWERS_WITHIN,
        }
        app.config["RATELIMIT_KEY_PREFIX"] = "karokar-tries"
    limiter.init_app(app)
