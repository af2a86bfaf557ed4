"""`visible`: the one place that decides who sees which event, and which parts of it.

Pages, exports, the API, live parts and notifications pass every event through it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from karokar.events.base import LATEST, Envelope, Event
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.permissions import scope_of


@dataclass(frozen=True)
class VisibleEvent:
    """What one viewer sees of an event.

    `payload` and `changes` lack what is private to another side. `actor_id` is None where the actor belongs to
    another tenant or is the system; `organization_id` tells on whose behalf it was done (None: the system).
    `hidden` names the fields that were left out.
    """

    envelope: Envelope[Event]
    payload: Mapping[str, Any]
    changes: Mapping[str, Any]
    actor_id: UUID | None
    organization_id: UUID | None
    hidden: frozenset[str]


def visible(envelope: Envelope[Event], viewer: Actor, payload: Mapping[str, Any]) -> VisibleEvent | None:
    """Return what the viewer sees of the event, None where nothing.

    `payload` is the event's payload as stored, with its stored field names. The platform (and the system) sees all. An
    organization sees what its event classes' audience allows; a person who may only see their own sees the events
    whose subject they are. Fields that are private to another side are left out, from the changes as well.
    """
    event = envelope.event
    sees_all = viewer.is_system or (viewer.is_platform and scope_of("event.read", viewer) is Scope.ALL)
    acted_for = envelope.organization_id
    changes: Mapping[str, Any] = envelope.metadata.get("changes") or {}
    if sees_all:
        return VisibleEvent(envelope, payload, changes, envelope.actor_id, acted_for, frozenset())
    if not _is_in_audience(envelope, viewer):
        return None
    hidden = set()
    for name, side in event.private.items():
        owner = getattr(event, side, None) if side else None
        is_about_viewer = getattr(event, name, None) == viewer.user_id and viewer.user_id is not None
        if owner != viewer.organization_id and not is_about_viewer:
            hidden.add(name)
    names = {field.name: field.encode_name for field in _fields(type(event))}
    hidden_keys = {names.get(name, name) for name in hidden}
    is_own = acted_for is not None and acted_for == viewer.organization_id
    is_self = envelope.actor_id is not None and envelope.actor_id == viewer.user_id
    return VisibleEvent(
        envelope,
        {key: value for key, value in payload.items() if key not in hidden_keys},
        {key: value for key, value in changes.items() if key not in hidden} if is_own or _owns(event, viewer) else {},
        envelope.actor_id if is_own or is_self else None,
        acted_for,
        frozenset(hidden),
    )


def _is_in_audience(envelope: Envelope[Event], viewer: Actor) -> bool:
    event = envelope.event
    subjects = event.subjects()
    if event.audience == ():
        return False
    if event.producer == "identity":
        is_person = ("User", viewer.user_id) in subjects
        acted_for = envelope.organization_id
        organizations = {entity_id for kind, entity_id in subjects if kind == "Organization"} | {acted_for}
        sees_organization = viewer.organization_id in organizations - {None} and _reads_organization(viewer)
        return is_person or sees_organization
    if _reads_organization(viewer):
        if event.audience is None:
            return ("Organization", viewer.organization_id) in subjects
        return viewer.organization_id in {getattr(event, name) for name in event.audience}
    if viewer.user_id is None:
        return False
    in_own_organization = event.audience is None or viewer.organization_id in {
        getattr(event, name) for name in event.audience
    }
    return ("User", viewer.user_id) in subjects and in_own_organization


def _reads_organization(viewer: Actor) -> bool:
    return viewer.organization_id is not None and scope_of("event.read", viewer) is not None


def _owns(event: Event, viewer: Actor) -> bool:
    """Whether the viewer's organization is a party of the event, so that its recorded changes concern it."""
    return ("Organization", viewer.organization_id) in event.subjects()


def _fields(class_: type[Event]) -> tuple[Any, ...]:
    from msgspec.structs import fields

    return fields(class_)


def without(envelope: Envelope[Event], **metadata: Any) -> Envelope[Event]:
    """Return the envelope with other metadata: for tests and previews."""
    return replace(envelope, metadata={**envelope.metadata, **metadata})


def latest(event_type: str) -> type[Event] | None:
    """Return the newest class of a stored event name, None for one that this code does not know."""
    return LATEST.get(event_type)
