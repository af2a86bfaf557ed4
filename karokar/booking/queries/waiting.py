"""What waits for the acting person, and what the search box finds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, union_all
from sqlalchemy.orm import aliased

from karokar.booking import rules
from karokar.booking.models import Booking
from karokar.booking.permissions import (
    BOOKING_ACTIVATE,
    BOOKING_APPROVE,
    BOOKING_ASSIGN,
    BOOKING_COMPLETE,
    BOOKING_READ,
    BOOKING_SUBMIT,
)
from karokar.booking.queries.facts import is_awaited
from karokar.booking.rules import Status, Vacancy
from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope, current_actor
from karokar.kernel.db import db
from karokar.kernel.pages.paging import count_where, count_words
from karokar.kernel.pages.waiting import Deed, Figure, Hit, WaitingItem
from karokar.kernel.permissions import may, permitted, scope_of

_LIMIT = 50


@dataclass(frozen=True)
class _Task:
    """What a person with the permission has to do about the bookings that meet the conditions."""

    permission: str
    kind: str
    title: str
    endpoint: str
    verb: str
    detail: str
    conditions: Sequence[ColumnElement[bool]]
    since: Callable[[Booking], datetime]
    due: Callable[[Booking], datetime]
    deed: Callable[[Booking], Deed | None] = lambda _row: None


def list_waiting_for(actor: Actor) -> list[WaitingItem]:
    """Return the bookings that the actor has to do something about, each with what is to be done."""
    if actor.is_platform:
        return []
    tasks = [task for task in _tasks(actor) if may(task.permission, actor)]
    if not tasks:
        return []
    # One statement, in which each task has an index of its own to go by.
    found = [
        select(Booking.id, literal(number).label("task"))
        .where(permitted(Booking, task.permission, actor), *task.conditions)
        .order_by(Booking.start)
        .limit(_LIMIT)
        .subquery()
        for number, task in enumerate(tasks)
    ]
    wanted = union_all(*(select(part.c.id, part.c.task) for part in found)).subquery()
    statement = select(Booking, wanted.c.task).join(wanted, wanted.c.id == Booking.id).order_by(Booking.start)
    return [_item(booking, tasks[number]) for booking, number in db.session.execute(statement)]


def _tasks(actor: Actor) -> Iterator[_Task]:
    now = clock.now()
    is_promised = Booking.status.in_([Status.APPROVED.value, Status.ASSIGNED.value])
    earlier = aliased(Booking)
    is_kept = and_(
        Booking.delayed_at.is_not(None),
        select(earlier.id)
        .where(
            earlier.vehicle_id == Booking.vehicle_id,
            earlier.id != Booking.id,
            or_(
                earlier.status == Status.ACTIVE.value,
                and_(earlier.awaited_since.is_not(None), earlier.returned_at.is_(None)),
            ),
        )
        .exists(),
    )
    yield _Task(
        BOOKING_APPROVE,
        "Booking request",
        "Answer the request",
        "booking.decide",
        "Decide",
        "Without an answer it is cancelled when its start passes.",
        [Booking.status == Status.REQUESTED.value],
        since=lambda row: row.submitted_at or row.created_at,
        due=lambda row: row.start,
    )
    yield _Task(
        BOOKING_ASSIGN,
        "Assignment",
        "Choose who gets",
        "booking.assign",
        "Choose",
        "The vendor approved; nobody has been assigned yet.",
        [Booking.status == Status.APPROVED.value, Booking.end > now],
        since=lambda row: row.updated_at,
        due=lambda row: row.start,
    )
    if actor.organization_type == "VENDOR":
        yield _Task(
            BOOKING_ACTIVATE,
            "Handover",
            "Hand over",
            "booking.show",
            "Hand over",
            "Its start has passed and the vehicle has not been collected.",
            [is_promised, Booking.start <= now, Booking.end > now, ~is_kept],
            since=lambda row: row.start,
            due=lambda row: row.end,
        )
    yield _Task(
        BOOKING_COMPLETE,
        "Late return",
        "Take back",
        "booking.show",
        "Take back",
        "The booking is over and the vehicle is not back.",
        [Booking.status == Status.ACTIVE.value, Booking.end <= now],
        since=lambda row: row.end,
        due=lambda row: row.end,
    )
    yield _Task(
        BOOKING_COMPLETE,
        "Not returned",
        "Take back",
        "booking.show",
        "Take back",
        "The booking has ended and the vehicle is still to come back.",
        [is_awaited()],
        since=lambda row: row.awaited_since or row.end,
        due=lambda row: row.end,
    )
    yield _Task(
        BOOKING_ACTIVATE if actor.organization_type == "VENDOR" else BOOKING_ASSIGN,
        "Delay",
        "The vehicle is still out:",
        "booking.show",
        "Open",
        "It has not come back from an earlier booking. Call the other side, or take another vehicle.",
        [is_promised, Booking.end > now, is_kept],
        since=lambda row: row.delayed_at or row.start,
        due=lambda row: row.start,
    )
    yield _Task(
        BOOKING_SUBMIT,
        "Draft",
        "Send or discard the draft",
        "booking.show",
        "Open",
        "The vendor sees it only when you send it.",
        [Booking.status == Status.DRAFT.value, Booking.requested_by == actor.user_id],
        since=lambda row: row.created_at,
        due=lambda row: row.start,
        deed=lambda row: Deed(label="Send", icon="send", endpoint="booking.submit", version=row.version),
    )


def _item(booking: Booking, task: _Task) -> WaitingItem:
    return WaitingItem(
        kind=task.kind,
        title=f"{task.title} {booking.reference}",
        since=task.since(booking),
        due=task.due(booking),
        endpoint=task.endpoint,
        values={"booking_id": str(booking.id)},
        verb=task.verb,
        deed=task.deed(booking),
        detail=task.detail,
        subject_id=booking.id,
        about=(("Vehicle", booking.vehicle_id), ("Organization", _other_side(booking))),
        period=(booking.start, booking.end),
    )


def _other_side(booking: Booking) -> UUID:
    mine = current_actor().organization_id
    is_vendor = mine == booking.vendor_organization_id
    return booking.corporate_organization_id if is_vendor else booking.vendor_organization_id


def list_figures_for(actor: Actor) -> list[Figure]:
    """Return how the bookings stand that the actor may see: asked, promised, out and late. Employees have none."""
    if scope_of(BOOKING_READ, actor) in {None, Scope.SELF}:
        return []
    now = clock.now()
    mine = permitted(Booking, BOOKING_READ, actor)
    asked, promised, out = Status.REQUESTED.value, Status.APPROVED.value, Status.ACTIVE.value
    declined, left = Vacancy.DECLINED.value, Vacancy.LEFT.value
    conditions = {state: Booking.is_in(state) for state in (asked, promised, declined, left, out)}
    count = count_where(select(Booking).where(mine), conditions | {"LATE": and_(conditions[out], Booking.end < now)})
    late = count.get("LATE", 0)

    def figure(label: str, status: str, tone: str = "") -> Figure:
        number = count.get(status, 0)
        return Figure(
            label=label,
            value=count_words(number),
            endpoint="booking.index",
            values={"status": status},
            tone=tone if number else "",
        )

    vacant = (("Declined, need a driver", declined), ("Driver left, need another", left))
    return [
        figure("Requests waiting", asked, "wait"),
        figure("Approved, nobody assigned", promised, "wait" if actor.organization_type == "CORPORATE" else ""),
        *(figure(label, state, "bad") for label, state in vacant if count.get(state)),
        figure("Out now", out),
        Figure(label="Late", value=count_words(late), endpoint="booking.today", values={}, tone="bad" if late else ""),
    ]


def search(actor: Actor, text: str) -> list[Hit]:
    """Return the bookings that the actor may see whose reference is, or holds, the text, however it is typed."""
    signs = rules.reference_signs(text)
    if len(signs) < 2:
        return []
    whole = rules.read_reference(text)
    plain = func.replace(Booking.reference, "-", "")
    conditions = [Booking.reference == whole] if whole else [plain.like(f"%{signs}%")]
    statement = (
        select(Booking)
        .where(permitted(Booking, BOOKING_READ, actor), or_(*conditions))
        .order_by(Booking.start.desc())
        .limit(8)
    )
    return [
        Hit(
            kind="Booking",
            title=row.reference,
            endpoint="booking.show",
            values={"booking_id": str(row.id)},
            detail=f"{row.place} · {rules.words_for(row.state)}",
        )
        for row in db.session.scalars(statement)
    ]
