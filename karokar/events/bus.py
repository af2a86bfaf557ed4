"""`publish`: the one signal through which every fact passes. The outbox's recorder listens to it."""

from dataclasses import dataclass
from uuid import UUID

import blinker

from karokar.events.base import Event
from karokar.kernel.db import in_transaction

published = blinker.Signal("Sent with the event's class as sender and `event`, inside the action's transaction.")


@dataclass(frozen=True)
class EventToken:
    """Where an event stands among its aggregate's events."""

    aggregate_type: str
    aggregate_id: UUID
    aggregate_seq: int


class PublishedOutsideAction(RuntimeError):
    """An event was published where no transaction is open, so that nothing could keep it with its change."""


def publish(event: Event) -> EventToken:
    """Record the event with the change it tells of, in the transaction that is open, and return its place.

    Raises PublishedOutsideAction outside of one, and RuntimeError where nothing records events.
    """
    if not in_transaction():
        message = f"{type(event).__name__} was published outside an action."
        raise PublishedOutsideAction(message)
    answers = published.send(type(event), event=event)
    for _receiver, token in answers:
        if isinstance(token, EventToken):
            return token
    message = "No recorder listens: an event would be lost."
    raise RuntimeError(message)
