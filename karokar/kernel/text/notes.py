"""What people typed, kept apart from what is kept for ever.

Events, and with them the audit log and the API, cannot be changed once they are written. A sentence that somebody
typed may name a person, so it is a row of the context that asked for it, and the event carries the row's id. Pages look
the text up by that id; one that was erased reads "removed".

An aggregate puts `note_id=new_note(text)` into its event, and the recorder keeps the text with the event. A column that
holds typed text carries `info=TYPED`: what an event records as changed there are references to notes as well.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index, inspect, select, union_all
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column

from karokar.kernel.db import Aggregate, Base, db
from karokar.kernel.ids import new_id
from karokar.kernel.text.references import REFERENCE, REMOVED

TYPED = {"typed": True}
"""For a column with text that people type."""


class NewNote(UUID):
    """The id of a note that is not recorded yet, with its text."""

    text: str

    def __init__(self, text: str) -> None:
        super().__init__(int=new_id().int)
        object.__setattr__(self, "text", text)


def new_note(text: str | None) -> UUID | None:
    """Return the id under which the recorder keeps a text with the event that names it; None for an empty text."""
    typed = (text or "").strip()
    return NewNote(typed) if typed else None


class Note(Base):
    """A text that somebody typed, of one context: `class BookingNote(Note, producer="booking")`.

    It was typed into the `field` of a thing (`about_type`, `about_id`), and the event `event_id` told of it. `text` is
    None once it has been erased.
    """

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(comment="outbox.events")
    about_type: Mapped[str]
    about_id: Mapped[UUID]
    field: Mapped[str]
    text: Mapped[str | None] = mapped_column(info={"personal": True})
    author_id: Mapped[UUID | None] = mapped_column(comment="identity.users")
    organization_id: Mapped[UUID | None] = mapped_column(comment="organization.organizations")
    written_at: Mapped[datetime]

    of_producer: ClassVar[dict[str, type["Note"]]] = {}
    """The class of notes of each producer of events."""

    def __init_subclass__(cls, *, producer: str, **options: Any) -> None:
        """Declare the notes of a producer's context, in a table of its own."""
        cls.__tablename__ = f"{producer}_notes"
        super().__init_subclass__(**options)
        Note.of_producer[producer] = cls

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Index, ...]:  # noqa: N805
        return (Index(None, "about_id", "field"),)


@dataclass(frozen=True, kw_only=True)
class Told:
    """The event that comes with notes: what it is about, who typed them, on whose behalf, and when."""

    producer: str
    event_id: UUID
    about_type: str
    about_id: UUID
    author_id: UUID | None
    organization_id: UUID | None
    written_at: datetime


@cache
def typed_columns(class_: type[Aggregate]) -> frozenset[str]:
    """Return the columns of an aggregate that hold typed text."""
    return frozenset(one.key for one in inspect(class_).column_attrs if one.columns[0].info.get("typed"))


def keep_notes(session: Session, told: Told, named: UUID | None, changed: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the texts that come with an event, and return what it records in their place: column → [before, after].

    `named` is the note that the event's payload names, `changed` what typed columns were and became. A text that is in
    both is one note. A column that was and stays empty is left out.
    """
    new: dict[NewNote, str] = {named: "note"} if isinstance(named, NewNote) else {}
    by_text = {one.text: one for one in new}
    found = {}
    for column, (before, after) in changed.items():
        if not before and not after:
            continue
        former = _newest(session, told, column) if before else None
        latter = (by_text.get(after.strip()) or new_note(after)) if after else None
        if isinstance(latter, NewNote):
            new[latter] = column
        found[column] = [_reference(former), _reference(latter)]
    class_ = Note.of_producer[told.producer] if new else Note
    for one, field in new.items():
        session.add(
            class_(
                id=UUID(int=one.int),
                event_id=told.event_id,
                about_type=told.about_type,
                about_id=told.about_id,
                field=field,
                text=one.text,
                author_id=told.author_id,
                organization_id=told.organization_id,
                written_at=told.written_at,
            )
        )
    return found


def _newest(session: Session, told: Told, column: str) -> UUID | None:
    class_ = Note.of_producer[told.producer]
    return session.scalar(
        select(class_.id)
        .where(class_.about_id == told.about_id, class_.field == column)
        .order_by(class_.id.desc())
        .limit(1)
    )


def _reference(note_id: UUID | None) -> dict[str, str] | None:
    return None if note_id is None else {REFERENCE: str(note_id)}


def texts_of(ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the texts of notes by id, in one statement; "removed" for what was erased, nothing for an unknown id.

    Whoever may see the event that refers to a note may read it: ask for what `notes_in` finds in an event as `visible`
    returned it.
    """
    wanted = list(ids)
    if not wanted:
        return {}
    parts = [select(class_.id, class_.text).where(class_.id.in_(wanted)) for class_ in Note.of_producer.values()]
    return {note_id: REMOVED if text is None else text for note_id, text in db.session.execute(union_all(*parts))}


@dataclass(frozen=True, kw_only=True)
class NoteFacts:
    """A note as it is now; `text` is None once it has been erased."""

    id: UUID
    event_id: UUID
    text: str | None
    written_at: datetime


def find_note(note_id: UUID) -> NoteFacts | None:
    """Return a note, whoever may read it: see `texts_of`."""
    parts = [
        select(class_.id, class_.event_id, class_.text, class_.written_at).where(class_.id == note_id)
        for class_ in Note.of_producer.values()
    ]
    row = db.session.execute(union_all(*parts)).one_or_none()
    return (
        None if row is None else NoteFacts(id=row.id, event_id=row.event_id, text=row.text, written_at=row.written_at)
    )
