"""How the story of one entity is read: which of its events, for whom, in which steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Select, Text, and_, cast, exists, func, or_, select
from sqlalchemy.orm import aliased

from karokar.events.base import SUBJECT_TYPES
from karokar.events.contracts.visibility import reads_organization, sees_everything
from karokar.kernel.actor import Actor
from karokar.kernel.db import db
from karokar.kernel.text.normalization import search_key
from karokar.outbox.models import OPEN_STATES, DeferredDelivery, EventLog, EventRow, EventSubject, has_state
from karokar.outbox.positions import newest_position

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


@dataclass(frozen=True)
class TimelineQuery:
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

    def numbers_below(self, edge: int | None, size: int, need: int) -> tuple[list[int], int | None, int]:
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


def timeline_query_of(subject_type: str, subject_id: UUID, viewer: Actor, wanted: TimelineFilter) -> TimelineQuery:
    """Return how the story of an entity is read for this viewer."""
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
    return TimelineQuery(subject, asking, statement.where(*_conditions(viewer, wanted, position)), position)


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
        found.append(exists().where(DeferredDelivery.position == position, has_state(DeferredDelivery, *OPEN_STATES)))
    if wanted.text:
        found.append(_matches(wanted.text, viewer))
    return found


def _matches(text: str, viewer: Actor) -> ColumnElement[bool]:
    """Return the condition of events that an id, or a part of an id or reference, leads to."""
    text = search_key(text)
    bare = text.replace("-", "")
    reference = EventRow.payload["reference"].as_string()
    options: list[ColumnElement[bool]] = [
        func.lower(EventRow.event_type).contains(text, autoescape=True),
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
