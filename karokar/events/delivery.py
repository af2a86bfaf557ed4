"""Facts about the delivery of events, published by the outbox. Seen by the platform only."""

from typing import ClassVar
from uuid import UUID

from karokar.events.base import Event, fact


class _DeliveryEvent(Event, frozen=True, kw_only=True):
    aggregate_type: ClassVar[str] = "System"
    aggregate_field: ClassVar[str | None] = None


@fact("DeliveryDeadLettered", "gave up a delivery", audience=())
class DeliveryDeadLettered(_DeliveryEvent, frozen=True, kw_only=True):
    """Sent when a handler failed for the last time, except where the event was itself about delivery."""

    event_id: UUID
    delivered_type: str
    handler: str
    attempts: int
    error: str
    fingerprint: str


@fact("DeliveryRetried", "retried deliveries", audience=())
class DeliveryRetried(_DeliveryEvent, frozen=True, kw_only=True):
    """Sent when a person made failed or dead deliveries due again."""

    handler: str | None = None
    event_id: UUID | None = None
    count: int
    selection: dict[str, str]


@fact("DeliveryDismissed", "dismissed deliveries", audience=())
class DeliveryDismissed(_DeliveryEvent, frozen=True, kw_only=True):
    """Sent when a person decided that dead deliveries stay undone."""

    handler: str | None = None
    event_id: UUID | None = None
    count: int
    reason: str
    selection: dict[str, str]


@fact("HandlerPaused", "paused a handler", audience=())
class HandlerPaused(_DeliveryEvent, frozen=True, kw_only=True):
    """Sent when a handler was told to wait."""

    handler: str
    reason: str = ""


@fact("HandlerResumed", "resumed a handler", audience=())
class HandlerResumed(_DeliveryEvent, frozen=True, kw_only=True):
    """Sent when a paused handler goes on with what waited."""

    handler: str


@fact("ReplayStarted", "started a replay", audience=())
class ReplayStarted(_DeliveryEvent, frozen=True, kw_only=True):
    """Sent when a planned replay begins."""

    replay_id: UUID
    selection: dict[str, str]
    planned: int


@fact("ReplayCompleted", "completed a replay", audience=())
class ReplayCompleted(_DeliveryEvent, frozen=True, kw_only=True):
    """Sent when a replay came to its end, or was stopped before it, with its units by outcome: `done`, `failed`,
    `skipped`, and `left` for those that were not done because it was stopped.
    """

    replay_id: UUID
    selection: dict[str, str]
    counts: dict[str, int]
