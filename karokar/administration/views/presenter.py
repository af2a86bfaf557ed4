"""Events in words: who did it and for whom, what changed, and what the ids in it are called."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec

from karokar.events.base import reading_of
from karokar.kernel.ports import ports
from karokar.kernel.text.notes import texts_of
from karokar.kernel.text.references import notes_in
from karokar.outbox.reading.search import FoundEvent
from karokar.web.shell import words
from karokar.web.shell.times import local_time

SYSTEM_NAME = "KaroKar"


@dataclass(frozen=True)
class Names:
    """What ids are called, by kind of subject. An id that is not here is shown by its last part."""

    by_kind: Mapping[str, Mapping[UUID, str]] = field(default_factory=dict)

    def of(self, kind: str, entity_id: UUID | None) -> str:
        """Return the name, empty where none is known."""
        return self.by_kind.get(kind, {}).get(entity_id, "") if entity_id else ""

    def about(self, found: FoundEvent, kind: str, entity_id: UUID) -> str:
        """Return what a thing is called that the event concerns; the end of its id where nothing says."""
        return words.name_of(kind, entity_id, found.payload, self._all)

    def who(self, found: FoundEvent) -> str:
        """Return whom the sentence is about: who did it, or to whom it happened, as on the timelines."""
        reading = reading_of(found.event_type)
        person = found.payload.get(reading.person or "")
        if person is None and found.actor_id is None and reading.may_be_by_stranger:
            return "Somebody"
        return self._all.of(person, "Somebody") if person is not None else self.actor(found)

    def actor(self, found: FoundEvent) -> str:
        """Return who did it: a person, a tenant for its people, or the system."""
        if found.actor_id is not None:
            return self.of("User", found.actor_id) or "Somebody"
        if found.organization_id is not None:
            return self.of("Organization", found.organization_id) or "Another organization"
        return SYSTEM_NAME

    def on_behalf(self, found: FoundEvent) -> str:
        """Return for whom a person did it; empty where that is said already."""
        if found.actor_id is None or found.organization_id is None:
            return ""
        return self.of("Organization", found.organization_id)

    def value(self, value: Any) -> str:
        """Return a payload's value as people read it; an id by its name where it has one."""
        if value is None or value == "":
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, str):
            return self._by_id(value) or _moment(value) or value
        if isinstance(value, int | float):
            return f"{value:,}"
        return json.dumps(value, ensure_ascii=False)

    def changed(self, found: FoundEvent, name: str, value: Any) -> str:
        """Return a changed field's value as people read it."""
        return words.show(name, value, self._all, found.aggregate_type)

    @cached_property
    def _all(self) -> words.Names:
        return words.Names(by_id={key: name for names in self.by_kind.values() for key, name in names.items()})

    def _by_id(self, text: str) -> str:
        if len(text) != 36:
            return ""
        try:
            wanted = UUID(text)
        except ValueError:
            return ""
        return next((names[wanted] for names in self.by_kind.values() if wanted in names), "")


def _moment(text: str) -> str:
    """Return a stored time as the viewer reads it; empty for anything else."""
    if len(text) < 20 or text[4] != "-" or text[10] != "T":
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return local_time(moment) if moment.tzinfo is not None else ""


def names_for(events: Iterable[FoundEvent], *, with_subjects: bool = True) -> Names:
    """Ask the contexts what the ids in these events are called."""
    answers = ports().names
    wanted: dict[str, set[UUID]] = {kind: set() for kind in answers}
    notes: set[UUID] = set()
    for found in events:
        for kind, entity_id in (("User", found.actor_id), ("Organization", found.organization_id)):
            if entity_id is not None:
                wanted[kind].add(entity_id)
        notes |= notes_in(found.payload, found.changes)
        for kind, entity_id in found.subjects if with_subjects else ():
            if kind in wanted:
                wanted[kind].add(entity_id)
    named = {kind: answers[kind](ids) if ids else {} for kind, ids in wanted.items()}
    return Names({**named, words.NOTE: texts_of(notes)})


def kind_in_words(kind: str) -> str:
    """Return a kind of subject as people say it."""
    said = words.kind_in_words(kind)
    return said[:1].upper() + said[1:]


def field_in_words(name: str) -> str:
    """Return a field's name as people read it: "heldUntil" and "held_until" as "Held until"."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).replace("_", " ")
    words = spaced.removesuffix(" id").strip()
    return words[:1].upper() + words[1:]


def changes_in_words(found: FoundEvent, names: Names) -> list[tuple[str, str | None, str]]:
    """Return what changed: field, before (None: not told), after."""
    rows: list[tuple[str, str | None, str]] = []
    for name, change in found.changes.items():
        if isinstance(change, Mapping):
            rows.append((words.label(name), None, "changed (personal, so not kept)"))
        else:
            before, after = change
            was = None if words.is_empty(before) else names.changed(found, name, before)
            rows.append((words.label(name), was, names.changed(found, name, after)))
    return rows


def envelope_as_text(found: FoundEvent) -> str:
    """Return the whole envelope, as this viewer may see it, as indented JSON."""
    envelope = {
        "eventId": found.event_id,
        "eventType": found.event_type,
        "aggregateType": found.aggregate_type,
        "aggregateId": found.aggregate_id,
        "aggregateSeq": found.aggregate_seq,
        "occurredAt": found.occurred_at,
        "version": found.version,
        "payload": found.payload,
        "metadata": found.metadata,
    }
    return msgspec.json.format(msgspec.json.encode(envelope), indent=2).decode()
