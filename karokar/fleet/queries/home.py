"""What waits for those who run a fleet, and what the search box finds."""

from sqlalchemy import and_, case, func, or_, select

from karokar.fleet.models import MaintenanceWindow, Vehicle
from karokar.fleet.permissions import MAINTENANCE_START, VEHICLE_CREATE, VEHICLE_READ
from karokar.fleet.queries.lists import narrowed
from karokar.fleet.rules import (
    WINDOW_KINDS,
    VehicleStatus,
    WindowStatus,
)
from karokar.kernel import clock
from karokar.kernel.actor import Actor
from karokar.kernel.db import db
from karokar.kernel.pages.waiting import Deed, Hit, WaitingItem
from karokar.kernel.permissions import may, permitted


def list_waiting_for(actor: Actor) -> list[WaitingItem]:
    """Return the maintenance that should have begun or ended by now, and which vehicles are still to be registered or
    put on the road, for those who run the fleet.
    """
    return [*_late_maintenance(actor), *_not_on_the_road(actor)]


def _not_on_the_road(actor: Actor) -> list[WaitingItem]:
    """A vendor without vehicles has nothing to rent out; a registered one waits for its documents and activation."""
    if actor.organization_type != "VENDOR" or actor.organization_status != "ACTIVE" or not may(VEHICLE_CREATE, actor):
        return []
    is_pending = Vehicle.status == VehicleStatus.PENDING.value
    total, count, oldest = db.session.execute(
        select(
            func.count(),
            func.count(case((is_pending, 1))),
            func.min(case((is_pending, Vehicle.created_at))),
        ).where(Vehicle.organization_id == actor.organization_id)
    ).one()
    if not total:
        return [
            WaitingItem(
                kind="Vehicle",
                title="Register the first vehicle",
                since=clock.now(),
                endpoint="fleet.new",
                values={},
                verb="Register",
                detail="One by one, or a whole fleet from a CSV file on the page of vehicles.",
            )
        ]
    if not count:
        return []
    return [
        WaitingItem(
            kind="Vehicle",
            title="One vehicle is not on the road yet" if count == 1 else f"{count:,} vehicles are not on the road yet",
            since=oldest,
            endpoint="fleet.index",
            values={"status": VehicleStatus.PENDING.value},
            verb="See which",
            detail="Hand in what is missing of its documents, then put it on the road."
            if count == 1
            else "Hand in what is missing of their documents, then put them on the road.",
        )
    ]


def _late_maintenance(actor: Actor) -> list[WaitingItem]:
    if actor.organization_id is None or not may("maintenance.complete", actor):
        return []
    now = clock.now()
    late = or_(
        and_(MaintenanceWindow.status == WindowStatus.IN_PROGRESS.value, MaintenanceWindow.end <= now),
        and_(MaintenanceWindow.status == WindowStatus.SCHEDULED.value, MaintenanceWindow.start <= now),
    )
    statement = (
        select(MaintenanceWindow, Vehicle)
        .join(Vehicle, Vehicle.id == MaintenanceWindow.vehicle_id)
        .where(MaintenanceWindow.organization_id == actor.organization_id, late)
        .order_by(MaintenanceWindow.start)
        .limit(50)
    )
    return [
        WaitingItem(
            kind="Maintenance",
            title=f"{'Finish' if window.status == WindowStatus.IN_PROGRESS else 'Start'} "
            f"{WINDOW_KINDS[window.kind].lower()} of {vehicle.name}",
            since=window.end if window.status == WindowStatus.IN_PROGRESS else window.start,
            due=window.end,
            endpoint="fleet.window",
            values={"window_id": str(window.id)},
            deed=Deed(label="Start", icon="player-play", endpoint="fleet.start", version=window.version)
            if window.status == WindowStatus.SCHEDULED and may(MAINTENANCE_START, actor)
            else None,
            detail="The planned end has passed: complete it, or plan a later end."
            if window.end <= now
            else "The planned start has passed: start it, move it or cancel it.",
            subject_id=window.id,
        )
        for window, vehicle in db.session.execute(statement)
    ]


def search(actor: Actor, text: str) -> list[Hit]:
    """Return the vehicles that the actor may see whose make, model or plate holds every word of the text."""
    statement = (
        select(Vehicle)
        .where(permitted(Vehicle, VEHICLE_READ, actor), *narrowed(text, "", "", None))
        .order_by((Vehicle.status == VehicleStatus.RETIRED.value), Vehicle.plate_key)
        .limit(8)
    )
    return [
        Hit(
            kind="Vehicle",
            title=row.name,
            endpoint="fleet.show",
            values={"vehicle_id": str(row.id)},
            detail=f"{row.city} · {row.status.lower()}",
        )
        for row in db.session.scalars(statement)
    ]
