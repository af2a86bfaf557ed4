"""What waits for the acting person, and what the search box finds."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select

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
from karokar.booking.rules import WORDS, Status
from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope, current_actor
from karokar.kernel.db import db
from karokar.kernel.paging import count_each, count_words
from karokar.kernel.permissions import may, permitted, scope_of
from karokar.kernel.waiting import Figure, Hit, WaitingItem

_LIMIT = 50


def list_waiting_for(actor: Actor) -> list[WaitingItem]:
    """Return the bookings that the actor has to do something about, each with what is to be done."""
    return [*_requests(actor), *_unassigned(actor), *_handovers(actor), *_late(actor), *_drafts(actor)]


def _found(actor: Actor, permission: str, *conditions: ColumnElement[bool]) -> Iterator[Booking]:
    if actor.is_platform or not may(permission, actor):
        return iter(())
    statement = (
        select(Booking).where(permitted(Booking, permission, actor), *conditions).order_by(Booking.start).limit(_LIMIT)
    )
    return iter(db.session.scalars(statement))


def _item(booking: Booking, kind: str, title: str, endpoint: str, **more: object) -> WaitingItem:
    return WaitingItem(
        kind=kind,
        title=f"{title} {booking.reference}",
        endpoint=endpoint,
        values={"booking_id": str(booking.id)},
        subject_id=booking.id,
        about=(("Vehicle", booking.vehicle_id), ("Organization", _other_side(booking))),
        period=(booking.start, booking.end),
        **more,  # type: ignore[arg-type] # since, due and detail
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
    asked, promised, out = (Status.REQUESTED.value, Status.APPROVED.value, Status.ACTIVE.value)
    count = count_each(select(Booking).where(mine), Booking.status, [asked, promised, out])
    late = count_each(select(Booking).where(mine, Booking.end < now), Booking.status, [out]).get(out, 0)

    def figure(label: str, status: str, tone: str = "") -> Figure:
        number = count.get(status, 0)
        return Figure(
            label=label,
            value=count_words(number),
            endpoint="booking.index",
            values={"status": status},
            tone=tone if number else "",
        )

    return [
        figure("Requests waiting", asked, "wait"),
        figure("Approved, nobody assigned", promised, "wait" if actor.organization_type == "CORPORATE" else ""),
        figure("Out now", out),
        Figure(label="Late", value=count_words(late), endpoint="booking.today", values={}, tone="bad" if late else ""),
    ]


def _requests(actor: Actor) -> list[WaitingItem]:
    return [
        _item(
            row,
            "Booking request",
            "Answer the request",
            "booking.decide",
            since=row.submitted_at or row.created_at,
            due=row.start,
            detail="Without an answer it is cancelled when its start passes.",
        )
        for row in _found(actor, BOOKING_APPROVE, Booking.status == Status.REQUESTED.value)
    ]


def _unassigned(actor: Actor) -> list[WaitingItem]:
    return [
        _item(
            row,
            "Assignment",
            "Choose who gets",
            "booking.assign",
            since=row.updated_at,
            due=row.start,
            detail="The vendor approved; nobody has been assigned yet.",
        )
        for row in _found(actor, BOOKING_ASSIGN, Booking.status == Status.APPROVED.value, Booking.end > clock.now())
    ]


def _handovers(actor: Actor) -> list[WaitingItem]:
    if actor.organization_type != "VENDOR":
        return []
    return [
        _item(
            row,
            "Handover",
            "Hand over",
            "booking.show",
            since=row.start,
            due=row.end,
            detail="Its start has passed and the vehicle has not been collected.",
        )
        for row in _found(
            actor,
            BOOKING_ACTIVATE,
            Booking.status.in_([Status.APPROVED.value, Status.ASSIGNED.value]),
            Booking.start <= clock.now(),
            Booking.end > clock.now(),
        )
    ]


def _late(actor: Actor) -> list[WaitingItem]:
    return [
        _item(
            row,
            "Late return",
            "Take back",
            "booking.show",
            since=row.end,
            due=row.end,
            detail="The booking is over and the vehicle is not back.",
        )
        for row in _found(actor, BOOKING_COMPLETE, Booking.status == Status.ACTIVE.value, Booking.end <= clock.now())
    ]


def _drafts(actor: Actor) -> list[WaitingItem]:
    return [
        _item(
            row,
            "Draft",
            "Send or discard the draft",
            "booking.show",
            since=row.created_at,
            due=row.start,
            detail="The vendor sees it only when you send it.",
        )
        for row in _found(
            actor,
            BOOKING_SUBMIT,
            Booking.status == Status.DRAFT.value,
            Booking.requested_by == actor.user_id,
        )
    ]


def search(actor: Actor, text: str) -> list[Hit]:
    """Return the bookings that the actor may see whose reference is, or holds, the text, however it is typed."""
    signs = "".join(sign for sign in text.upper() if sign.isalnum())
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
            detail=f"{row.place} · {WORDS[Status(row.status)]}",
        )
        for row in db.session.scalars(statement)
    ]
