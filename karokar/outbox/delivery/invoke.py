"""Runs handlers, and tells passing troubles of the database from failures."""

from time import perf_counter_ns
from uuid import UUID

from sqlalchemy.orm.exc import StaleDataError

from karokar.events.base import Envelope, Event
from karokar.kernel.actor import SYSTEM, Cause, acting_as, set_off_by
from karokar.kernel.db import is_transient
from karokar.kernel.errors import Busy, StaleVersion
from karokar.kernel.ids import new_id
from karokar.outbox.delivery.dispatch_plan import Reaction


def invoke(reaction: Reaction) -> int:
    """Call the handler with its events, in the open transaction. Returns microseconds per event."""
    handler, envelopes = reaction.handler, reaction.envelopes
    began = perf_counter_ns()
    if handler.many:
        # Several events together have no one cause; a handler of lists publishes nothing.
        cause = _cause_of(envelopes[0], handler.name) if len(envelopes) == 1 else None
        with acting_as(SYSTEM, cause or Cause(correlation_id=new_id(), source=handler.name)):
            handler.function(envelopes)
    else:
        with acting_as(SYSTEM, _cause_of(envelopes[0], handler.name)):
            for envelope in envelopes:
                set_off_by(_cause_of(envelope, handler.name))
                handler.function(envelope)
    return (perf_counter_ns() - began) // 1000 // len(envelopes)


def is_passing(error: BaseException) -> bool:
    """Whether trying again at once may help, so that this counts as no failure.

    Deadlocks, serialization failures, lock time-outs, lost connections; and a row that somebody else changed first.
    """
    return isinstance(error, Busy | StaleVersion | StaleDataError) or is_transient(error)


def _cause_of(envelope: Envelope[Event], source: str) -> Cause:
    metadata = envelope.metadata
    return Cause(
        correlation_id=UUID(metadata["correlationId"]),
        causation_id=envelope.event_id,
        depth=metadata.get("depth", 0) + 1,
        source=source,
    )
