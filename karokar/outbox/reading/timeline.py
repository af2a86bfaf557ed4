"""The story of one entity: every event that concerns it, newest first, with what became of each and what it led to.

A page is read from the index of subjects, downwards from an event: it costs the same at the first page and at the
thousandth, and new events shift nothing. What is new is read from the log, upwards from a position: an event that was
committed late gets a late position, so following positions misses none. Every event passes `visible` (in `see`).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import select

from karokar.events.base import LATEST
from karokar.events.contracts.visibility import reads_organization, sees_everything
from karokar.kernel.actor import Actor
from karokar.kernel.db import db
from karokar.kernel.text.notes import texts_of
from karokar.kernel.text.references import REFERENCE, REMOVED, notes_in
from karokar.outbox.models import EventLog, EventRow
from karokar.outbox.positions import newest_position
from karokar.outbox.reading.deliveries import Delivery, deliveries
from karokar.outbox.reading.search import FoundEvent, is_told_about, see
from karokar.outbox.reading.timeline_query import TimelineFilter, timeline_query_of

PAGE = 25
MOST_NEWS = 200
_CHUNKS = 200
"""How many times a page goes on looking when much of what it read is hidden from the viewer."""
_FIRST_CHUNK, _LARGEST_CHUNK = 500, 2000
_LOG_CHUNK = 5000
_MOST_FOLLOWED = 300


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An event of the story: how its deliveries stand, and the events that followed directly from it.

    `hidden` counts those that followed and are not the viewer's to see.
    """

    event: FoundEvent
    deliveries: Sequence[Delivery] = ()
    followed: Sequence[FoundEvent] = ()
    hidden: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether every delivery has come to an end, so that nothing about this entry changes by itself."""
        return all(one.state in {"handled", "dismissed"} for one in self.deliveries)

    @property
    def is_failed(self) -> bool:
        """Whether a delivery failed and is not yet made good."""
        return any(one.state in {"retrying", "dead"} for one in self.deliveries)

    @property
    def mark(self) -> str:
        """What changes when the entry has to be shown anew."""
        states = [f"{one.handler}:{one.state}:{one.attempts}" for one in self.deliveries]
        followed = [str(one.event_id) for one in self.followed]
        return sha256(" ".join([*states, *followed]).encode()).hexdigest()[:12]


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A page of the story. `next` is the number of the last event that was looked at, below which the next page begins,
    None at the story's beginning. It may be of an event that is not the viewer's: hide it before it is handed out.

    `head` is the position up to which the log was read: what is new comes after it.
    """

    entries: Sequence[Entry]
    next: int | None
    head: int


@dataclass(frozen=True, kw_only=True)
class News:
    """How much came after a position, and up to where the log was read. `is_more`: there is more than was counted."""

    count: int
    head: int
    is_more: bool = False


@dataclass(frozen=True, kw_only=True)
class StateThen:
    """An entity's fields as they were after its event number `seq`, rebuilt from the recorded changes.

    `personal` names fields whose values are not kept in events.
    """

    fields: Mapping[str, Any]
    personal: frozenset[str]
    seq: int
    at: datetime
    event: FoundEvent
    later: int = field(default=0)


def timeline(
    subject_type: str,
    subject_id: UUID,
    viewer: Actor,
    wanted: TimelineFilter | None = None,
    *,
    before: int | None = None,
    limit: int = PAGE,
) -> Timeline:
    """Return a page of an entity's story as the viewer may see it, from the newest event or from below `before`.

    Where much is hidden from the viewer the page is short, or empty, and its `next` leads past what was looked at.
    """
    story = timeline_query_of(subject_type, subject_id, viewer, wanted or TimelineFilter())
    edge = before
    head: int | None = None
    found: list[FoundEvent] = []
    number_of: dict[UUID, int] = {}
    is_read_out = False
    # More than is shown: even of an own story a part is hidden, and another round costs more than a few more rows.
    size, need = _FIRST_CHUNK, 2 * limit
    for _ in range(_CHUNKS):
        numbers, edge, newest = story.numbers_below(edge, size, need)
        head = newest if head is None else head
        rows = story.rows(numbers, head)
        number_of |= {row.event_id: row.id for _position, row in rows}
        found += _seen(rows, viewer, subject_type, subject_id)
        is_read_out = edge is None
        if is_read_out or len(found) > limit:
            break
        # Where little of it is the viewer's, larger steps find it sooner.
        size, need = min(size * 4, _LARGEST_CHUNK), min(need * 4, _LARGEST_CHUNK)
    shown = found[:limit]
    # A page that is full ends at its last event, a short one where it stopped looking.
    below = number_of[shown[-1].event_id] if len(found) > limit else edge
    return Timeline(entries=_entries(shown, viewer), next=below, head=head or 0)


def entries_of(event_ids: Sequence[UUID], viewer: Actor) -> list[Entry]:
    """Return these events as entries, as they stand now; what the viewer may not see is left out."""
    rows = db.session.execute(
        select(EventLog.position, EventRow)
        .join(EventRow, EventRow.id == EventLog.event_id)
        .where(EventRow.event_id.in_(list(event_ids)))
        .order_by(EventRow.id.desc())
    ).all()
    seen = (see(row, position, viewer) for position, row in rows)
    return _entries([found for found in seen if found is not None], viewer)


def news(subject_type: str, subject_id: UUID, viewer: Actor, after: int, wanted: TimelineFilter | None = None) -> News:
    """Return how many events of the story came after a position, whoever committed them when."""
    head = newest_position()
    count = 0
    story = timeline_query_of(subject_type, subject_id, viewer, wanted or TimelineFilter())
    while after < head and count < MOST_NEWS:
        until = min(head, after + _LOG_CHUNK)
        # The log is read first, in order: however long the story is, only what is new is looked at.
        fresh = (
            select(EventLog.event_id.label("number"))
            .where(EventLog.position > after, EventLog.position <= until)
            .cte("fresh")
            .prefix_with("materialized", dialect="postgresql")
        )
        rows = db.session.execute(story.among(fresh).order_by(story.position).limit(MOST_NEWS)).all()
        count += len(_seen(rows, viewer, subject_type, subject_id))
        # As many as were asked for: the rest of them comes after the last, hidden as these may have been.
        after = until if len(rows) < MOST_NEWS else rows[-1][0]
    return News(count=min(count, MOST_NEWS), head=head, is_more=count >= MOST_NEWS)


def whole_story(
    subject_type: str, subject_id: UUID, viewer: Actor, wanted: TimelineFilter | None = None
) -> Iterator[FoundEvent]:
    """Yield every event of the story that the viewer may see, newest first: for downloads."""
    story = timeline_query_of(subject_type, subject_id, viewer, wanted or TimelineFilter())
    edge = None
    while True:
        numbers, edge, _head = story.numbers_below(edge, _LARGEST_CHUNK, _LARGEST_CHUNK)
        yield from _seen(story.rows(numbers), viewer, subject_type, subject_id)
        if edge is None:
            return
        db.session.expunge_all()


def state_then(aggregate_type: str, aggregate_id: UUID, viewer: Actor, at: datetime) -> StateThen | None:
    """Return what an entity's fields were at a moment, as far as the viewer may see its changes.

    None where it did not exist yet, or none of its events is the viewer's to see.
    """
    rows = db.session.execute(
        select(EventLog.position, EventRow)
        .join(EventRow, EventRow.id == EventLog.event_id)
        .where(EventRow.aggregate_type == aggregate_type, EventRow.aggregate_id == aggregate_id)
        .order_by(EventRow.aggregate_seq)
    ).all()
    seen = [found for position, row in rows if (found := see(row, position, viewer)) is not None]
    past = [one for one in seen if one.occurred_at <= at]
    if not past:
        return None
    fields: dict[str, Any] = {}
    personal: set[str] = set()
    for one in past:
        for name, change in one.changes.items():
            if isinstance(change, Mapping):
                personal.add(name)
            else:
                fields[name] = change[1]
    texts = texts_of(notes_in({}, {"": list(fields.values())}))
    last = past[-1]
    return StateThen(
        fields={name: _as_typed(value, texts) for name, value in fields.items()},
        personal=frozenset(personal),
        seq=last.aggregate_seq,
        at=last.occurred_at,
        event=last,
        later=len(seen) - len(past),
    )


def _as_typed(value: Any, texts: Mapping[UUID, str]) -> Any:
    """Return a field's value, a text in place of the reference to it."""
    if not isinstance(value, Mapping) or REFERENCE not in value:
        return value
    return texts.get(UUID(str(value[REFERENCE])), REMOVED)


# What is read ---------------------------------------------------------------------------------------------------------


def _seen(rows: Sequence[Any], viewer: Actor, subject_type: str, subject_id: UUID) -> list[FoundEvent]:
    """Return those of the rows that the viewer may see, and may know to be about the entity."""
    seen = (see(row, position, viewer) for position, row in rows)
    return [found for found in seen if found is not None and is_told_about(found, subject_type, subject_id)]


def _entries(events: Sequence[FoundEvent], viewer: Actor) -> list[Entry]:
    may_see_deliveries = sees_everything(viewer) or reads_organization(viewer)
    positions = [one.position for one in events if one.position is not None]
    stand = deliveries(positions) if may_see_deliveries else {}
    followed, hidden = _followed(events, viewer)
    return [
        Entry(
            event=one,
            deliveries=stand.get(one.position or 0, ()),
            followed=followed.get(one.event_id, ()),
            hidden=hidden.get(one.event_id, 0),
        )
        for one in events
    ]


def _followed(
    events: Sequence[FoundEvent], viewer: Actor
) -> tuple[Mapping[UUID, Sequence[FoundEvent]], Mapping[UUID, int]]:
    """Return what followed directly from each event, and how much of it the viewer may not see."""
    followed: dict[UUID, list[FoundEvent]] = defaultdict(list)
    hidden: dict[UUID, int] = defaultdict(int)
    if not events:
        return followed, hidden
    causes = EventRow.meta["causationId"].as_string()
    rows = db.session.execute(
        select(EventLog.position, EventRow)
        .select_from(EventRow)
        .outerjoin(EventLog, EventLog.event_id == EventRow.id)
        .where(
            EventRow.correlation_id.in_({one.correlation_id for one in events}),
            causes.in_([str(one.event_id) for one in events]),
        )
        .order_by(EventRow.id)
        .limit(_MOST_FOLLOWED)
    ).all()
    for position, row in rows:
        cause = UUID(row.meta["causationId"])
        seen = see(row, position, viewer)
        if seen is None:
            hidden[cause] += 1
        else:
            followed[cause].append(seen)
    return followed, hidden


def families() -> Mapping[str, tuple[str, ...]]:
    """Return the names of events by who tells them, for filters."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, class_ in LATEST.items():
        found[class_.producer].append(name)
    return {producer: tuple(names) for producer, names in found.items()}
