"""What the pages of assignments ask, for the acting person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select

from karokar.assignment.models import Assignment, AssignmentHandover, AssignmentPhoto
from karokar.assignment.permissions import ASSIGNMENT_READ
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.pages.paging import PAGE_SIZE, Page, count_up_to, paginate
from karokar.kernel.permissions import permitted
from karokar.kernel.vehicles.handover import HandoverFacts, handover_facts

SORTS: dict[str, Any] = {
    "start": Assignment.start,
    "end": Assignment.end,
    "created": Assignment.created_at,
    "status": Assignment.status,
}


@dataclass(frozen=True, kw_only=True)
class AssignmentFilter:
    """What a list of assignments is narrowed to; None means everything. `kind` is "direct" or "booking"."""

    status: str | None = None
    employee_id: UUID | None = None
    vehicle_ids: Sequence[UUID] | None = None
    kind: str | None = None
    from_: datetime | None = None
    until: datetime | None = None
    sort: str = "-start"


def get_seen(assignment_id: UUID) -> Assignment:
    """Return an assignment that the acting person may see. Raises NotFound."""
    row = db.session.scalars(
        select(Assignment).where(Assignment.id == assignment_id, permitted(Assignment, ASSIGNMENT_READ))
    ).one_or_none()
    if row is None:
        raise NotFound(Assignment.label)
    return row


def openable() -> dict[str, Select[UUID]]:
    """Return the ids of the things whose page the acting person may open, by kind."""
    return {"assignment": select(Assignment.id).where(permitted(Assignment, ASSIGNMENT_READ))}


def find_handovers(assignment_id: UUID) -> dict[str, HandoverFacts]:
    """Return what was found when a company's own vehicle went OUT and came IN, as far as it has."""
    rows = db.session.scalars(select(AssignmentHandover).where(AssignmentHandover.assignment_id == assignment_id))
    return {row.kind: handover_facts(row) for row in rows}


def list_photos(assignment_id: UUID) -> Sequence[AssignmentPhoto]:
    """Return the pictures of an assignment's handovers, without their bytes, in the order in which they came."""
    statement = select(AssignmentPhoto).where(AssignmentPhoto.assignment_id == assignment_id)
    return db.session.scalars(statement.order_by(AssignmentPhoto.id)).all()


def get_photo(assignment_id: UUID, photo_id: UUID) -> AssignmentPhoto:
    """Return a picture of an assignment that the acting person may see. Raises NotFound."""
    get_seen(assignment_id)
    row = db.session.get(AssignmentPhoto, photo_id)
    if row is None or row.assignment_id != assignment_id:
        raise NotFound("photo")
    return row


def list_assignments(
    wanted: AssignmentFilter, *, cursor: str | None = None, size: int = PAGE_SIZE, counted: bool = True
) -> Page[Assignment]:
    """Return one page of the assignments that the acting person may see, as narrowed."""
    # An open end has no place in an order by end; such rows sort by their start.
    sorts = {**SORTS, "end": func.coalesce(Assignment.end, Assignment.start, type_=Assignment.end.type)}
    return paginate(
        _listed(wanted), sorts=sorts, tie=Assignment.id, sort=wanted.sort, cursor=cursor, size=size, counted=counted
    )


def count_listed(wanted: AssignmentFilter, limit: int) -> int:
    """Return how many assignments `list_assignments` pages through, `limit` + 1 where they are more."""
    return count_up_to(_listed(wanted), limit)


def _listed(wanted: AssignmentFilter) -> Select[Assignment]:
    conditions: list[ColumnElement[bool]] = [permitted(Assignment, ASSIGNMENT_READ)]
    if wanted.status:
        conditions.append(Assignment.status == wanted.status)
    if wanted.employee_id:
        conditions.append(Assignment.employee_id == wanted.employee_id)
    if wanted.vehicle_ids is not None:
        conditions.append(Assignment.vehicle_id.in_(list(wanted.vehicle_ids)))
    if wanted.kind:
        is_direct = Assignment.booking_id.is_(None)
        conditions.append(is_direct if wanted.kind == "direct" else Assignment.booking_id.is_not(None))
    if wanted.from_:
        conditions.append(or_(Assignment.end.is_(None), Assignment.end > wanted.from_))
    if wanted.until:
        conditions.append(Assignment.start < wanted.until)
    return select(Assignment).where(*conditions)
