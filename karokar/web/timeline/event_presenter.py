"""Events as people read them: who did what on whose behalf, what changed from what to what, why, and what followed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from karokar.events.base import reading_of
from karokar.events.handlers import HANDLERS
from karokar.kernel.actor import Actor
from karokar.kernel.text.references import notes_in
from karokar.outbox.reading.deliveries import Delivery
from karokar.outbox.reading.search import FoundEvent
from karokar.outbox.reading.timeline import Entry, StateThen
from karokar.web.shell.links import look_up
from karokar.web.shell.words import (
    NOTE,
    Names,
    as_moment,
    as_uuid,
    is_empty,
    kind_in_words,
    label,
    name_of,
    names_by_kind,
    show,
)

SYSTEM_NAME = "KaroKar"
_SHOWN = {
    "Organization", "User", "Verification", "Vehicle", "MaintenanceWindow", "Booking", "Assignment",
    "AvailabilityConflict", "Role",
}  # fmt: skip
_SAME = {"kilometres": "odometer", "noteId": "note"}
"""Fields of payloads that are called otherwise where they are kept."""

NOT_SHOWN = frozenset(
    {"id", "version", "event_count", "plate_key", "city_key", "search_key", "round", "reminded_hours"}
)
"""Fields that say nothing to people."""

_ICONS = {"good": "circle-check", "live": "player-play", "bad": "alert-triangle", "wait": "hourglass", "neutral": "ban",
          "info": "point"}  # fmt: skip


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
    def is_beginning(self) -> bool:
        """Whether its changes are what a new thing began with: a long list, of which little is news."""
        return len(self.changes) > 3 and all(change.before is None for change in self.changes)

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
        by_kind.setdefault(NOTE, set()).update(notes_in(event.payload, event.changes))
        # A change may name others than the payload does: the former employee, the former vehicle.
        for name, change in event.changes.items():
            if name.endswith("_id") and not isinstance(change, Mapping):
                kind = KIND_OF_FIELD.get(name) or _kind_of_source(name, event)
                by_kind.setdefault(kind, set()).update(found for value in change if (found := as_uuid(value)))
    for name, value in (fields or {}).items():
        pointed_to = as_uuid(value)
        if name in KIND_OF_FIELD and pointed_to:
            by_kind[KIND_OF_FIELD[name]].add(pointed_to)
    by_kind["User"] |= users
    return names_by_kind(by_kind)


KIND_OF_FIELD = {
    "vehicle_id": "Vehicle",
    "employee_id": "User",
    "user_id": "User",
    "organization_id": "Organization",
    "vendor_organization_id": "Organization",
    "corporate_organization_id": "Organization",
    "other_corporate_organization_id": "Organization",
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
    """Return entries in words, for a story `of` a thing (which is then not named in each line), to be shown on a page.

    `names` are theirs, where they were asked for already.
    """
    names = names or names_of(entries)
    look_up(thing for entry in entries for event in (entry.event, *entry.followed) for thing in event.subjects)
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
    tone = reading_of(event.event_type).tone
    return Line(
        event=event,
        who=who,
        sentence=_sentence(event),
        behalf=behalf,
        tone=tone,
        icon=_ICONS[tone],
        about=[
            About(
                type=kind, id=entity_id, kind=kind_in_words(kind), name=name_of(kind, entity_id, event.payload, names)
            )
            for kind, entity_id in event.subjects
            if kind in _SHOWN and (kind, entity_id) != of and entity_id not in {viewer.organization_id, event.actor_id}
        ],
        changes=_changes(event, names),
        details=_details(event, names),
        entry=entry,
        followed=followed,
    )


def state_rows(state: StateThen, names: Names, of: str = "") -> list[tuple[str, str]]:
    """Return the fields of an entity, `of` its kind, as they were, in words; personal ones are named without values."""
    shown = {name: value for name, value in state.fields.items() if name not in NOT_SHOWN and not is_empty(value)}
    rows = [(label(name), show(name, value, names, of)) for name, value in sorted(shown.items())]
    return rows + [(label(name), "personal, not kept in the history") for name in sorted(state.personal)]


def _who(event: FoundEvent, viewer: Actor, names: Names) -> tuple[str, str]:
    """Return who did it, and for which organization where that says more."""
    reading = reading_of(event.event_type)
    person = event.payload.get(reading.person or "")
    if person is not None:
        return names.of(person, "Somebody"), ""
    if event.actor_id is None and reading.may_be_by_stranger:
        return "Somebody", ""
    organization = names.of(event.organization_id, "Another organization") if event.organization_id else ""
    if event.actor_id is not None:
        is_elsewhere = event.organization_id is not None and event.organization_id != viewer.organization_id
        return names.of(event.actor_id, "Somebody who is gone"), organization if is_elsewhere else ""
    return (organization, "") if organization else (SYSTEM_NAME, "")


def _sentence(event: FoundEvent) -> str:
    """Return what happened; of documents also which, since there are many, and of corrections from what to what."""
    if "formerOdometer" in event.payload:
        former, odometer = event.payload["formerOdometer"], event.payload["odometer"]
        moment = "handover" if event.payload["handoverKind"] == "OUT" else "return"
        return f"corrected the odometer at the {moment} from {former:,} to {odometer:,} km"
    kind = event.payload.get("kind") if event.aggregate_type == "Verification" else None
    return f"{event.sentence}: {show('kind', kind, Names(), 'Verification').lower()}" if kind else event.sentence


def _kind_of_source(name: str, event: FoundEvent) -> str:
    """Return the kind of thing that a side of a conflict is ("Booking"), where the field names one."""
    if not name.endswith("_source_id"):
        return ""
    said = event.changes.get(name.replace("_id", "_type"), ())
    return str(said[-1]) if said and not isinstance(said, Mapping) else ""


def _says_nothing(name: str, after: Any, event: FoundEvent) -> bool:
    """Tell whether a new value is known already: the time, who did it, or the kind of what an id beside it is."""
    if name in NOT_SHOWN or name.endswith("_source_type") or name in {"method", "entity_type", "entity_id"}:
        return True
    if name == "role_id":
        return "role" in event.payload
    found = as_uuid(after)
    if found is not None:
        return found in {event.actor_id, event.organization_id}
    moment = as_moment(str(after))
    return moment is not None and abs(moment - event.occurred_at) < timedelta(seconds=2)


def _changes(event: FoundEvent, names: Names) -> list[Change]:
    found = []
    for name, change in event.changes.items():
        if isinstance(change, Mapping):
            found.append(Change(label=label(name), before=None, after=None, is_personal=True))
            continue
        before, after = change
        is_new = before is None
        if name in NOT_SHOWN or (is_new and (is_empty(after) or _says_nothing(name, after, event))):
            continue
        source = _kind_of_source(name, event)
        found.append(
            Change(
                label=label(name),
                before=None if is_new else show(name, before, names, event.aggregate_type),
                after=f"{kind_in_words(source)} {names.of(after, 'that is not yours to see')}"
                if source
                else show(name, after, names, event.aggregate_type),
            )
        )
    return found


def _details(event: FoundEvent, names: Names) -> list[tuple[str, str]]:
    changed = {name.replace("_", "").removesuffix("out").removesuffix("in") for name in event.changes}
    found = []
    for key in reading_of(event.event_type).details:
        value = event.payload.get(key)
        if value is None or value == "" or _SAME.get(key, key).lower() in changed:
            continue
        if key == "odometer" and "formerOdometer" in event.payload:  # the sentence says it
            continue
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
        found.append((label(snake), show(snake, value, names, event.aggregate_type)))
    return found
