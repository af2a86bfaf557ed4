"""What the desk makes of other contexts' facts: the rows of which reports are made."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from karokar.administration.models import DailyFact, ReportedVehicle
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
from karokar.kernel.db import db
from karokar.outbox.registry import handles

Counted = (
    BookingRequested
    | BookingApproved
    | BookingRejected
    | BookingActivated
    | BookingCompleted
    | BookingTerminated
    | BookingCancelled
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
    BookingActivated,
    BookingCompleted,
    BookingTerminated,
    BookingCancelled,
    effect="projection",
    from_start=True,
    keeps=(DailyFact.booking_id,),
    description="Counts requests, decisions, rejections, unmet demand and hours of use, per day.",
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
            "at": event.activated_at if isinstance(event, BookingActivated) else envelope.occurred_at,
        }
        for measure, day, seconds, reason in facts
        for side, organization_id in sides
    ]
    if rows:
        dialect = postgresql if db.session.get_bind().dialect.name == "postgresql" else sqlite
        db.session.execute(dialect.insert(DailyFact).values(rows).on_conflict_do_nothing(index_elements=["id"]))


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
    elif isinstance(event, BookingCancelled):
        if event.reason == UNANSWERED:
            yield "UNMET", day, asked_s, UNANSWERED
    elif isinstance(event, BookingActivated):
        yield "HANDED_OVER", day, 0, ""
    else:
        out_at = _when(event.booking_id, "HANDED_OVER")
        if out_at is not None:
            for used_on, seconds in split_by_day(out_at, event.actual_end):
                yield "USED", used_on, seconds, ""


def _when(booking_id: UUID, measure: str) -> datetime | None:
    statement = select(DailyFact.at).where(DailyFact.booking_id == booking_id, DailyFact.measure == measure)
    return db.session.scalars(statement.order_by(DailyFact.at.desc()).limit(1)).one_or_none()


def split_by_day(start: datetime, end: datetime) -> Iterator[tuple[date, int]]:
    """Yield each day (UTC) of the period with its seconds; nothing for an empty period."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    while start < end:
        midnight = datetime(start.year, start.month, start.day, tzinfo=UTC) + timedelta(days=1)
        stop = min(end, midnight)
        yield start.date(), int((stop - start).total_seconds())
        start = stop
