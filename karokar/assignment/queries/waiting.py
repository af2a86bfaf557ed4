"""What waits for somebody on home: answers, vehicles without a driver, vehicles to fetch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, literal, or_, select, union_all
from sqlalchemy.orm import aliased

from karokar.assignment import rules
from karokar.assignment.models import Assignment
from karokar.assignment.permissions import ASSIGNMENT_ACCEPT, ASSIGNMENT_CLOSE, ASSIGNMENT_CREATE, ASSIGNMENT_READ
from karokar.assignment.queries.facts import count_own_out
from karokar.assignment.rules import Status
from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.db import db
from karokar.kernel.pages.waiting import Deed, Figure, Holds, WaitingItem
from karokar.kernel.permissions import may, permitted, scope_of


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


def list_figures_for(actor: Actor) -> list[Figure]:
    """Return how many of the company's own vehicles are out, for those who run them; a company without any has none."""
    if actor.organization_id is None or scope_of(ASSIGNMENT_READ, actor) is not Scope.OWN:
        return []
    out = count_own_out(actor.organization_id)
    values = {"status": Status.ACTIVE.value, "kind": "direct"}
    return (
        [Figure(label="Own vehicles out", value=f"{out:,}", endpoint="assignment.index", values=values)] if out else []
    )


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
        # Only booking knows whether it still needs a driver.
        holds_if=Holds.BOOKING_IS_VACANT,
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
        return f"Declined: “{row.note}”" if row.note else "Declined."
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
