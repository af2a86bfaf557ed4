"""Events of any class, for tests of what becomes of events: every field filled, ids as the test gives them."""

from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from karokar.events.base import Envelope, Event
from karokar.kernel.ids import new_id

E = TypeVar("E", bound=Event)

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def make_event(class_: type[E], **given: Any) -> E:
    """An event of the class with every field filled: those given by name, the others with something of their type."""
    values = {
        field.name: given.get(field.name, _something(field.type)) for field in msgspec.inspect.type_info(class_).fields
    }
    return class_(**values)


def make_envelope(
    event: E,
    *,
    actor_id: UUID | None = None,
    organization_id: UUID | None = None,
    changes: dict[str, Any] | None = None,
    position: int = 1,
    event_id: UUID | None = None,
) -> Envelope[E]:
    """The event as it would have been recorded, done by this person on this organization's behalf."""
    event_id = event_id or new_id()
    metadata = {
        "actorId": str(actor_id) if actor_id else None,
        "organizationId": str(organization_id) if organization_id else None,
        "correlationId": str(new_id()),
        "sourceModule": event.producer,
        "traceparent": "00-0123",
        "depth": 0,
        "changes": changes or {},
    }
    return Envelope(
        position, event_id, event, event.aggregate_type, event.aggregate_id or event_id, 1, AT, metadata
    )  # fmt: skip


def payload_of(event: Event) -> dict[str, Any]:
    """The payload as it is stored."""
    return msgspec.to_builtins(event)


def _something(kind: Any) -> Any:
    if isinstance(kind, msgspec.inspect.Metadata):
        return _something(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return _something(next(option for option in kind.types if not isinstance(option, msgspec.inspect.NoneType)))
    made = {
        msgspec.inspect.UUIDType: new_id,
        msgspec.inspect.DateTimeType: lambda: AT,
        msgspec.inspect.BoolType: lambda: True,
        msgspec.inspect.IntType: lambda: 7,
        msgspec.inspect.StrType: lambda: "text",
        msgspec.inspect.ListType: lambda: [_something(kind.item_type)],
        msgspec.inspect.DictType: lambda: {"key": _something(kind.value_type)},
    }
    return made[type(kind)]()
