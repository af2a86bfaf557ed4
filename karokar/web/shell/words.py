"""Fields of things in users' words: what a field is called, and its value as people read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from karokar.kernel.ports import ports
from karokar.kernel.text.codes import in_words
from karokar.kernel.text.notes import texts_of
from karokar.kernel.text.references import REFERENCE, REMOVED
from karokar.web.shell.states import STATES
from karokar.web.shell.times import last_local_day, local_day, local_time

KIND_WORDS = {
    "MaintenanceWindow": "maintenance window",
    "AvailabilityConflict": "calendar conflict",
    "User": "person",
    "System": "system",
}
"""What people call a kind of thing, where its own name would not do."""

LABELS = {
    "note_id": "note",
    "license_plate": "licence plate",
    "plate_country": "country of the plate",
    "start": "from",
    "end": "to",
    "held_until": "held until",
    "vehicle_id": "vehicle",
    "vendor_organization_id": "vendor",
    "corporate_organization_id": "company",
    "other_corporate_organization_id": "other company",
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
    "kilometres": "odometer (km)",
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
    "first_source_id": "taken by",
    "second_source_id": "and by",
    "plate_released_at": "plate free since",
}
"""Fields in users' words; any other reads as its name with spaces."""

_STATES_OF = {
    "Organization": "organization",
    "Membership": "membership",
    "Verification": "verification",
    "Vehicle": "vehicle",
    "MaintenanceWindow": "maintenance",
    "Booking": "booking",
    "Assignment": "assignment",
    "AvailabilityConflict": "conflict",
}
"""Whose states a kind of thing has, so that a status reads in its history as it does on its page."""


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


NOTE = "Note"
"""The kind under which the texts of notes are asked for: what a note is called is what it says."""


def names_by_kind(by_kind: Mapping[str, set[UUID]]) -> Names:
    """Return the names of things, with one question per kind."""
    found: dict[UUID, str] = {}
    for kind, answer in ports().names.items():
        if by_kind.get(kind):
            found |= answer(by_kind[kind])
    found |= texts_of(by_kind.get(NOTE, ()))
    return Names(by_id=found)


def kind_in_words(type_: str) -> str:
    """Return what people call a kind of thing."""
    return KIND_WORDS.get(type_, type_.lower())


def name_of(kind: str, entity_id: UUID, payload: Mapping[str, Any], names: Names) -> str:
    """Return what a thing is called that an event with this payload concerns; the end of its id where nothing says."""
    if kind == "Booking" and payload.get("reference"):
        return str(payload["reference"])
    if kind == "Role" and payload.get("name"):
        return str(payload["name"])
    otherwise = ""
    if kind in {"Verification", "MaintenanceWindow"} and payload.get("kind"):
        otherwise = show("kind", payload["kind"], Names(), kind).lower()
    elif kind == "Assignment" and payload.get("employeeId"):
        otherwise = f"of {names.of(payload['employeeId'])}"
    elif kind == "Membership" and payload.get("userId"):
        otherwise = f"of {names.of(payload['userId'])}"
    elif kind == "AvailabilityConflict":
        otherwise = show("start", payload.get("start"), Names())
    return names.of(entity_id, otherwise)


def label(name: str) -> str:
    """Return a field's name in users' words, with a capital letter."""
    words = LABELS.get(name) or name.replace("_", " ")
    return words[:1].upper() + words[1:]


def show(name: str, value: Any, names: Names, of: str = "") -> str:
    """Return a field's value as people read it; `of`, the kind of thing, gives statuses and codes their words."""
    if is_empty(value):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(show("", item, names) for item in value)
    if isinstance(value, Mapping):
        return _show_mapping(value, names)
    if name in _LAST_DAYS and as_moment(str(value)):
        return local_day(last_local_day(datetime.fromisoformat(str(value))))
    if isinstance(value, int) and name.startswith(_READINGS):
        return f"{value:,}"
    if name == "status":
        state = STATES.get(_STATES_OF.get(of, ""), {}).get(str(value))
        if state is not None:
            return state.word
    return in_words(of, name, str(value)) or _show_text(name, str(value), names)


_LAST_DAYS = frozenset({"expires_at", "expiresAt"})
"""Fields that hold the end of the last day on which something counts."""


def _show_mapping(value: Mapping[str, Any], names: Names) -> str:
    """Return a note's text, or each key with its value."""
    if REFERENCE in value:
        return names.of(value[REFERENCE], REMOVED)
    return "; ".join(f"{label(str(key))}: {show(str(key), item, names)}" for key, item in value.items())


_READINGS = ("odometer", "kilometres")
_CODES = frozenset({"status", "kind", "type", "reason", "suspended_by", "channel", "category", "method"})


def is_empty(value: Any) -> bool:
    """Tell whether a field holds nothing."""
    return value is None or value in ("", [], {})


def _show_text(name: str, text: str, names: Names) -> str:
    moment = as_moment(text)
    if moment is not None:
        return local_time(moment)
    if as_uuid(text) is not None:
        return names.of(text)
    if text.isupper() and name != "license_plate" and "_" in text:
        return text.replace("_", " ").capitalize()
    is_code = name in _CODES and text.isupper() and text != "SUV"
    return text.capitalize() if is_code else text


def as_moment(text: str) -> datetime | None:
    """Return the moment that a text is; None where it is another text."""
    if len(text) < 17 or "T" not in text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def as_uuid(value: object) -> UUID | None:
    """Return the id that a value is; None where it is none."""
    text = str(value)
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
