"""Runs handlers, and tells passing troubles of the database from failures."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter_ns
from uuid import UUID

from sqlalchemy.orm.exc import StaleDataError

from karokar.events.base import Envelope, Event
from karokar.kernel.actor import SYSTEM, Cause, acting_as, caused_by
from karokar.kernel.db import is_transient
from karokar.kernel.errors import Busy, StaleVersion
from karokar.kernel.ids import new_id
from karokar.outbox.plan import Reaction


def react(reaction: Reaction) -> int:
    """Call the handler with its events, in the open transaction. Returns microseconds per event."""
    handler, envelopes = reaction.handler, reaction.envelopes
    began = perf_counter_ns()
    if handler.many:
        with _caused_by_all(envelopes, handler.name):
            handler.function(envelopes)
    else:
        for envelope in envelopes:
            with _caused_by_one(envelope, handler.name):
                handler.function(envelope)
    return (perf_counter_ns() - began) // 1000 // len(envelopes)


def is_passing(error: BaseException) -> bool:
    """Whether trying again at once may help, so that this counts as no failure.

    Deadlocks, serialization failures, lock time-outs, lost connections; and a row that somebody else changed first.
    """
    return isinstance(error, Busy | StaleVersion | StaleDataError) or is_transient(error)


def _caused_by_one(envelope: Envelope[Event], source: str) -> AbstractContextManager[None]:
    metadata = envelope.metadata
    return caused_by(
        envelope.event_id,
        UUID(metadata["correlationId"]),
        depth=metadata.get("depth", 0) + 1,
        source=source,
    )


@contextmanager
def _caused_by_all(envelopes: list[Envelope[Event]], source: str) -> Iterator[None]:
    if len(envelopes) == 1:
        with _caused_by_one(envelopes[0], source):
            yield
        return
    # Several events together have no one cause; such a handler publishes nothing.
    with acting_as(SYSTEM, Cause(correlation_id=new_id(), source=source)):
        yield
