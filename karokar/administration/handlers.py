"""What the desk makes of other contexts' facts: the rows of which reports are made."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from uuid import UUID, uuid5

from sqlalchemy import select

from karokar.administration.models import DailyFact, ReportedUse, ReportedVehicle
from karokar.events.assignment import AssignmentActivated, AssignmentClosed, AssignmentCompleted
from karokar.events.base import Envelope
from karokar.events.booking import (
    BookingActivated,
    BookingApproved,
    BookingCancelled,
    BookingCompleted,
    BookingRejected,
    BookingRequested,
    BookingTerminated,
)
from karokar.events.fleet import VehicleCreated, VehicleRetired, VehicleUpdated
from karokar.events.handlers import handles
from karokar.kernel.database.rows import insert_missing
from karokar.kernel.db import db

Counted = BookingRequested | BookingApproved | BookingRejected | BookingCancelled
Used = (
    BookingActivated
    | BookingCompleted
    | BookingTerminated
    | AssignmentActivated
    | AssignmentCompleted
    | AssignmentClosed
)
UNANSWERED = "UNANSWERED"


@handles(
    VehicleCreated,
    VehicleUpdated,
    VehicleRetired,
    effect="projection",
    from_start=True,
    keeps=(ReportedVehicle.id,),
    description="Keeps the vehicles that reports speak of.",
)
def know_vehicle(envelope: Envelope[VehicleCreated | VehicleUpdated | VehicleRetired]) -> None:
    """Keep a vehicle's owner, label, category and its time in the fleet."""
    event = envelope.event
    vehicle = db.session.get(ReportedVehicle, event.vehicle_id)
    if vehicle is None:
        if isinstance(event, VehicleRetired):
            return
        vehicle = ReportedVehicle(
            id=event.vehicle_id, organization_id=event.organization_id, since=envelope.occurred_at, last_seq=-1
        )
        db.session.add(vehicle)
    if envelope.aggregate_seq <= vehicle.last_seq:
        return
    vehicle.last_seq = envelope.aggregate_seq
    if isinstance(event, VehicleRetired):
        vehicle.until = envelope.occurred_at
    else:
        vehicle.label = f"{event.make} {event.model} · {event.license_plate}"
        vehicle.category = event.category


@handles(
    BookingRequested,
    BookingApproved,
    BookingRejected,
    BookingCancelled,
    effect="projection",
    from_start=True,
    keeps=(DailyFact.booking_id,),
    description="Counts requests, decisions, rejections and unmet demand.",
)
def count_day(envelope: Envelope[Counted]) -> None:
    """Add what the event counts for, on both sides of the booking; a second time adds nothing."""
    event = envelope.event
    facts = list(_facts(envelope))
    sides = (("VENDOR", event.vendor_organization_id), ("CORPORATE", event.corporate_organization_id))
    rows = [
        {
            "id": uuid5(envelope.event_id, f"{measure}:{side}:{day}"),
            "day": day,
            "measure": measure,
            "side": side,
            "organization_id": organization_id,
            "vehicle_id": event.vehicle_id,
            "booking_id": event.booking_id,
            "reason": reason,
            "seconds": seconds,
            "at": envelope.occurred_at,
        }
        for measure, day, seconds, reason in facts
        for side, organization_id in sides
    ]
    insert_missing(DailyFact, rows)


def _facts(envelope: Envelope[Counted]) -> Iterator[tuple[str, date, int, str]]:
    event, at = envelope.event, envelope.occurred_at
    day = at.astimezone(UTC).date()
    asked_s = int((event.end - event.start).total_seconds())
    if isinstance(event, BookingRequested):
        yield "REQUESTED", day, asked_s, ""
    elif isinstance(event, BookingApproved | BookingRejected):
        requested_at = _when(event.booking_id, "REQUESTED")
        if requested_at is not None:
            yield "DECIDED", day, int((at - requested_at).total_seconds()), ""
        if isinstance(event, BookingRejected):
            yield "REJECTED", day, 0, event.reason
            yield "UNMET", day, asked_s, event.reason
    elif event.reason == UNANSWERED:
        yield "UNMET", day, asked_s, UNANSWERED


def _when(booking_id: UUID, measure: str) -> datetime | None:
    statement = select(DailyFact.at).where(DailyFact.booking_id == booking_id, DailyFact.measure == measure)
    return db.session.scalars(statement.order_by(DailyFact.at.desc()).limit(1)).one_or_none()


@handles(
    BookingActivated,
    BookingCompleted,
    BookingTerminated,
    AssignmentActivated,
    AssignmentCompleted,
    AssignmentClosed,
    effect="projection",
    key="stream",
    from_start=True,
    keeps=(ReportedUse.id,),
    description="Keeps when vehicles were out, by booking or directly assigned, for the hours of use in reports.",
)
def know_use(envelope: Envelope[Used]) -> None:
    """Keep one row per use: made at the handover, ended by the return or whatever ended it otherwise."""
    event = envelope.event
    if isinstance(event, AssignmentActivated | AssignmentCompleted | AssignmentClosed):
        if event.booking_id is not None:
            return  # its booking tells it
        use_id, vendor_id = event.assignment_id, None
    else:
        use_id, vendor_id = event.booking_id, event.vendor_organization_id
    use = db.session.get(ReportedUse, use_id)
    if isinstance(event, BookingActivated | AssignmentActivated):
        if use is None:
            use = ReportedUse(
                id=use_id,
                vehicle_id=event.vehicle_id,
                vendor_organization_id=vendor_id,
                corporate_organization_id=event.corporate_organization_id,
                out_at=event.activated_at,
            )
            db.session.add(use)
    elif use is not None and use.back_at is None:
        use.back_at = event.closed_at if isinstance(event, AssignmentClosed) else event.actual_end
