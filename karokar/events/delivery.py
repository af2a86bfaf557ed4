"""Facts about the delivery of events, published by the outbox. Seen by the platform only."""

from typing import ClassVar
from uuid import UUID

from karokar.events.base import Code, Event, NoteId, fact


class _DeliveryEvent(Event, frozen=True, kw_only=True):
    aggregate_type: ClassVar[str] = "System"
    aggregate_field: ClassVar[str | None] = None


@fact("DeliveryDeadLettered", "gave up a delivery", audience=(), tone="bad", details=("handler", "error"))
class DeliveryDeadLettered(_DeliveryEvent, frozen=True, kw_only=True):
    """Sent when a handler failed for the last time, except where the event was itself about delivery."""

    event_id: UUID
    delivered_type: Code
    handler: Code
    attempts: int
    error: Code
    fingerprint: Code


@fact("DeliveryRetried", "retried deliveries", audience=(), tone="good", details=("handler",))
class DeliveryRetried(_DeliveryEvent, frozen=True, kw_only=True):
    """Sent when a person made failed or dead deliveries due again."""

    handler: Code | None = None
    event_id: UUID | None = None
    count: int
    selection: dict[Code, Code]


@fact(
    "DeliveryDismissed", "dismissed deliveries", version=2, audience=(), tone="neutral", details=("note_id", "handler")
)
class DeliveryDismissed(_DeliveryEvent, frozen=True, kw_only=True):
    """Sent when a person decided that dead deliveries stay undone."""

    handler: Code | None = None
    event_id: UUID | None = None
    count: int
    note_id: NoteId | None = None
    selection: dict[Code, Code]


@fact("HandlerPaused", "paused a handler", version=2, audience=(), tone="wait", details=("note_id", "handler"))
class HandlerPaused(_DeliveryEvent, frozen=True, kw_only=True):
    """Sent when a handler was told to wait."""

    handler: Code
    note_id: NoteId | None = None


@fact("HandlerResumed", "resumed a handler", audience=(), tone="live", details=("handler",))
class HandlerResumed(_DeliveryEvent, frozen=True, kw_only=True):
    """Sent when a paused handler goes on with what waited."""

    handler: Code


@fact("ReplayStarted", "started a replay", audience=(), tone="live")
class ReplayStarted(_DeliveryEvent, frozen=True, kw_only=True):
    """Sent when a planned replay begins."""

    replay_id: UUID
    selection: dict[Code, Code]
    planned: int


@fact("ReplayCompleted", "completed a replay", audience=(), tone="good")
class ReplayCompleted(_DeliveryEvent, frozen=True, kw_only=True):
    """Sent when a replay came to its end, or was stopped before it, with its units by outcome: `done`, `failed`,
    `skipped`, and `left` for those that were not done because it was stopped.
    """

    replay_id: UUID
    selection: dict[Code, Code]
    counts: dict[Code, int]
