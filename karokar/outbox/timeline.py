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

from sqlalchemy import CTE, ColumnElement, ScalarSelect, Select, Text, and_, cast, exists, func, or_, select
from sqlalchemy.orm import aliased

from karokar.events.base import LATEST, SUBJECT_TYPES
from karokar.events.visibility import reads_organization, sees_everything
from karokar.kernel.actor import Actor
from karokar.kernel.db import db
from karokar.outbox.deliveries import Delivery, deliveries
from karokar.outbox.log import newest_position
from karokar.outbox.models import OPEN_STATES, EventLog, EventRow, EventSubject, Trouble, has_state
from karokar.outbox.search import FoundEvent, is_told_about, see

PAGE = 25
MOST_NEWS = 200
_CHUNKS = 200
"""How many times a page goes on looking when much of what it read is hidden from the viewer."""
_FIRST_CHUNK, _LARGEST_CHUNK = 500, 2000
_LOG_CHUNK = 5000
_MOST_FOLLOWED = 300
_SHORTEST_TEXT = 4


@dataclass(frozen=True, kw_only=True)
class TimelineFilter:
    """What of an entity's story is wanted; None asks for nothing in particular.

    `actor` is a person of the viewer's own side; `by` is "system" for what nobody did, "others" for what another
    organization did. `text` is an id, or a part of one, or of a reference.
    """

    event_types: Sequence[str] | None = None
    actor: UUID | None = None
    by: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    is_failed_only: bool = False
    text: str | None = None


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
    """A page of the story. `next` is the event below which the next page begins, None at the story's beginning.

    `head` is the position up to which the log was read: what is new comes after it.
    """

    entries: Sequence[Entry]
    next: UUID | None
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
    before: UUID | None = None,
    limit: int = PAGE,
) -> Timeline:
    """Return a page of an entity's story as the viewer may see it, from the newest event or from below `before`."""
    story = _story(subject_type, subject_id, viewer, wanted or TimelineFilter())
    edge: Any = _number_of(before) if before is not None else None
    head: int | None = None
    found: list[FoundEvent] = []
    is_read_out = False
    # More than is shown: even of an own story a part is hidden, and another round costs more than a few more rows.
    size, need = _FIRST_CHUNK, 2 * limit
    for _ in range(_CHUNKS):
        numbers, edge, newest = story.numbers_below(edge, size, need)
        head = newest if head is None else head
        found += _seen(story.rows(numbers, head), viewer, subject_type, subject_id)
        is_read_out = edge is None
        if is_read_out or len(found) > limit:
            break
        # Where little of it is the viewer's, larger steps find it sooner.
        size, need = min(size * 4, _LARGEST_CHUNK), min(need * 4, _LARGEST_CHUNK)
    shown = found[:limit]
    is_more = len(found) > limit or not is_read_out
    return Timeline(
        entries=_entries(shown, viewer), next=shown[-1].event_id if is_more and shown else None, head=head or 0
    )


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
    story = _story(subject_type, subject_id, viewer, wanted or TimelineFilter())
    while after < head and count < MOST_NEWS:
        until = min(head, after + _LOG_CHUNK)
        # The log is read first, in order: however long the story is, only what is new is looked at.
        fresh = (
            select(EventLog.event_id.label("number"))
            .where(EventLog.position > after, EventLog.position <= until)
            .cte("fresh")
            .prefix_with("materialized", dialect="postgresql")
        )
        rows = db.session.execute(story.among(fresh).limit(MOST_NEWS)).all()
        count += len(_seen(rows, viewer, subject_type, subject_id))
        after = until
    return News(count=min(count, MOST_NEWS), head=head, is_more=count >= MOST_NEWS)


def whole_story(
    subject_type: str, subject_id: UUID, viewer: Actor, wanted: TimelineFilter | None = None
) -> Iterator[FoundEvent]:
    """Yield every event of the story that the viewer may see, newest first: for downloads."""
    story = _story(subject_type, subject_id, viewer, wanted or TimelineFilter())
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
    last = past[-1]
    return StateThen(
        fields=fields,
        personal=frozenset(personal),
        seq=last.aggregate_seq,
        at=last.occurred_at,
        event=last,
        later=len(seen) - len(past),
    )


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


def _number_of(event_id: UUID) -> ScalarSelect[int]:
    """Return the row number of an event, found on the way; below an unknown one there is nothing."""
    return select(EventRow.id).where(EventRow.event_id == event_id).scalar_subquery()


@dataclass(frozen=True)
class _Story:
    """How an entity's events are read: their numbers first, straight from the index of subjects, then the events.

    `asking` is who must be named as well to see anything, None for whoever sees all of it. Most of what does not
    concern the viewer is left out by the index already; `see` decides about the rest.

    In two steps, so that no planner can think of walking down the whole log, or of sorting all that an organization
    ever did, for a page of it. `statement` is what is read of the events, for the viewer and with the filters.
    """

    subject: tuple[int, UUID]
    asking: tuple[int, UUID | None] | None
    statement: Select[Any]
    position: Any

    def numbers_below(
        self, edge: int | ScalarSelect[int] | None, size: int, need: int
    ) -> tuple[list[int], int | None, int]:
        """The numbers of those of the entity's next events below one (None: the newest) that name who asks, downwards.

        At most `need` of the next `size`. With them the last number that was looked at, None where the story ends here,
        and the newest position of the log at the same moment.
        """
        head = select(func.max(EventLog.position)).scalar_subquery()
        size = need if self.asking is None else size
        looked = select(EventSubject.event_id.label("number")).where(
            EventSubject.subject_type == self.subject[0], EventSubject.subject_id == self.subject[1]
        )
        if edge is not None:
            looked = looked.where(EventSubject.event_id < edge)
        looked = looked.order_by(EventSubject.event_id.desc()).limit(size)
        if self.asking is None:
            rows = db.session.execute(looked.add_columns(head)).all()
            numbers = [row[0] for row in rows]
            return numbers, numbers[-1] if len(numbers) == size else None, _head_of(rows)
        chunk, other = looked.subquery(), aliased(EventSubject)
        is_named = and_(
            other.event_id == chunk.c.number,
            other.subject_type == self.asking[0],
            other.subject_id == self.asking[1],
        )
        found = db.session.execute(
            select(chunk.c.number, other.event_id, head).outerjoin(other, is_named).order_by(chunk.c.number.desc())
        ).all()
        named = [number for number, match, _head in found if match is not None]
        if len(named) > need:
            return named[:need], named[need - 1], _head_of(found)
        return named, found[-1][0] if len(found) == size else None, _head_of(found)

    def rows(self, numbers: Sequence[int], head: int | None = None) -> Sequence[Any]:
        """The events of these numbers that are in the log (up to a position), downwards."""
        if not numbers:
            return []
        statement = self.statement.where(EventRow.id.in_(numbers))
        if head is not None:
            statement = statement.where(self.position <= head)
        return db.session.execute(statement.order_by(EventRow.id.desc())).all()

    def among(self, fresh: CTE) -> Select[Any]:
        """The statement of those of the fresh events that are the entity's."""
        statement = self.statement.join(fresh, fresh.c.number == EventRow.id)
        for kind, entity_id in filter(None, (self.subject, self.asking)):
            named = aliased(EventSubject)
            statement = statement.join(
                named,
                and_(named.event_id == fresh.c.number, named.subject_type == kind, named.subject_id == entity_id),
            )
        return statement


def _head_of(rows: Sequence[Any]) -> int:
    """Return the newest position that was read along in the last column; it is asked for where there were no rows."""
    return (rows[0][-1] or 0) if rows else newest_position()


def _story(subject_type: str, subject_id: UUID, viewer: Actor, wanted: TimelineFilter) -> _Story:
    is_sqlite = db.session.get_bind().dialect.name == "sqlite"
    # On SQLite an event's row number is its position: the view between the two would only confuse its planner.
    position: Any = EventRow.id if is_sqlite else EventLog.position
    subject = (SUBJECT_TYPES.get(subject_type, 0), subject_id)
    statement: Select[Any] = select(position, EventRow).select_from(EventRow)
    if not is_sqlite:
        statement = statement.join(EventLog, EventLog.event_id == EventRow.id)
    asking = _who_asks(viewer)
    is_own_person = viewer.user_id is not None and subject == (SUBJECT_TYPES["User"], viewer.user_id)
    if asking == subject or is_own_person:
        asking = None
    return _Story(subject, asking, statement.where(*_conditions(viewer, wanted, position)), position)


def _who_asks(viewer: Actor) -> tuple[int, UUID | None] | None:
    """Return as which subject the viewer is named in what they may see; None for who sees everything."""
    if sees_everything(viewer):
        return None
    if reads_organization(viewer):
        return SUBJECT_TYPES["Organization"], viewer.organization_id
    return SUBJECT_TYPES["User"], viewer.user_id


def _conditions(viewer: Actor, wanted: TimelineFilter, position: Any) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    actor_id, acted_for = EventRow.meta["actorId"].as_string(), EventRow.meta["organizationId"].as_string()
    own = str(viewer.organization_id)
    if wanted.event_types is not None:
        found.append(EventRow.event_type.in_(list(wanted.event_types)))
    if wanted.actor is not None:
        found.append(actor_id == str(wanted.actor))
        if not sees_everything(viewer):
            # Whom another tenant's people are is not to be found out by asking for them.
            found.append(or_(acted_for == own, actor_id == str(viewer.user_id)))
    if wanted.by == "system":
        found.append(actor_id.is_(None))
    if wanted.by == "others":
        found.append(and_(acted_for.is_not(None), acted_for != own))
    if wanted.since is not None:
        found.append(EventRow.occurred_at >= wanted.since)
    if wanted.until is not None:
        found.append(EventRow.occurred_at < wanted.until)
    if wanted.is_failed_only:
        found.append(exists().where(Trouble.position == position, has_state(Trouble, *OPEN_STATES)))
    if wanted.text:
        found.append(_matches(wanted.text, viewer))
    return found


def _matches(text: str, viewer: Actor) -> ColumnElement[bool]:
    """Return the condition of events that an id, or a part of an id or reference, leads to."""
    bare = text.strip().lower().replace("-", "")
    reference = EventRow.payload["reference"].as_string()
    options: list[ColumnElement[bool]] = [
        func.lower(EventRow.event_type).contains(text.strip().lower(), autoescape=True),
        func.replace(func.lower(reference), "-", "").contains(bare, autoescape=True),
    ]
    if len(bare) >= _SHORTEST_TEXT:
        columns = (EventRow.event_id, EventRow.aggregate_id, EventRow.correlation_id)
        options += [func.replace(cast(column, Text), "-", "").contains(bare, autoescape=True) for column in columns]
    try:
        whole = UUID(text.strip())
    except ValueError:
        return or_(*options)
    kinds = [
        number for kind, number in SUBJECT_TYPES.items() if sees_everything(viewer) or kind != "User"
    ]  # Whether a certain person has a part in it may be the other side's secret.
    named = aliased(EventSubject)
    return or_(
        *options,
        exists().where(named.event_id == EventRow.id, named.subject_type.in_(kinds), named.subject_id == whole),
    )


def families() -> Mapping[str, tuple[str, ...]]:
    """Return the names of events by who tells them, for filters."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, class_ in LATEST.items():
        found[class_.producer].append(name)
    return {producer: tuple(names) for producer, names in found.items()}
