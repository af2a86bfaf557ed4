"""Finding events: a page of those that a viewer may see, one by its id, and all that one request set off.

Every event passes `visible` before it leaves this module. The statement keeps to what the viewer's organization is
named in as well, by index, so that a page costs the same however much others do, and tells nothing about how much.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, exists, select, union
from sqlalchemy.orm import aliased

from karokar.events.base import LATEST, SUBJECT_TYPES, Envelope, Event
from karokar.events.contracts.codec import PayloadRefused, UnknownContract, decode
from karokar.events.contracts.names import names_matching
from karokar.events.contracts.visibility import reads_organization, sees_everything, visible
from karokar.kernel.actor import Actor
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.outbox.models import OPEN_STATES, DeferredDelivery, EventLog, EventRow, EventSubject, has_state

PAGE = 50
LARGEST_PAGE = 200
# An id is made before the event's time is read, with the wait for the aggregate's lock in between.
_ID_SLACK = timedelta(minutes=10)
_CHUNKS, _LARGEST_CHUNK = 20, 2000
"""How often, and in how large steps, a page looks past events that are hidden; then it is short and says so."""


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """What to look for; None asks for nothing in particular.

    `types` is a name or a pattern, several with commas between (`Booking*,VehicleSuspended`). `any_id` is the id of
    the event, of whatever it concerns, of its actor's organization, or its correlation. `is_in_trouble` keeps to
    events with a delivery that waits, is retried or dead: for the platform.
    """

    types: str | None = None
    aggregate_type: str | None = None
    aggregate_id: UUID | None = None
    subject_type: str | None = None
    subject_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    correlation_id: UUID | None = None
    any_id: UUID | None = None
    is_in_trouble: bool = False


@dataclass(frozen=True, kw_only=True)
class FoundEvent:
    """An event as one viewer sees it. `position` is None before it has one; `is_known` is False where no code here
    knows its name or version (then only the platform sees it, as it was stored).
    """

    position: int | None
    event_id: UUID
    event_type: str
    version: int
    aggregate_type: str
    aggregate_id: UUID
    aggregate_seq: int
    occurred_at: datetime
    payload: Mapping[str, Any]
    changes: Mapping[str, Any]
    actor_id: UUID | None
    organization_id: UUID | None
    correlation_id: UUID
    causation_id: UUID | None
    source_module: str | None
    subjects: tuple[tuple[str, UUID], ...]
    hidden: frozenset[str] = frozenset()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    is_known: bool = True

    @property
    def sentence(self) -> str:
        """What happened, to follow the name of who did it ("approved the booking")."""
        class_ = LATEST.get(self.event_type)
        return class_.sentence if class_ else self.event_type


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """Events in the order asked for. `first` and `last` are the positions between which the page looked.

    `has_more` tells whether there is more in the direction in which the page was read.
    """

    rows: Sequence[FoundEvent]
    first: int | None
    last: int | None
    has_more: bool


def list_events(
    wanted: EventFilter,
    viewer: Actor,
    *,
    after: int | None = None,
    before: int | None = None,
    limit: int = PAGE,
    is_newest_first: bool = True,
) -> EventPage:
    """Return a page of events by position: those after one, those before one, or (neither) from the order's beginning.

    The page is read away from the position that is given, and shown in the order asked for.
    """
    reads_up = after is not None or (before is None and not is_newest_first)
    limit = max(1, min(limit, LARGEST_PAGE))
    edge = after if reads_up else before
    # One more than is shown: whether there is a further page must not depend on events that the viewer cannot see.
    shown: list[tuple[int, FoundEvent]] = []
    looked: list[int] = []
    is_read_out = False
    size = limit + 1
    for _ in range(_CHUNKS):
        chunk = _read(wanted, viewer, edge, reads_up=reads_up, size=size)
        looked += [position for position, _row in chunk]
        seen = ((position, see(row, position, viewer)) for position, row in chunk)
        shown += [(position, found) for position, found in seen if found is not None and _may_lead_to(found, wanted)]
        is_read_out = len(chunk) < size
        if is_read_out or len(shown) > limit:
            break
        edge = looked[-1]
        # Where much is hidden, larger steps come past it sooner.
        size = min(2 * size, _LARGEST_CHUNK)
    has_more = len(shown) > limit or not is_read_out
    if len(shown) > limit:
        shown = shown[:limit]
        last_shown = shown[-1][0]
        looked = [position for position in looked if (position <= last_shown if reads_up else position >= last_shown)]
    rows = [found for _position, found in shown]
    if reads_up == is_newest_first:
        rows.reverse()
    return EventPage(rows=rows, first=min(looked, default=None), last=max(looked, default=None), has_more=has_more)


def is_told_about(found: FoundEvent, kind: str | None, entity_id: UUID | None) -> bool:
    """Whether what the viewer sees of an event tells that it concerns an entity (`kind` None: of any kind).

    An event may be seen by a side from which its employee is hidden: asked for by the employee, it must not answer.
    """
    if not found.hidden:
        return True
    named = {entity for entity in found.subjects if kind is None or entity[0] == kind}
    return any(other == entity_id for _kind, other in named) or found.organization_id == entity_id


def _may_lead_to(found: FoundEvent, wanted: EventFilter) -> bool:
    if wanted.subject_id is not None and not is_told_about(found, wanted.subject_type, wanted.subject_id):
        return False
    direct = {found.event_id, found.correlation_id}
    return wanted.any_id is None or wanted.any_id in direct or is_told_about(found, None, wanted.any_id)


def find_event(event_id: UUID, viewer: Actor) -> FoundEvent:
    """Return one event. Raises NotFound where there is none or the viewer may not see it."""
    row = db.session.execute(
        select(EventLog.position, EventRow)
        .select_from(EventRow)
        .outerjoin(EventLog, EventLog.event_id == EventRow.id)
        .where(EventRow.event_id == event_id)
    ).one_or_none()
    found = see(row[1], row[0], viewer) if row else None
    if found is None:
        raise NotFound("event")
    return found


def find_nth_newest(event_type: str, number: int) -> datetime | None:
    """Return when the nth newest event of a type occurred; None where there are fewer. For alerts by threshold."""
    newest = select(EventRow.occurred_at).where(EventRow.event_type == event_type).order_by(EventRow.id.desc())
    return db.session.scalar(newest.offset(number - 1).limit(1))


def find_at(positions: Iterable[int], viewer: Actor) -> dict[int, FoundEvent]:
    """Return those of the events at these positions that the viewer may see."""
    rows = db.session.execute(
        select(EventLog.position, EventRow)
        .join(EventRow, EventRow.id == EventLog.event_id)
        .where(EventLog.position.in_(list(positions)))
    ).all()
    seen = ((position, see(row, position, viewer)) for position, row in rows)
    return {position: found for position, found in seen if found is not None}


def see(row: EventRow, position: int | None, viewer: Actor) -> FoundEvent | None:
    """Return what the viewer sees of a stored event, None where nothing."""
    try:
        event: Event = decode(row.event_type, row.version, row.payload)
    except (UnknownContract, PayloadRefused):
        return _as_stored(row, position) if sees_everything(viewer) else None
    envelope = Envelope(
        position=position or 0,
        event_id=row.event_id,
        event=event,
        aggregate_type=row.aggregate_type,
        aggregate_id=row.aggregate_id,
        aggregate_seq=row.aggregate_seq,
        occurred_at=row.occurred_at,
        metadata=row.meta,
    )
    seen = visible(envelope, viewer, row.payload)
    if seen is None:
        return None
    subjects = _subjects_shown(event, seen.payload, seen.hidden)
    return FoundEvent(
        position=position,
        event_id=row.event_id,
        event_type=row.event_type,
        version=row.version,
        aggregate_type=row.aggregate_type,
        aggregate_id=row.aggregate_id,
        aggregate_seq=row.aggregate_seq,
        occurred_at=row.occurred_at,
        payload=seen.payload,
        changes=seen.changes,
        actor_id=seen.actor_id,
        organization_id=seen.organization_id,
        correlation_id=row.correlation_id,
        causation_id=_uuid(row.meta.get("causationId")),
        source_module=row.meta.get("sourceModule"),
        subjects=subjects,
        hidden=seen.hidden,
        metadata=row.meta if sees_everything(viewer) else seen.envelope.metadata,
    )


def _subjects_shown(event: Event, payload: Mapping[str, Any], hidden: frozenset[str]) -> tuple[tuple[str, UUID], ...]:
    """Return whom the event concerns, as far as the viewer may know."""
    if not hidden:
        return tuple(sorted(event.subjects()))
    told = {str(value) for value in payload.values()}
    return tuple(sorted((kind, entity_id) for kind, entity_id in event.subjects() if str(entity_id) in told))


def _as_stored(row: EventRow, position: int | None) -> FoundEvent:
    return FoundEvent(
        position=position,
        event_id=row.event_id,
        event_type=row.event_type,
        version=row.version,
        aggregate_type=row.aggregate_type,
        aggregate_id=row.aggregate_id,
        aggregate_seq=row.aggregate_seq,
        occurred_at=row.occurred_at,
        payload=row.payload,
        changes=row.meta.get("changes") or {},
        actor_id=_uuid(row.meta.get("actorId")),
        organization_id=_uuid(row.meta.get("organizationId")),
        correlation_id=row.correlation_id,
        causation_id=_uuid(row.meta.get("causationId")),
        source_module=row.meta.get("sourceModule"),
        subjects=(),
        metadata=row.meta,
        is_known=False,
    )


def _uuid(value: object) -> UUID | None:
    return UUID(str(value)) if value else None


# What is read ---------------------------------------------------------------------------------------------------------


def _read(
    wanted: EventFilter, viewer: Actor, edge: int | None, *, reads_up: bool, size: int
) -> list[tuple[int, EventRow]]:
    statement, position = _statement(wanted, viewer)
    if edge is not None:
        statement = statement.where(position > edge if reads_up else position < edge)
    statement = statement.order_by(position.asc() if reads_up else position.desc()).limit(size)
    return [(found, row) for found, row in db.session.execute(statement).all()]


def _statement(wanted: EventFilter, viewer: Actor) -> tuple[Select[Any], Any]:
    """Return the statement, and the column of the position in it."""
    subjects = _subjects_wanted(wanted, viewer)
    is_sqlite = db.session.get_bind().dialect.name == "sqlite"
    # On SQLite an event's row number is its position: the view between the two would only confuse its planner.
    position: Any = EventLog.position
    if is_sqlite:
        position = EventSubject.event_id if subjects else EventRow.id
    statement = select(position, EventRow)
    if subjects:
        (kind, subject_id), *others = subjects
        statement = (
            statement.select_from(EventSubject)
            .join(EventRow, EventRow.id == EventSubject.event_id)
            .where(EventSubject.subject_type == kind, EventSubject.subject_id == subject_id)
        )
        for other_kind, other_id in others:
            other = aliased(EventSubject)
            statement = statement.join(
                other,
                and_(other.event_id == EventRow.id, other.subject_type == other_kind, other.subject_id == other_id),
            )
    else:
        statement = statement.select_from(EventRow)
    if not is_sqlite:
        statement = statement.join(EventLog, EventLog.event_id == EventRow.id)
    return statement.where(*_conditions(wanted, viewer, position)), position


def _subjects_wanted(wanted: EventFilter, viewer: Actor) -> list[tuple[int, UUID | None]]:
    """Return the subjects that an event must have to be shown: the one asked for, and who is asking."""
    subjects: list[tuple[int, UUID | None]] = []
    if wanted.subject_type is not None or wanted.subject_id is not None:
        subjects.append((SUBJECT_TYPES.get(wanted.subject_type or "", 0), wanted.subject_id))
    if sees_everything(viewer):
        return subjects
    own_person = (SUBJECT_TYPES["User"], viewer.user_id)
    if own_person in subjects:
        return subjects
    if reads_organization(viewer):
        return [*subjects, (SUBJECT_TYPES["Organization"], viewer.organization_id)]
    return [*subjects, own_person]


def _conditions(wanted: EventFilter, viewer: Actor, position: Any) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.types is not None:
        found.append(EventRow.event_type.in_(names_matching(wanted.types)))
    if not sees_everything(viewer):
        found.append(EventRow.event_type.not_in([name for name, class_ in LATEST.items() if class_.audience == ()]))
    if wanted.aggregate_type is not None:
        found.append(EventRow.aggregate_type == wanted.aggregate_type)
    if wanted.aggregate_id is not None:
        found.append(EventRow.aggregate_id == wanted.aggregate_id)
    if wanted.since is not None:
        found += [EventRow.occurred_at >= wanted.since, EventRow.event_id >= _first_id(wanted.since - _ID_SLACK)]
    if wanted.until is not None:
        found.append(EventRow.occurred_at < wanted.until)
    if wanted.correlation_id is not None:
        found.append(EventRow.correlation_id == wanted.correlation_id)
    if wanted.any_id is not None:
        found.append(EventRow.id.in_(_rows_with(wanted.any_id)))
    if wanted.is_in_trouble and sees_everything(viewer):
        found.append(exists().where(DeferredDelivery.position == position, has_state(DeferredDelivery, *OPEN_STATES)))
    return found


def _first_id(moment: datetime) -> UUID:
    """Return the smallest id that can have been made from this moment on (RFC 9562: it begins with the millisecond).

    An event is never recorded before it happened, so `since` is looked up in the index of ids.
    """
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def _rows_with(any_id: UUID) -> CompoundSelect[Any]:
    """Return the rows that an id leads to, each part by an index of its own."""
    return union(
        select(EventRow.id).where(EventRow.event_id == any_id),
        select(EventRow.id).where(EventRow.correlation_id == any_id),
        select(EventSubject.event_id).where(
            EventSubject.subject_type.in_(sorted(SUBJECT_TYPES.values())), EventSubject.subject_id == any_id
        ),
    )
