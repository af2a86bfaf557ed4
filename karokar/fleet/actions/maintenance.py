"""Planning, moving, starting and ending maintenance. Each begins with the vehicle's calendar locked."""

from datetime import datetime
from uuid import UUID

from karokar.events.bus import publish
from karokar.fleet import queries
from karokar.fleet.models import MaintenanceWindow, Vehicle
from karokar.fleet.permissions import MAINTENANCE_COMPLETE, MAINTENANCE_SCHEDULE, MAINTENANCE_START
from karokar.kernel import clock
from karokar.kernel.db import action, db
from karokar.kernel.permissions import load


@action
def schedule_maintenance(vehicle_id: UUID, *, kind: str, start: datetime, end: datetime, description: str = "") -> UUID:
    """Plan maintenance and return the window's id. Bookings in the period stay: the calendar shows the conflict.

    Raises RuleBroken for a period or kind that cannot be, StateConflict for a retired vehicle, NotFound.
    """
    load(Vehicle, vehicle_id, MAINTENANCE_SCHEDULE)
    queries.lock_calendar(vehicle_id)
    vehicle = load(Vehicle, vehicle_id, MAINTENANCE_SCHEDULE)
    window, event = MaintenanceWindow.schedule(
        vehicle, kind=kind, description=description, start=start, end=end, at=clock.now()
    )
    db.session.add(window)
    publish(event)
    return window.id


@action
def change_maintenance(
    window_id: UUID, *, version: int, kind: str, start: datetime, end: datetime, description: str = ""
) -> UUID:
    """Move or describe a window anew and return its id; where nothing differs, nothing happens.

    Raises StaleVersion, StateConflict INVALID_MAINTENANCE_TRANSITION, RuleBroken, NotFound.
    """
    window = _held(window_id, MAINTENANCE_SCHEDULE, version)
    event = window.change(kind=kind, description=description, start=start, end=end, at=clock.now())
    if db.session.is_modified(window):
        publish(event)
    return window.id


@action
def start_maintenance(window_id: UUID, *, version: int | None = None) -> UUID:
    """Start the work now and return the window's id. Raises StateConflict, RuleBroken, StaleVersion, NotFound."""
    window = _held(window_id, MAINTENANCE_START, version)
    publish(window.begin(at=clock.now()))
    return window.id


@action
def complete_maintenance(
    window_id: UUID, *, version: int | None = None, cost_minor: int | None = None, cost_currency: str | None = None
) -> UUID:
    """End the work now, with what it cost in minor units (cents), and return the window's id.

    Raises StateConflict INVALID_MAINTENANCE_TRANSITION, RuleBroken, StaleVersion, NotFound.
    """
    window = _held(window_id, MAINTENANCE_COMPLETE, version)
    publish(window.complete(at=clock.now(), cost_minor=cost_minor, cost_currency=cost_currency))
    return window.id


@action
def cancel_maintenance(window_id: UUID, *, reason: str = "", version: int | None = None) -> UUID:
    """Call a window off and return its id. Raises StateConflict, StaleVersion, NotFound."""
    window = _held(window_id, MAINTENANCE_SCHEDULE, version)
    publish(window.cancel(at=clock.now(), reason=reason))
    return window.id


def _held(window_id: UUID, permission: str, version: int | None) -> MaintenanceWindow:
    """Return the window with its vehicle's calendar locked."""
    seen = load(MaintenanceWindow, window_id, permission, version=version)
    queries.lock_calendar(seen.vehicle_id)
    return load(MaintenanceWindow, window_id, permission, version=version, lock=True)
