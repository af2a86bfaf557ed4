"""The only source of time. Times are aware and in UTC."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

TOLERANCE = timedelta(seconds=5)
"""How far ahead of one's own reading of the clock another process may have read it a moment ago."""

_frozen: ContextVar[datetime | None] = ContextVar("frozen_time", default=None)


def now() -> datetime:
    """Return the current time, aware and in UTC."""
    return _frozen.get() or datetime.now(UTC)  # noqa: TID251 - this is the one place


def stands_at() -> datetime | None:
    """Return the moment at which time stands here (`standing_at`); None where it goes on."""
    return _frozen.get()


@contextmanager
def standing_at(moment: datetime) -> Iterator[None]:
    """Make `now()` return `moment` in this thread or task: for tests and for example data with a past.

    Raises ValueError for a time without a zone.
    """
    if moment.tzinfo is None:
        message = "A moment needs a time zone."
        raise ValueError(message)
    token = _frozen.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _frozen.reset(token)


def to_the_minute(at: datetime) -> datetime:
    """Return the beginning of a moment's minute: what people type holds no seconds, and is compared without them."""
    return at.replace(second=0, microsecond=0)
