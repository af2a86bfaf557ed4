"""Assignments as others know them: whoever asks has decided what may be shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from karokar.assignment import rules
from karokar.assignment.models import Assignment
from karokar.assignment.rules import Status
from karokar.kernel.db import db

LIVE = [status.value for status in rules.LIVE]


@dataclass(frozen=True, kw_only=True)
class AssignmentFacts:
    """An assignment as others know it; `end` is None for an open one."""

    id: UUID
    booking_id: UUID | None
    vehicle_id: UUID
    employee_id: UUID
    corporate_organization_id: UUID
    status: str
    start: datetime
    end: datetime | None
    round: int
    answered_at: datetime | None = None
    activated_at: datetime | None = None
    actual_end: datetime | None = None
    reason: str = ""
    note: str = ""

    @property
    def reason_label(self) -> str:
        """Why it was declined or closed, in words; empty where nobody said."""
        return self.note or rules.reason_label(self.reason)


def facts(row: Assignment) -> AssignmentFacts:
    """Return an assignment as others know it."""
    return AssignmentFacts(
        id=row.id,
        booking_id=row.booking_id,
        vehicle_id=row.vehicle_id,
        employee_id=row.employee_id,
        corporate_organization_id=row.corporate_organization_id,
        status=row.status,
        start=row.start,
        end=row.end,
        round=row.round,
        answered_at=row.answered_at,
        activated_at=row.activated_at,
        actual_end=row.actual_end,
        reason=row.reason,
        note=row.note,
    )


def find_accepted(booking_id: UUID, round: int) -> AssignmentFacts | None:  # noqa: A002 - the domain's word
    """Return the booking's ACCEPTED assignment of this round, held so that it stays so; None where there is none."""
    row = db.session.scalars(
        select(Assignment)
        .where(
            Assignment.booking_id == booking_id,
            Assignment.round == round,
            Assignment.status == Status.ACCEPTED.value,
        )
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    return facts(row) if row is not None else None


def count_direct(vehicle_id: UUID) -> int:
    """Return how many assignments without a booking take up the vehicle: PENDING, ACCEPTED or ACTIVE."""
    statement = select(func.count(Assignment.id)).where(
        Assignment.vehicle_id == vehicle_id, Assignment.booking_id.is_(None), Assignment.status.in_(LIVE)
    )
    return db.session.scalar(statement) or 0


def of_booking(booking_id: UUID) -> list[AssignmentFacts]:
    """Return all assignments of a booking, the newest round first."""
    statement = select(Assignment).where(Assignment.booking_id == booking_id).order_by(Assignment.round.desc())
    return [facts(row) for row in db.session.scalars(statement)]


def get_round(assignment_id: UUID) -> int | None:
    """Return the round of its booking that an assignment belongs to; None for an unknown assignment."""
    return db.session.scalar(select(Assignment.round).where(Assignment.id == assignment_id))


def answers_of(rounds: Mapping[UUID, int]) -> dict[UUID, str]:
    """Return how the assignment of each booking's given round stands; without those that have none yet."""
    statement = select(Assignment.booking_id, Assignment.round, Assignment.status).where(
        Assignment.booking_id.in_(list(rounds))
    )
    return {row.booking_id: row.status for row in db.session.execute(statement) if rounds[row.booking_id] == row.round}


def live_in_period(vehicle_ids: Iterable[UUID], start: datetime, end: datetime) -> list[AssignmentFacts]:
    """Return the live assignments of these vehicles that overlap `[start, end)`, by start."""
    statement = (
        select(Assignment)
        .where(
            Assignment.vehicle_id.in_(list(vehicle_ids)),
            Assignment.status.in_(LIVE),
            Assignment.start < end,
            or_(Assignment.end.is_(None), Assignment.end > start),
        )
        .order_by(Assignment.start, Assignment.id)
    )
    return [facts(row) for row in db.session.scalars(statement)]


@dataclass(frozen=True, kw_only=True)
class OwnToday:
    """What a day brings for a company's own vehicles; `out_now` counts those that somebody has."""

    going_out: Sequence[AssignmentFacts] = ()
    coming_back: Sequence[AssignmentFacts] = ()
    late: Sequence[AssignmentFacts] = ()
    out_now: int = 0


def own_today(organization_id: UUID, now: datetime, day_end: datetime) -> OwnToday:
    """Return what is due for a company's own vehicles until the end of the day, handovers that are late too."""
    mine = and_(Assignment.corporate_organization_id == organization_id, Assignment.booking_id.is_(None))
    is_out = Assignment.status == Status.ACTIVE.value
    to_come = Assignment.status.in_([Status.PENDING.value, Status.ACCEPTED.value])
    lasts = or_(Assignment.end.is_(None), Assignment.end > now)

    def found(*conditions: ColumnElement[bool], by: Any = Assignment.start) -> list[AssignmentFacts]:
        statement = select(Assignment).where(mine, *conditions).order_by(by, Assignment.id).limit(200)
        return [facts(row) for row in db.session.scalars(statement)]

    return OwnToday(
        going_out=found(to_come, Assignment.start < day_end, lasts),
        coming_back=found(is_out, Assignment.end >= now, Assignment.end < day_end, by=Assignment.end),
        late=found(is_out, Assignment.end < now, by=Assignment.end),
        out_now=count_own_out(organization_id),
    )


def count_own_out(organization_id: UUID) -> int:
    """Return how many of a company's own vehicles somebody has now."""
    statement = select(func.count(Assignment.id)).where(
        Assignment.corporate_organization_id == organization_id,
        Assignment.booking_id.is_(None),
        Assignment.status == Status.ACTIVE.value,
    )
    return db.session.scalar(statement) or 0


def overlapping(vehicle_id: UUID, start: datetime, end: datetime | None) -> list[AssignmentFacts]:
    """Return the live direct assignments of the vehicle that overlap `[start, end)`; an open end lasts for ever."""
    statement = select(Assignment).where(
        Assignment.vehicle_id == vehicle_id,
        Assignment.booking_id.is_(None),
        Assignment.status.in_(LIVE),
        or_(Assignment.end.is_(None), Assignment.end > start),
    )
    if end is not None:
        statement = statement.where(Assignment.start < end)
    return [facts(row) for row in db.session.scalars(statement.order_by(Assignment.start))]


def who_had(vehicle_id: UUID, at: datetime, until: datetime | None = None) -> list[AssignmentFacts]:
    """Return who had the vehicle at that moment, or at some time in `[at, until)`: from its handover until its return
    (or still), the latest first.
    """
    statement = (
        select(Assignment)
        .where(
            Assignment.vehicle_id == vehicle_id,
            Assignment.activated_at < until if until else Assignment.activated_at <= at,
            or_(Assignment.actual_end.is_(None), Assignment.actual_end > at),
        )
        .order_by(Assignment.activated_at.desc())
    )
    return [facts(row) for row in db.session.scalars(statement)]
