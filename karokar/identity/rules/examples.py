"""People of the example data: everybody knows their password, so they can act only while the demo is on."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_is_making: ContextVar[bool] = ContextVar("is_making_examples", default=False)


@contextmanager
def making_examples() -> Iterator[None]:
    """Mark every account that is made inside as one of the example data."""
    token = _is_making.set(True)
    try:
        yield
    finally:
        _is_making.reset(token)


def is_making_examples() -> bool:
    """Whether an account that is made now belongs to the example data."""
    return _is_making.get()
