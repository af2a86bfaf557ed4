"""What waits for those who run a fleet, and what the search box finds."""

from sqlalchemy import and_, or_, select

from karokar.fleet.models import MaintenanceWindow, Vehicle
from karokar.fleet.permissions import MAINTENANCE_START, VEHICLE_READ
from karokar.fleet.queries.lists import narrowed
from karokar.fleet.rules import (
    WINDOW_KINDS,
    VehicleStatus,
    WindowStatus,
)
from karokar.kernel import clock
from karokar.kernel.actor import Actor
from karokar.kernel.db import db
from karokar.kernel.permissions import may, permitted
from karokar.kernel.waiting import Deed, Hit, WaitingItem


def list_waiting_for(actor: Actor) -> list[WaitingItem]:
    """Return the maintenance that should have begun or ended by now, for those who run the fleet."""
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
