"""From a stored payload to the event it tells, whatever version it was written in.

A reader knows only the newest class of an event. A payload of an earlier version is lifted through the chain of
upcasters first. What this code does not know, a newer version's event for instance, is an `UnknownContract`: the
engine lets it wait for the code that knows it.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import msgspec

from karokar.events.base import LATEST, Event
from karokar.events.contracts.upcasters import UPCASTERS

Payload = Mapping[str, Any] | bytes | str


class UnknownContract(LookupError):
    """This code knows no event of this name, or not in this version: its deliveries wait for code that does."""

    def __init__(self, event_type: str, version: int) -> None:
        newest = LATEST.get(event_type)
        reason = (
            f"{event_type} version {version} is unknown here; the newest known is {newest.schema_version}."
            if newest
            else f"No event is called {event_type} here."
        )
        super().__init__(reason)
        self.event_type = event_type
        self.version = version


class PayloadRefused(ValueError):
    """A stored payload does not keep its event's contract: names the event, its version and the field."""

    def __init__(self, event_type: str, version: int, reason: str) -> None:
        super().__init__(f"The payload of {event_type} version {version} breaks its contract: {reason}")


def decode(event_type: str, version: int, payload: Payload) -> Event:
    """Return the event that a stored payload tells, as the newest class of its name.

    `payload` is the parsed document, or its JSON text. Raises UnknownContract for a name or version that this code
    does not know, and PayloadRefused for a payload that does not keep its contract.
    """
    newest = LATEST.get(event_type)
    if newest is None or not 1 <= version <= newest.schema_version:
        raise UnknownContract(event_type, version)
    try:
        if version != newest.schema_version:
            payload = _lift(event_type, version, newest.schema_version, payload)
        from_text, from_document = _decoders(newest)
        return from_text(payload) if isinstance(payload, bytes | str) else from_document(payload)
    except msgspec.ValidationError as error:
        raise PayloadRefused(event_type, version, str(error)) from error


def encode(event: Event) -> bytes:
    """Return the event's payload as JSON text, in its stored field names."""
    return msgspec.json.encode(event)


def document(event: Event) -> dict[str, Any]:
    """Return the event's payload as a document of JSON values, in its stored field names."""
    found: dict[str, Any] = msgspec.to_builtins(event)
    return found


@cache
def _decoders(class_: type[Event]) -> tuple[Callable[[bytes | str], Event], Callable[[Any], Event]]:
    # Built once per class: the decoders are what the drain spends its time in.
    return msgspec.json.Decoder(class_).decode, partial(msgspec.convert, type=class_)


def _lift(event_type: str, version: int, newest: int, payload: Payload) -> dict[str, Any]:
    lifted: dict[str, Any] = dict(json.loads(payload) if isinstance(payload, bytes | str) else payload)
    for step in range(version, newest):
        upcaster = UPCASTERS.get((event_type, step))
        if upcaster is None:
            raise UnknownContract(event_type, step)
        lifted = upcaster(lifted)
    return lifted
