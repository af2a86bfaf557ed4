"""What an event is: a fact in the past tense, with a stored name and version, about subjects, for an audience.

An event class is declared with `@fact(…)`, which writes out its stored name (never reused) and puts it into `CATALOG`.
The types of its fields say which entities it concerns: a `VehicleId` makes the vehicle a subject. Payloads hold
primitives only; a field declared in `private` is seen by one side only; no field holds personal data.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar
from uuid import UUID

import msgspec

E = TypeVar("E", bound="Event")

Tone = Literal["info", "good", "live", "bad", "wait", "neutral"]
"""What an event means to those who read it: that something went well, is under way, went wrong, waits, or is over."""


def _subject(kind: str) -> msgspec.Meta:
    return msgspec.Meta(extra={"subject": kind})


OrganizationId = Annotated[UUID, _subject("Organization")]
UserId = Annotated[UUID, _subject("User")]
VerificationId = Annotated[UUID, _subject("Verification")]
VehicleId = Annotated[UUID, _subject("Vehicle")]
WindowId = Annotated[UUID, _subject("MaintenanceWindow")]
BookingId = Annotated[UUID, _subject("Booking")]
AssignmentId = Annotated[UUID, _subject("Assignment")]
ConflictId = Annotated[UUID, _subject("AvailabilityConflict")]
RoleId = Annotated[UUID, _subject("Role")]
MembershipId = Annotated[UUID, _subject("Membership")]

NoteId = UUID
"""A text that somebody typed, kept beside the event (`kernel.text.notes`): at most one an event, named `note_id`."""

Code = Annotated[str, msgspec.Meta(extra={"text": "code"})]
"""One of the words that the code knows, or a text that it made: nothing that somebody typed."""

Name = Annotated[str, msgspec.Meta(extra={"text": "name"})]
"""What people call a thing that is no person: an organization, a role, a vehicle's make, model, plate and city."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A point in time. A stored one without a zone is refused when it is read."""

SUBJECT_TYPES: dict[str, int] = {
    "Organization": 1,
    "User": 2,
    "Verification": 3,
    "Vehicle": 4,
    "MaintenanceWindow": 5,
    "Booking": 6,
    "Assignment": 7,
    "AvailabilityConflict": 8,
    "Role": 9,
    "System": 10,
    "Membership": 11,
}
"""The number under which each kind of subject is stored. Written out; never reused."""


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A fact. Subclasses are declared with `@fact`."""

    event_type: ClassVar[str]
    schema_version: ClassVar[int] = 1
    producer: ClassVar[str]
    aggregate_type: ClassVar[str]
    aggregate_field: ClassVar[str | None]
    sentence: ClassVar[str]
    tone: ClassVar["Tone"] = "info"
    details: ClassVar[tuple[str, ...]] = ()
    person_field: ClassVar[str | None] = None
    may_be_by_stranger: ClassVar[bool] = False
    stream_field: ClassVar[str | None] = None
    audience: ClassVar[tuple[str, ...] | None] = None
    private: ClassVar[Mapping[str, str]] = {}
    subject_fields: ClassVar[tuple[tuple[str, str], ...]] = ()

    @property
    def aggregate_id(self) -> UUID | None:
        """The id of the aggregate; None for an event without one (its own event id stands in)."""
        return getattr(self, self.aggregate_field) if self.aggregate_field else None

    @property
    def stream(self) -> str | None:
        """What this event keeps its order with, across aggregates; None: with its own aggregate only."""
        if self.stream_field is None:
            return None
        kind = dict(self.subject_fields)[self.stream_field]
        return f"{kind}:{getattr(self, self.stream_field)}"

    def subjects(self) -> frozenset[tuple[str, UUID]]:
        """Every entity that this event concerns, as (kind, id): its aggregate and those that its fields name."""
        found = {(kind, getattr(self, name)) for name, kind in self.subject_fields}
        return frozenset((kind, entity_id) for kind, entity_id in found if entity_id is not None)


@dataclass(frozen=True)
class Envelope(Generic[E]):
    """An event as it was recorded: what handlers, timelines and the API are given.

    `metadata` holds actorId, organizationId, correlationId, causationId, sourceModule, traceparent, depth and
    changes (field → [before, after], or {"personal": true}). `stored_version` and `stored_payload` are what is stored,
    before any upcaster, where a handler is given the envelope.
    """

    position: int
    event_id: UUID
    event: E
    aggregate_type: str
    aggregate_id: UUID
    aggregate_seq: int
    occurred_at: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)
    stored_version: int = 0
    stored_payload: str = "{}"

    @property
    def actor_id(self) -> UUID | None:
        """The person who did it; None for the system."""
        value = self.metadata.get("actorId")
        return UUID(value) if value else None

    @property
    def organization_id(self) -> UUID | None:
        """The organization on whose behalf it was done; None for the system."""
        value = self.metadata.get("organizationId")
        return UUID(value) if value else None


CATALOG: dict[tuple[str, int], type[Event]] = {}
"""Every event class by stored name and schema version."""

LATEST: dict[str, type[Event]] = {}
"""The newest version of each event by stored name."""


def fact(
    name: str,
    sentence: str,
    *,
    version: int = 1,
    stream: str | None = None,
    audience: tuple[str, ...] | None = None,
    private: Mapping[str, str] | None = None,
    tone: Tone = "info",
    details: tuple[str, ...] = (),
    person: str | None = None,
    by_stranger: bool = False,
) -> Callable[[type[E]], type[E]]:
    """Declare an event class under its stored name, and how it reads.

    `sentence` continues "Asha Khan …" ("approved the booking"). `details` names the fields that say more than the
    sentence and the changes do. `person` names the field of whom the sentence is about, where that isn't who set it
    off; `by_stranger` says that it may be about nobody whom the console knows. `stream` names the field whose entity
    keeps the order. `audience` names the organization fields whose organizations see the event (None: every subject
    organization; empty: the platform only). `private` maps a field, of the payload or of the recorded changes, to the
    organization field whose side alone sees it besides the platform (several: divided by spaces; empty: the platform
    alone).

    Raises ValueError for a name and version used twice, and for details that are no fields.
    """

    def declare(class_: type[E]) -> type[E]:
        if (name, version) in CATALOG:
            message = f"The event {name} version {version} is declared twice."
            raise ValueError(message)
        class_.event_type = name
        class_.schema_version = version
        class_.producer = class_.__module__.rsplit(".", 1)[-1]
        class_.sentence = sentence
        class_.stream_field = stream
        class_.audience = audience
        class_.private = dict(private or {})
        class_.subject_fields = _subject_fields(class_)
        class_.tone = tone
        class_.details = details
        class_.person_field = person
        class_.may_be_by_stranger = by_stranger
        unknown = {*details, *([person] if person else [])} - set(class_.__struct_fields__)
        if unknown:
            message = f"The event {name} has no field {', '.join(sorted(unknown))}."
            raise ValueError(message)
        CATALOG[name, version] = class_
        if name not in LATEST or LATEST[name].schema_version < version:
            LATEST[name] = class_
        return class_

    return declare


@dataclass(frozen=True)
class Reading:
    """How an event reads, by the stored names of its fields; an unknown one says nothing but its sentence."""

    tone: Tone = "info"
    details: tuple[str, ...] = ()
    person: str | None = None
    may_be_by_stranger: bool = False


def reading_of(name: str) -> Reading:
    """Return how the events of a stored name read in this code."""
    class_ = LATEST.get(name)
    if class_ is None:
        return Reading()
    stored = {field.name: field.encode_name for field in msgspec.structs.fields(class_)}
    return Reading(
        class_.tone,
        tuple(stored[name] for name in class_.details),
        stored[class_.person_field] if class_.person_field else None,
        class_.may_be_by_stranger,
    )


def _subject_fields(class_: type[Event]) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    info = msgspec.inspect.type_info(class_)
    assert isinstance(info, msgspec.inspect.StructType)  # noqa: S101 - an Event is a Struct
    for item in info.fields:
        options = item.type.types if isinstance(item.type, msgspec.inspect.UnionType) else (item.type,)
        found += [
            (item.name, str((option.extra or {})["subject"]))
            for option in options
            if isinstance(option, msgspec.inspect.Metadata) and "subject" in (option.extra or {})
        ]
    return tuple(found)
