"""What may be asked about assignments: by other contexts, and by the pages of the acting person."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select, union_all
from sqlalchemy.orm import aliased

from karokar.assignment import rules
from karokar.assignment.models import Assignment, AssignmentSetting
from karokar.assignment.permissions import ASSIGNMENT_ACCEPT, ASSIGNMENT_CLOSE, ASSIGNMENT_CREATE, ASSIGNMENT_READ
from karokar.assignment.rules import Status
from karokar.kernel import clock
from karokar.kernel.actor import Actor
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.paging import PAGE_SIZE, Page, count_up_to, paginate
from karokar.kernel.permissions import may, permitted
from karokar.kernel.waiting import Deed, WaitingItem

_LIVE = [status.value for status in rules.LIVE]


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

    @property
    def reason_label(self) -> str:
        """The reason in words; empty where there is none."""
        return rules.reason_label(self.reason)


def _facts(row: Assignment) -> AssignmentFacts:
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
    )


# --- for other contexts: whoever asks has decided what may be shown ---------------------------------------------------


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
    return _facts(row) if row is not None else None


def count_live(vehicle_id: UUID) -> int:
    """Return how many assignments take up the vehicle: PENDING, ACCEPTED or ACTIVE."""
    statement = select(func.count(Assignment.id)).where(
        Assignment.vehicle_id == vehicle_id, Assignment.status.in_(_LIVE)
    )
    return db.session.scalar(statement) or 0


def of_booking(booking_id: UUID) -> list[AssignmentFacts]:
    """Return all assignments of a booking, the newest round first."""
    statement = select(Assignment).where(Assignment.booking_id == booking_id).order_by(Assignment.round.desc())
    return [_facts(row) for row in db.session.scalars(statement)]


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
            Assignment.status.in_(_LIVE),
            Assignment.start < end,
            or_(Assignment.end.is_(None), Assignment.end > start),
        )
        .order_by(Assignment.start, Assignment.id)
    )
    return [_facts(row) for row in db.session.scalars(statement)]


def overlapping(vehicle_id: UUID, start: datetime, end: datetime | None) -> list[AssignmentFacts]:
    """Return the live direct assignments of the vehicle that overlap `[start, end)`; an open end lasts for ever."""
    statement = select(Assignment).where(
        Assignment.vehicle_id == vehicle_id,
        Assignment.booking_id.is_(None),
        Assignment.status.in_(_LIVE),
        or_(Assignment.end.is_(None), Assignment.end > start),
    )
    if end is not None:
        statement = statement.where(Assignment.start < end)
    return [_facts(row) for row in db.session.scalars(statement.order_by(Assignment.start))]


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
    return [_facts(row) for row in db.session.scalars(statement)]


# --- who may get a vehicle --------------------------------------------------------------------------------------------


def is_licence_required() -> bool:
    """Whether the platform refuses drivers without an approved licence (else it is a warning)."""
    kept = db.session.get(AssignmentSetting, rules.LICENCE_SETTING)
    return kept is not None and kept.value.strip().lower() in {"true", "yes", "on", "1"}


class MemberLike(Protocol):
    """A member of an organization, as identity describes one."""

    @property
    def user_id(self) -> UUID: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def role(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> str: ...  # noqa: D102


class CoverageLike(Protocol):
    """A verification's cover, as verification describes it."""

    @property
    def status(self) -> str: ...  # noqa: D102
    @property
    def expires_at(self) -> datetime | None: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A member who might get a vehicle: `refusal` says why not (empty: they may), `warning` what is odd.

    `busy` are their other assignments in the period, `licence_until` when the approved driving licence ends.
    """

    user_id: UUID
    name: str
    role: str
    refusal: str
    warning: str
    busy: tuple[AssignmentFacts, ...]
    licence_until: datetime | None = None

    @property
    def is_eligible(self) -> bool:
        """Whether nothing stands against it."""
        return not self.refusal


def list_candidates(
    members: Iterable[MemberLike],
    coverages: Mapping[UUID, Mapping[str, CoverageLike]],
    start: datetime,
    end: datetime | None,
    *,
    except_booking_id: UUID | None = None,
    except_assignment_id: UUID | None = None,
) -> list[Candidate]:
    """Judge each member for a vehicle in `[start, end)`: eligible ones first, then by name.

    `coverages` are verification's of the users. What belongs to the booking (or assignment) in question itself does not
    count as an overlap.
    """
    people = list(members)
    requires_licence = is_licence_required()
    busy = _busy([person.user_id for person in people], start, end, except_booking_id, except_assignment_id)
    found = []
    for person in people:
        licence = coverages.get(person.user_id, {}).get("DRIVING_LICENSE")
        holds = licence is not None and licence.status == "APPROVED"
        until = licence.expires_at if licence is not None and holds else None
        judgement = rules.judge(
            is_active=person.status == "ACTIVE",
            is_busy=bool(busy.get(person.user_id)),
            licence_covers=holds and (until is None or until >= (end or start)),
            requires_licence=requires_licence,
        )
        found.append(
            Candidate(
                user_id=person.user_id,
                name=person.name,
                role=person.role,
                refusal=judgement.refusal,
                warning=judgement.warning,
                busy=tuple(busy.get(person.user_id, ())),
                licence_until=until,
            )
        )
    return sorted(found, key=lambda one: (not one.is_eligible, bool(one.warning), one.name.casefold()))


def _busy(
    user_ids: Sequence[UUID],
    start: datetime,
    end: datetime | None,
    except_booking_id: UUID | None,
    except_assignment_id: UUID | None,
) -> dict[UUID, list[AssignmentFacts]]:
    statement = select(Assignment).where(
        Assignment.employee_id.in_(user_ids),
        Assignment.status.in_(_LIVE),
        or_(Assignment.end.is_(None), Assignment.end > start),
    )
    if end is not None:
        statement = statement.where(Assignment.start < end)
    if except_booking_id is not None:
        statement = statement.where(or_(Assignment.booking_id.is_(None), Assignment.booking_id != except_booking_id))
    if except_assignment_id is not None:
        statement = statement.where(Assignment.id != except_assignment_id)
    found: dict[UUID, list[AssignmentFacts]] = {}
    for row in db.session.scalars(statement.order_by(Assignment.start)):
        found.setdefault(row.employee_id, []).append(_facts(row))
    return found


# --- for the acting person --------------------------------------------------------------------------------------------

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


def list_waiting_for(actor: Actor) -> list[WaitingItem]:
    """Return the actor's assignments without an answer; for those who run a company's vehicles, what is stuck."""
    tasks = [task for task in _tasks(actor) if may(task.permission, actor)]
    if not tasks:
        return []
    # One statement, in which each task has an index of its own to go by.
    found = [
        select(Assignment.id, literal(number).label("task"))
        .where(permitted(Assignment, task.permission, actor), *task.conditions)
        .order_by(Assignment.start)
        .limit(200)
        .subquery()
        for number, task in enumerate(tasks)
    ]
    wanted = union_all(*(select(part.c.id, part.c.task) for part in found)).subquery()
    statement = select(Assignment, wanted.c.task).join(wanted, wanted.c.id == Assignment.id)
    rows = db.session.execute(statement.order_by(wanted.c.task, Assignment.start))
    return [tasks[number].item(row) for row, number in rows]


@dataclass(frozen=True)
class _Task:
    """What a person with the permission has to do about the assignments that meet the conditions."""

    permission: str
    conditions: Sequence[ColumnElement[bool]]
    item: Callable[[Assignment], WaitingItem]


def _tasks(actor: Actor) -> Iterator[_Task]:
    now = clock.now()
    is_to_come = or_(Assignment.end.is_(None), Assignment.end > now)
    if actor.user_id is not None:
        yield _Task(ASSIGNMENT_ACCEPT, [Assignment.status == Status.PENDING.value, is_to_come], _to_answer)
    if actor.is_platform:
        return
    later = aliased(Assignment)
    gone = and_(Assignment.status == Status.CLOSED.value, Assignment.reason.not_in(rules.ENDED_WITH_BOOKING))
    if may("booking.assign", actor):
        # Promised vehicles that nobody will collect, because the employee declined or may act no longer.
        replaced = exists().where(later.booking_id == Assignment.booking_id, later.round > Assignment.round)
        is_open = [Assignment.booking_id.is_not(None), or_(Assignment.status == Status.REJECTED.value, gone)]
        yield _Task(ASSIGNMENT_CLOSE, [*is_open, Assignment.end > now, ~replaced], _to_replace)
    # Own vehicles that somebody declined for a time to come, and that nobody was given for it since.
    overlaps = and_(
        or_(Assignment.end.is_(None), later.start < Assignment.end),
        or_(later.end.is_(None), later.end > Assignment.start),
    )
    given_again = exists().where(later.vehicle_id == Assignment.vehicle_id, later.id > Assignment.id, overlaps)
    is_declined = [Assignment.booking_id.is_(None), Assignment.status == Status.REJECTED.value]
    yield _Task(ASSIGNMENT_CREATE, [*is_declined, Assignment.start > now, ~given_again], _to_give_again)
    # Flagged or late ones: somebody who runs the company's vehicles has to act.
    is_late = and_(Assignment.booking_id.is_(None), Assignment.end <= now)
    yield _Task(
        ASSIGNMENT_CLOSE, [Assignment.status == Status.ACTIVE.value, or_(is_late, Assignment.flag != "")], _to_fetch
    )


def _to_answer(row: Assignment) -> WaitingItem:
    return WaitingItem(
        kind="Assignment",
        title="Accept or decline a vehicle",
        since=row.created_at,
        due=row.start,
        endpoint="assignment.show",
        values={"assignment_id": str(row.id)},
        deed=Deed(label="Accept", icon="check", endpoint="assignment.accept", version=row.version),
        detail="Your company wants you to have it.",
        subject_id=row.id,
        about=(("Vehicle", row.vehicle_id),),
        period=(row.start, row.end),
    )


def _to_replace(row: Assignment) -> WaitingItem:
    return WaitingItem(
        kind="Assignment",
        title="Choose somebody else",
        since=row.answered_at or row.updated_at,
        due=row.start,
        endpoint="booking.assign",
        values={"booking_id": str(row.booking_id)},
        verb="Choose",
        detail=_why_to_replace(row),
        subject_id=row.booking_id,
        about=(("Vehicle", row.vehicle_id), ("User", row.employee_id)),
        period=(row.start, row.end),
        # Only booking knows whether the vehicle is promised still.
        holds_if=("booking", "which_are_assigned"),
    )


def _to_give_again(row: Assignment) -> WaitingItem:
    return WaitingItem(
        kind="Assignment",
        title="Choose somebody else",
        since=row.answered_at or row.updated_at,
        due=row.start,
        endpoint="assignment.new",
        values={
            "vehicle_id": str(row.vehicle_id),
            "start": row.start.isoformat(),
            **({"end": row.end.isoformat()} if row.end else {}),
        },
        verb="Choose",
        detail=_why_to_replace(row),
        subject_id=row.id,
        about=(("Vehicle", row.vehicle_id), ("User", row.employee_id)),
        period=(row.start, row.end),
    )


def _why_to_replace(row: Assignment) -> str:
    if row.status == Status.REJECTED.value:
        return f"Declined: “{row.reason}”" if row.reason else "Declined."
    return f"{rules.reason_label(row.reason)}."


def _to_fetch(row: Assignment) -> WaitingItem:
    return WaitingItem(
        kind="Fetch vehicle" if row.flag else "Late return",
        title="Fetch a vehicle" if row.flag else "Take a vehicle back",
        since=row.end or row.updated_at,
        due=row.end,
        endpoint="assignment.show",
        values={"assignment_id": str(row.id)},
        detail=rules.reason_label(row.flag) if row.flag else "Its time is over and it is not back.",
        subject_id=row.id,
        about=(("Vehicle", row.vehicle_id), ("User", row.employee_id)),
        period=(row.start, row.end),
    )
