"""Events as people read them: who did what on whose behalf, what changed from what to what, why, and what followed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from karokar.kernel.actor import Actor
from karokar.outbox.deliveries import Delivery
from karokar.outbox.registry import HANDLERS
from karokar.outbox.search import FoundEvent
from karokar.outbox.timeline import Entry, StateThen
from karokar.web.asking import ask
from karokar.web.times import local_time

SYSTEM_NAME = "KaroKar"
_SHOWN = {
    "Organization", "User", "Verification", "Vehicle", "MaintenanceWindow", "Booking", "Assignment",
    "AvailabilityConflict", "Role",
}  # fmt: skip
KIND_WORDS = {
    "MaintenanceWindow": "maintenance window",
    "AvailabilityConflict": "calendar conflict",
    "User": "person",
    "System": "system",
}
"""What people call a kind of thing, where its own name would not do."""

LABELS = {
    "license_plate": "licence plate",
    "start": "from",
    "end": "to",
    "held_until": "held until",
    "vehicle_id": "vehicle",
    "vendor_organization_id": "vendor",
    "corporate_organization_id": "company",
    "organization_id": "organization",
    "parent_organization_id": "parent organization",
    "requested_by": "requested by",
    "employee_id": "employee",
    "booking_id": "booking",
    "role_id": "role",
    "user_id": "person",
    "reviewed_by": "reviewed by",
    "entity_id": "for",
    "entity_type": "kind of thing",
    "suspended_by": "taken off the road by",
    "actual_end": "ended at",
    "fuel_percent": "fuel (percent)",
    "odometer": "odometer (km)",
    "valid_from": "valid from",
    "expires_at": "valid until",
    "password_hash": "password",
    "totp_secret": "second factor",
    "email": "e-mail address",
    "first_name": "first name",
    "last_name": "last name",
    "time_zone": "time zone",
    "is_damaged": "damaged",
    "offered_vehicle_id": "offered instead",
    "metadata": "details",
    "details": "details",
    "ownership_type": "ownership",
    "round": "choice number",
}
"""Fields in users' words; any other reads as its name with spaces."""

_DETAILS = (
    "reason", "note", "notes", "odometer", "fuelPercent", "isDamaged", "kilometres", "key", "before", "after",
    "resolution", "handler", "error", "daysLeft", "expiresAt", "formerRole", "role",
)  # fmt: skip
"""Fields of payloads that say more than the sentence and the changes do."""

_NOT_SHOWN = frozenset({"id", "version", "event_count", "plate_key", "city_key"})
"""Fields that say nothing to people."""

_GOOD = ("Approved", "Completed", "Accepted", "Joined", "Reinstated", "Resolved", "Verified", "Retried", "Enabled")
_LIVE = ("Activated", "Started", "Resumed")
_BAD = (
    "Rejected", "Suspended", "Revoked", "Terminated", "Overdue", "Expired", "DeadLettered", "Detected", "Failed",
    "Flagged",
)  # fmt: skip
_WAIT = ("Requested", "Scheduled", "Expiring", "Reminded", "Created", "Reapplied", "Invited", "Paused")
_NEUTRAL = ("Cancelled", "Closed", "Retired", "Discarded", "Removed", "Withdrawn", "Deleted", "Dismissed", "Voided")
_ICONS = {"good": "circle-check", "live": "player-play", "bad": "alert-triangle", "wait": "hourglass", "neutral": "ban",
          "info": "point"}  # fmt: skip
_OF_THE_PERSON = {
    "UserRegistered": "userId",
    "EmailVerified": "userId",
    "UserLoginFailed": "userId",
    "PasswordResetRequested": "userId",
    "AssignmentActivated": "employeeId",
    "AssignmentCompleted": "employeeId",
}
"""Events whose sentence is about a person, whoever set it off, and the field that names them."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """What the things are called that events speak of, by id."""

    by_id: Mapping[UUID, str] = field(default_factory=dict)

    def of(self, entity_id: UUID | str | None, otherwise: str = "") -> str:
        """Return a thing's name; `otherwise`, or the end of its id, where it has none."""
        if entity_id is None:
            return otherwise
        try:
            found = self.by_id.get(UUID(str(entity_id)))
        except ValueError:
            return str(entity_id)
        return found or otherwise or f"…{str(entity_id)[-8:]}"


@dataclass(frozen=True, kw_only=True)
class About:
    """A thing that an event concerns, as a link: its kind in words and its name."""

    type: str
    id: UUID
    kind: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """One field, from what to what; `is_personal` ones are told without values."""

    label: str
    before: str | None
    after: str | None
    is_personal: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """An event in words. `behalf` is the organization for which a named person acted."""

    event: FoundEvent
    who: str
    sentence: str
    behalf: str
    tone: str
    icon: str
    about: Sequence[About]
    changes: Sequence[Change]
    details: Sequence[tuple[str, str]]
    entry: Entry | None = None
    followed: Sequence["Line"] = ()

    @property
    def title(self) -> str:
        """The whole sentence: "Asha Khan approved the booking"."""
        return f"{self.who} {self.sentence}"

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """How the reactions to it stand."""
        return self.entry.deliveries if self.entry else ()


def describe_handler(name: str) -> str:
    """Return what a handler does, in words; its name where no code here knows it."""
    handler = HANDLERS.get(name)
    return handler.description if handler else name


def kind_in_words(type_: str) -> str:
    """Return what people call a kind of thing."""
    return KIND_WORDS.get(type_, type_.lower())


def names_for(events: Iterable[FoundEvent], fields: Mapping[str, Any] | None = None) -> Names:
    """Return the names of everything that these events speak of, and an entity's fields, with one question per kind."""
    users: set[UUID] = set()
    by_kind: dict[str, set[UUID]] = {kind: set() for kind in _SHOWN}
    for event in events:
        users |= {event.actor_id} if event.actor_id else set()
        if event.organization_id:
            by_kind["Organization"].add(event.organization_id)
        for kind, entity_id in event.subjects:
            by_kind.setdefault(kind, set()).add(entity_id)
        # A change may name others than the payload does: the former employee, the former vehicle.
        for name, change in event.changes.items():
            if name.endswith("_id") and not isinstance(change, Mapping):
                kind = _KIND_OF_FIELD.get(name, "")
                by_kind.setdefault(kind, set()).update(found for value in change if (found := _uuid(value)))
    for name, value in (fields or {}).items():
        pointed_to = _uuid(value)
        if name in _KIND_OF_FIELD and pointed_to:
            by_kind[_KIND_OF_FIELD[name]].add(pointed_to)
    by_kind["User"] |= users
    return Names(by_id=_ask_names(by_kind))


_QUESTIONS = (
    ("User", "identity", "people", "name"),
    ("Organization", "organization", "organizations", "name"),
    ("Vehicle", "fleet", "vehicles", "label"),
    ("Booking", "booking", "bookings", "reference"),
)
"""What each kind's context is asked, and the attribute of its answers that is the name."""


def _ask_names(by_kind: Mapping[str, set[UUID]]) -> dict[UUID, str]:
    found: dict[UUID, str] = {}
    for kind, context, question, attribute in _QUESTIONS:
        if by_kind.get(kind):
            answer: Mapping[UUID, Any] = ask(context, question, by_kind[kind], default={})
            found |= {entity_id: str(getattr(one, attribute)) for entity_id, one in answer.items()}
    return found


_KIND_OF_FIELD = {
    "vehicle_id": "Vehicle",
    "employee_id": "User",
    "user_id": "User",
    "organization_id": "Organization",
    "vendor_organization_id": "Organization",
    "corporate_organization_id": "Organization",
    "parent_organization_id": "Organization",
    "offered_vehicle_id": "Vehicle",
    "requested_by": "User",
    "booking_id": "Booking",
}


def names_of(entries: Iterable[Entry], fields: Mapping[str, Any] | None = None) -> Names:
    """Return the names of everything that these entries and what followed them speak of, and an entity's fields."""
    return names_for([event for entry in entries for event in (entry.event, *entry.followed)], fields)


def lines(
    entries: Sequence[Entry], viewer: Actor, of: tuple[str, UUID] | None = None, names: Names | None = None
) -> list[Line]:
    """Return entries in words, for a story `of` a thing (which is then not named in each line).

    `names` are theirs, where they were asked for already.
    """
    names = names or names_of(entries)
    return [
        line(
            entry.event,
            viewer,
            names,
            of,
            entry=entry,
            followed=[line(event, viewer, names, of) for event in entry.followed],
        )
        for entry in entries
    ]


def line(
    event: FoundEvent,
    viewer: Actor,
    names: Names,
    of: tuple[str, UUID] | None = None,
    *,
    entry: Entry | None = None,
    followed: Sequence[Line] = (),
) -> Line:
    """Return one event in words."""
    who, behalf = _who(event, viewer, names)
    tone = _tone(event.event_type)
    return Line(
        event=event,
        who=who,
        sentence=event.sentence,
        behalf=behalf,
        tone=tone,
        icon=_ICONS[tone],
        about=[
            About(type=kind, id=entity_id, kind=kind_in_words(kind), name=_name_of(kind, entity_id, event, names))
            for kind, entity_id in event.subjects
            if kind in _SHOWN and (kind, entity_id) != of and entity_id != viewer.organization_id
        ],
        changes=_changes(event, names),
        details=_details(event),
        entry=entry,
        followed=followed,
    )


def state_rows(state: StateThen, names: Names) -> list[tuple[str, str]]:
    """Return an entity's fields as they were, in words; personal ones say that they are not kept."""
    shown = {name: value for name, value in state.fields.items() if name not in _NOT_SHOWN}
    rows = [(label(name), show(name, value, names)) for name, value in sorted(shown.items())]
    return rows + [(label(name), "personal, not kept in the history") for name in sorted(state.personal)]


def label(name: str) -> str:
    """Return a field's name in users' words, with a capital letter."""
    words = LABELS.get(name) or name.replace("_", " ")
    return words[:1].upper() + words[1:]


def show(name: str, value: Any, names: Names) -> str:
    """Return a field's value as people read it."""
    if _is_empty(value):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(show("", item, names) for item in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{label(str(key))}: {show(str(key), item, names)}" for key, item in value.items())
    return _show_text(name, str(value), names)


_CODES = frozenset({"status", "kind", "type", "reason", "suspended_by", "channel", "category", "round", "method"})


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _show_text(name: str, text: str, names: Names) -> str:
    moment = _moment(text)
    if moment is not None:
        return local_time(moment)
    if _uuid(text) is not None:
        return names.of(text)
    if text.isupper() and name != "license_plate" and "_" in text:
        return text.replace("_", " ").capitalize()
    is_code = name in _CODES and text.isupper()
    return text.capitalize() if is_code else text


def _who(event: FoundEvent, viewer: Actor, names: Names) -> tuple[str, str]:
    """Return who did it, and for which organization where that says more."""
    person = event.payload.get(_OF_THE_PERSON.get(event.event_type, ""))
    if person is not None:
        return names.of(person, "Somebody"), ""
    organization = names.of(event.organization_id, "Another organization") if event.organization_id else ""
    if event.actor_id is not None:
        is_elsewhere = event.organization_id is not None and event.organization_id != viewer.organization_id
        return names.of(event.actor_id, "Somebody who is gone"), organization if is_elsewhere else ""
    return (organization, "") if organization else (SYSTEM_NAME, "")


def _name_of(kind: str, entity_id: UUID, event: FoundEvent, names: Names) -> str:
    if kind == "Booking" and event.payload.get("reference"):
        return str(event.payload["reference"])
    if kind == "Role" and event.payload.get("name"):
        return str(event.payload["name"])
    return names.of(entity_id)


def _changes(event: FoundEvent, names: Names) -> list[Change]:
    found = []
    for name, change in event.changes.items():
        if name in _NOT_SHOWN:
            continue
        if isinstance(change, Mapping):
            found.append(Change(label=label(name), before=None, after=None, is_personal=True))
            continue
        before, after = change
        is_new = before is None
        if is_new and _is_empty(after):
            continue
        found.append(
            Change(
                label=label(name),
                before=None if is_new else show(name, before, names),
                after=show(name, after, names),
            )
        )
    return found


def _details(event: FoundEvent) -> list[tuple[str, str]]:
    changed = {name.replace("_", "") for name in event.changes}
    found = []
    for key in _DETAILS:
        value = event.payload.get(key)
        if value is None or value == "" or key.lower() in changed:
            continue
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
        found.append((label(snake), show("reason" if key == "reason" else snake, value, Names())))
    return found


def _tone(event_type: str) -> str:
    for tone, ends in (("bad", _BAD), ("good", _GOOD), ("live", _LIVE), ("neutral", _NEUTRAL), ("wait", _WAIT)):
        if event_type.endswith(ends):
            return tone
    return "info"


def _moment(text: str) -> datetime | None:
    if len(text) < 17 or "T" not in text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _uuid(value: object) -> UUID | None:
    text = str(value)
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
