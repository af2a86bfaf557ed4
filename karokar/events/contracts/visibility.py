"""`visible`: the one place that decides who sees which event, and which parts of it.

Pages, exports, the API, live parts and notifications pass every event through it. It refuses by default: an
organization that no field of the event names sees nothing, a payload key that the event's class does not declare is
left out, and the other side is told only of changes that the payload tells anyway.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from uuid import UUID

import msgspec

from karokar.events.base import LATEST, Envelope, Event
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.permissions import scope_of

PERSONAL_PRODUCERS = frozenset({"identity", "notification"})
"""Who tells facts about people: seen by the person, and by the organization that was acted for."""

TOLD_TO_AFFECTED: Mapping[str, tuple[str, ...]] = {
    "VehicleSuspended": ("vehicleId",),
    "VehicleMaintenanceScheduled": ("vehicleId", "start", "end"),
}
"""What a company with a booking of the vehicle is told of its owner's facts; who, why and what for stay inside."""

_CHANGES_FOR_BOTH_SIDES = frozenset({"status"})
_METADATA_FOR_ALL = ("correlationId", "causationId", "depth")


@dataclass(frozen=True)
class VisibleEvent:
    """What one viewer sees of an event.

    `payload` and `changes` lack what is private to another side; so does `envelope` (its event has None there), so
    that whatever is rendered from here tells no more. `actor_id` is None where the actor belongs to another tenant or
    is the system; `organization_id` tells on whose behalf it was done (None: the system). `hidden` names the fields
    that were left out.
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
    changes: Mapping[str, Any] = envelope.metadata.get("changes") or {}
    if sees_everything(viewer):
        return VisibleEvent(envelope, payload, changes, envelope.actor_id, envelope.organization_id, frozenset())
    if not _is_seen(envelope, viewer):
        return None
    event, acted_for = envelope.event, envelope.organization_id
    hidden = frozenset(name for name, side in event.private.items() if not _may_read(event, name, side, viewer))
    keys = _stored_names(type(event))
    shown_keys = {key for name, key in keys.items() if name not in hidden}
    is_own = acted_for is not None and acted_for == viewer.organization_id
    is_self = envelope.actor_id is not None and envelope.actor_id == viewer.user_id
    shown_changes = {
        name: change
        for name, change in changes.items()
        if name not in hidden and (is_own or _is_alone(envelope, viewer) or _is_told_anyway(name, keys))
    }
    actor_id = envelope.actor_id if is_own or is_self else None
    metadata = {
        **{name: envelope.metadata[name] for name in _METADATA_FOR_ALL if name in envelope.metadata},
        "actorId": str(actor_id) if actor_id else None,
        "organizationId": str(acted_for) if acted_for else None,
        "changes": shown_changes,
    }
    cut = msgspec.structs.replace(event, **dict.fromkeys(hidden & keys.keys()))
    return VisibleEvent(
        replace(envelope, event=cut, metadata=metadata),
        {key: value for key, value in payload.items() if key in shown_keys},
        shown_changes,
        actor_id,
        acted_for,
        hidden,
    )


def sees_everything(viewer: Actor) -> bool:
    """Whether every event is open to the viewer: the system, and the platform's people who read events."""
    return viewer.is_system or (viewer.is_platform and scope_of("event.read", viewer) is Scope.ALL)


def reads_organization(viewer: Actor) -> bool:
    """Whether the viewer sees what their organization sees, and not only what concerns them in person."""
    return viewer.organization_id is not None and scope_of("event.read", viewer) is not None


def organizations_seeing(envelope: Envelope[Event]) -> frozenset[UUID]:
    """Return the organizations that the event is for; the platform sees it in any case."""
    event = envelope.event
    if event.audience is not None:
        named = {getattr(event, name) for name in event.audience}
    else:
        named = {entity_id for kind, entity_id in event.subjects() if kind == "Organization"}
    if event.producer in PERSONAL_PRODUCERS and event.audience is None:
        named.add(envelope.organization_id)
    return frozenset(named - {None})


def told_to_affected(event: Event, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a company with a booking of the vehicle is told of an owner's fact; None where nothing."""
    names = TOLD_TO_AFFECTED.get(event.event_type)
    return None if names is None else {name: payload[name] for name in names if name in payload}


def _is_seen(envelope: Envelope[Event], viewer: Actor) -> bool:
    event = envelope.event
    if event.audience == ():
        return False
    is_for_organization = viewer.organization_id in organizations_seeing(envelope)
    if is_for_organization and reads_organization(viewer):
        return True
    is_subject = viewer.user_id is not None and ("User", viewer.user_id) in event.subjects()
    # A person acting for one organization sees nothing of what concerns them in another, their own account apart.
    return is_subject and (is_for_organization or event.producer in PERSONAL_PRODUCERS)


def _may_read(event: Event, name: str, side: str, viewer: Actor) -> bool:
    if viewer.user_id is not None and getattr(event, name, None) == viewer.user_id:
        return True
    owners = {getattr(event, one, None) for one in side.split()}
    return viewer.organization_id is not None and viewer.organization_id in owners


def _is_alone(envelope: Envelope[Event], viewer: Actor) -> bool:
    """Whether no other organization has a part in the event, so that every change is the viewer's own affair."""
    if envelope.event.producer in PERSONAL_PRODUCERS and ("User", viewer.user_id) in envelope.event.subjects():
        return True
    return organizations_seeing(envelope) == {viewer.organization_id}


def _is_told_anyway(name: str, fields: Mapping[str, str]) -> bool:
    return name in fields or f"{name}_id" in fields or name in _CHANGES_FOR_BOTH_SIDES


@cache
def _stored_names(class_: type[Event]) -> Mapping[str, str]:
    return {field.name: field.encode_name for field in msgspec.structs.fields(class_)}


def without(envelope: Envelope[Event], **metadata: Any) -> Envelope[Event]:
    """Return the envelope with other metadata: for tests and previews."""
    return replace(envelope, metadata={**envelope.metadata, **metadata})


def latest(event_type: str) -> type[Event] | None:
    """Return the newest class of a stored event name, None for one that this code does not know."""
    return LATEST.get(event_type)
