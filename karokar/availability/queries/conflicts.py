"""Where vehicles' calendars overlap, for those who decide about it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Double, Select, and_, case, cast, extract, or_, select

from karokar.availability.models import AvailabilityConflict
from karokar.availability.permissions import CONFLICT_READ, CONFLICT_RESOLVE
from karokar.availability.rules import ConflictStatus, can_go_ahead
from karokar.kernel.actor import Actor
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.pages.paging import Page, count_each, count_up_to, count_words, paginate
from karokar.kernel.pages.waiting import Figure, WaitingItem
from karokar.kernel.permissions import may, permitted, scope_of
from karokar.kernel.text.codes import in_words


@dataclass(frozen=True, kw_only=True)
class ConflictFacts:
    """Two blocks of a vehicle that overlap, and what became of it."""

    id: UUID
    vehicle_id: UUID
    organization_id: UUID
    corporate_organization_id: UUID | None
    other_corporate_organization_id: UUID | None
    first_source_type: str
    first_source_id: UUID
    second_source_type: str
    second_source_id: UUID
    start: datetime
    end: datetime | None
    status: str
    resolution: str
    note: str
    detected_at: datetime
    resolved_at: datetime | None
    resolved_by: UUID | None
    version: int

    @property
    def resolution_label(self) -> str:
        """How it ended, in words."""
        return in_words("AvailabilityConflict", "resolution", self.resolution) or ""

    @property
    def sources(self) -> tuple[tuple[str, UUID], tuple[str, UUID]]:
        """What takes the vehicle's time twice."""
        return (
            (self.first_source_type, self.first_source_id),
            (self.second_source_type, self.second_source_id),
        )


def _conflict_facts(row: AvailabilityConflict) -> ConflictFacts:
    names = ConflictFacts.__dataclass_fields__
    return ConflictFacts(**{name: getattr(row, name) for name in names})


def open_conflicts(
    *,
    vehicle_ids: Collection[UUID] | None = None,
    source_id: UUID | None = None,
    at: datetime | None = None,
    limit: int = 200,
) -> list[ConflictFacts]:
    """Return the open conflicts that the acting person may see, of some vehicles or of one source, by start.

    With `at`: those that were open then.
    """
    is_open = AvailabilityConflict.status == ConflictStatus.OPEN.value
    if at is not None:
        was_open = or_(AvailabilityConflict.resolved_at.is_(None), AvailabilityConflict.resolved_at > at)
        is_open = and_(AvailabilityConflict.detected_at <= at, was_open)
    statement = select(AvailabilityConflict).where(permitted(AvailabilityConflict, CONFLICT_READ), is_open)
    if vehicle_ids is not None:
        statement = statement.where(AvailabilityConflict.vehicle_id.in_(list(vehicle_ids)))
    if source_id is not None:
        statement = statement.where(
            or_(AvailabilityConflict.first_source_id == source_id, AvailabilityConflict.second_source_id == source_id)
        )
    statement = statement.order_by(AvailabilityConflict.start, AvailabilityConflict.id).limit(limit)
    return [_conflict_facts(row) for row in db.session.scalars(statement)]


SORTS = {
    "open": cast(extract("epoch", AvailabilityConflict.detected_at), Double)
    + case((AvailabilityConflict.status == ConflictStatus.OPEN.value, cast(100_000_000_000, Double)), else_=0.0),
    "found": AvailabilityConflict.detected_at,
    "start": AvailabilityConflict.start,
}
"""What the list of conflicts can be sorted by; "-open": open ones first, then the newest."""


def list_conflicts(
    *,
    status: str | None = None,
    vehicle_id: UUID | None = None,
    sort: str = "-open",
    cursor: str | None = None,
    size: int = 50,
    counted: bool = True,
) -> Page[ConflictFacts]:
    """Return one page of the conflicts that the acting person may see."""
    statement = _listed(status, vehicle_id)
    page = paginate(
        statement, sorts=SORTS, tie=AvailabilityConflict.id, sort=sort, cursor=cursor, size=size, counted=counted
    )
    return page.map(_conflict_facts)


def count_conflicts(*, status: str | None = None, vehicle_id: UUID | None = None, limit: int) -> int:
    """Return how many conflicts `list_conflicts` pages through, `limit` + 1 where they are more."""
    return count_up_to(_listed(status, vehicle_id), limit)


def _listed(status: str | None, vehicle_id: UUID | None) -> Select[AvailabilityConflict]:
    statement = select(AvailabilityConflict).where(permitted(AvailabilityConflict, CONFLICT_READ))
    if status:
        statement = statement.where(AvailabilityConflict.status == status)
    if vehicle_id is not None:
        statement = statement.where(AvailabilityConflict.vehicle_id == vehicle_id)
    return statement


def found_together(conflict_id: UUID, *, ended: bool = False) -> list[ConflictFacts]:
    """Return the conflicts that one change of a vehicle's calendar brought about with this one, or (`ended`) ended with
    it, whoever may see them. It begins the list.
    """
    one = db.session.get(AvailabilityConflict, conflict_id)
    if one is None:
        return []
    is_same = AvailabilityConflict.detected_at == one.detected_at
    if ended:
        is_same = AvailabilityConflict.resolved_at == one.resolved_at
    statement = (
        select(AvailabilityConflict)
        .where(AvailabilityConflict.vehicle_id == one.vehicle_id, is_same)
        .order_by(AvailabilityConflict.id != conflict_id, AvailabilityConflict.start)
    )
    return [_conflict_facts(row) for row in db.session.scalars(statement)]


def get_conflict(conflict_id: UUID) -> ConflictFacts:
    """Return a conflict that the acting person may see. Raises NotFound."""
    row = db.session.scalars(
        select(AvailabilityConflict).where(
            AvailabilityConflict.id == conflict_id, permitted(AvailabilityConflict, CONFLICT_READ)
        )
    ).one_or_none()
    if row is None:
        raise NotFound(AvailabilityConflict.label)
    return _conflict_facts(row)


def openable() -> dict[str, Select[UUID]]:
    """Return the ids of the things whose page the acting person may open, by kind."""
    return {
        "availabilityconflict": select(AvailabilityConflict.id).where(permitted(AvailabilityConflict, CONFLICT_READ))
    }


def _way_out(row: AvailabilityConflict, actor: Actor) -> str:
    """Return what the acting side can do about a conflict, in one sentence."""
    sources = {row.first_source_type, row.second_source_type}
    ways = []
    if row.organization_id == actor.organization_id:
        ways += ["put the vehicle back on the road"] if "Vehicle" in sources else []
        ways += ["move the maintenance"] if "MaintenanceWindow" in sources else []
    ways += ["cancel the booking or take another vehicle for it"] if "Booking" in sources else []
    ways += ["close the assignment"] if "Assignment" in sources else []
    if can_go_ahead(sources):
        ways.append("say that it goes ahead anyway")
    listed = " or ".join(filter(None, (", ".join(ways[:-1]), ways[-1])))
    return f"{listed[:1].upper()}{listed[1:]}."


def list_waiting_for(actor: Actor) -> list[WaitingItem]:
    """Return the open conflicts for those who may decide about them."""
    if actor.organization_id is None or not may(CONFLICT_RESOLVE, actor):
        return []
    statement = (
        select(AvailabilityConflict)
        .where(
            permitted(AvailabilityConflict, CONFLICT_RESOLVE, actor),
            AvailabilityConflict.status == ConflictStatus.OPEN.value,
        )
        .order_by(AvailabilityConflict.start)
        .limit(50)
    )
    return [
        WaitingItem(
            kind="Conflict",
            title=f"{SOURCE_NAMES[row.first_source_type]} and {SOURCE_NAMES[row.second_source_type].lower()} overlap",
            since=row.detected_at,
            due=row.start,
            endpoint="availability.conflict",
            values={"conflict_id": str(row.id)},
            verb="Resolve",
            detail=_way_out(row, actor),
            subject_id=row.id,
            about=(("Vehicle", row.vehicle_id),),
            period=(row.start, row.end),
        )
        for row in db.session.scalars(statement)
    ]


def list_figures_for(actor: Actor) -> list[Figure]:
    """Return how many conflicts are open, for those who may see any."""
    if scope_of(CONFLICT_READ, actor) is None:
        return []
    statement = select(AvailabilityConflict).where(permitted(AvailabilityConflict, CONFLICT_READ, actor))
    count = count_each(statement, AvailabilityConflict.status, [ConflictStatus.OPEN.value])
    number = count.get(ConflictStatus.OPEN.value, 0)
    return [
        Figure(
            label="Conflicts",
            value=count_words(number),
            endpoint="availability.conflicts",
            values={"status": ConflictStatus.OPEN.value},
            tone="bad" if number else "",
        )
    ]


SOURCE_NAMES = {
    "Booking": "A booking",
    "Assignment": "An assignment",
    "MaintenanceWindow": "Maintenance",
    "Vehicle": "A suspension",
}
"""What people call the things that take a vehicle's time."""
