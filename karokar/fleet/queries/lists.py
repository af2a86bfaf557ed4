"""What the acting person may see of vehicles, maintenance and readings."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from karokar.fleet.models import MaintenanceWindow, OdometerReading, Vehicle
from karokar.fleet.permissions import VEHICLE_READ
from karokar.fleet.queries.facts import ReadingFacts, VehicleFacts, WindowFacts, vehicle_facts, window_facts
from karokar.fleet.rules import (
    Ownership,
    VehicleStatus,
    WindowStatus,
    city_key,
    plate_key,
)
from karokar.kernel.actor import Actor, Scope, current_actor
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.pages.paging import Page, count_up_to, paginate
from karokar.kernel.permissions import permitted, scope_of
from karokar.kernel.text.normalization import search_key, search_words

SORTS = {
    "plate": Vehicle.plate_key,
    "make": Vehicle.search_key,
    "city": Vehicle.city_key,
    "seats": Vehicle.seats,
    "status": Vehicle.status,
    "created": Vehicle.created_at,
    "odometer": Vehicle.odometer,
}


def own_or_all(actor: Actor) -> ColumnElement[bool]:
    """Return the condition of a fleet list: the organization's own vehicles; the platform: all; a driver: the given."""
    if scope_of(VEHICLE_READ, actor) is Scope.MARKET:
        return Vehicle.organization_id == actor.organization_id
    return permitted(Vehicle, VEHICLE_READ, actor)


def is_offered() -> ColumnElement[bool]:
    """Return the condition that a vehicle is a vendor's and on the road."""
    return and_(Vehicle.ownership_type == Ownership.VENDOR_OWNED.value, Vehicle.status == VehicleStatus.ACTIVE.value)


def _listed(
    *,
    text: str | None,
    status: str | None,
    category: str | None,
    city: str | None,
    seats: int | None,
    organization_id: UUID | None,
) -> Select[Vehicle]:
    statement = select(Vehicle).where(own_or_all(current_actor()))
    if organization_id is not None:
        statement = statement.where(Vehicle.organization_id == organization_id)
    statement = statement.where(*narrowed(text or "", category or "", city or "", seats))
    if status:
        return statement.where(Vehicle.status == status)
    return statement.where(Vehicle.status != VehicleStatus.RETIRED.value)


def narrowed(text: str, category: str, city: str, seats: int | None) -> list[ColumnElement[bool]]:
    """Return the conditions of a wish: category, city, at least these seats, each word in make, model or plate."""
    found: list[ColumnElement[bool]] = []
    if category:
        found.append(Vehicle.category == category)
    if city.strip():
        found.append(Vehicle.city_key == city_key(city))
    if seats:
        found.append(Vehicle.seats >= seats)
    for word in search_words(text):
        # A plate is found with or without its spaces and hyphens.
        spellings = {word, search_key(plate_key(word))} - {""}
        found.append(or_(*(Vehicle.search_key.contains(spelt, autoescape=True) for spelt in sorted(spellings))))
    return found


def list_vehicles(
    *,
    text: str | None = None,
    status: str | None = None,
    category: str | None = None,
    city: str | None = None,
    seats: int | None = None,
    organization_id: UUID | None = None,
    sort: str = "plate",
    cursor: str | None = None,
    size: int = 25,
    counted: bool = True,
) -> Page[VehicleFacts]:
    """Return one page of the acting person's own fleet (the platform: of all), as narrowed; retired ones on request."""
    statement = _listed(
        text=text, status=status, category=category, city=city, seats=seats, organization_id=organization_id
    )
    page = paginate(statement, sorts=SORTS, tie=Vehicle.id, sort=sort, cursor=cursor, size=size, counted=counted)
    return page.map(vehicle_facts)


def count_listed(
    *,
    text: str | None = None,
    status: str | None = None,
    category: str | None = None,
    city: str | None = None,
    seats: int | None = None,
    organization_id: UUID | None = None,
    limit: int,
) -> int:
    """Return how many vehicles `list_vehicles` pages through, `limit` + 1 where they are more."""
    statement = _listed(
        text=text, status=status, category=category, city=city, seats=seats, organization_id=organization_id
    )
    return count_up_to(statement, limit)


def get_seen(vehicle_id: UUID) -> VehicleFacts:
    """Return a vehicle that the acting person may see. Raises NotFound."""
    row = db.session.scalars(
        select(Vehicle).where(Vehicle.id == vehicle_id, permitted(Vehicle, VEHICLE_READ))
    ).one_or_none()
    if row is None:
        raise NotFound(Vehicle.label)
    return vehicle_facts(row)


def openable() -> dict[str, Select[UUID]]:
    """Return the ids of the things whose page the acting person may open, by kind."""
    vehicles = select(Vehicle.id).where(permitted(Vehicle, VEHICLE_READ))
    windows = select(MaintenanceWindow.id).where(
        MaintenanceWindow.vehicle_id.in_(select(Vehicle.id).where(own_or_all(current_actor())))
    )
    return {"vehicle": vehicles, "maintenancewindow": windows}


def list_cities(*, offered_only: bool = False) -> list[str]:
    """Return the cities with vehicles that the acting person may see, in alphabetical order."""
    statement = select(func.min(Vehicle.city)).where(
        permitted(Vehicle, VEHICLE_READ), Vehicle.status != VehicleStatus.RETIRED.value
    )
    if offered_only:
        statement = statement.where(Vehicle.status == VehicleStatus.ACTIVE.value)
    return list(db.session.scalars(statement.group_by(Vehicle.city_key).order_by(Vehicle.city_key)))


def list_readings(vehicle_id: UUID) -> list[ReadingFacts]:
    """Return a vehicle's odometer log, newest first: for those whose vehicle it is, and the platform."""
    if scope_of(VEHICLE_READ) is Scope.SELF:
        return []
    owner = select(Vehicle.id).where(own_or_all(current_actor()))
    statement = (
        select(OdometerReading)
        .where(OdometerReading.vehicle_id == vehicle_id, OdometerReading.vehicle_id.in_(owner))
        .order_by(OdometerReading.read_at.desc(), OdometerReading.id.desc())
    )
    return [
        ReadingFacts(
            id=row.id,
            kilometres=row.kilometres,
            read_at=row.read_at,
            source=row.source,
            source_id=row.source_id,
            mark=row.mark,
            note=row.note,
            recorded_by=row.recorded_by,
            voided_at=row.voided_at,
            voided_by=row.voided_by,
            void_reason=row.void_reason,
        )
        for row in db.session.scalars(statement)
    ]


def list_windows(vehicle_id: UUID | None = None, *, status: str = "", limit: int = 200) -> list[WindowFacts]:
    """Return maintenance of one vehicle, or of the acting organization's whole fleet: what is open first, by start."""
    owner = select(Vehicle.id).where(own_or_all(current_actor()))
    statement = select(MaintenanceWindow).where(MaintenanceWindow.vehicle_id.in_(owner))
    if vehicle_id is not None:
        statement = statement.where(MaintenanceWindow.vehicle_id == vehicle_id)
    if status:
        statement = statement.where(MaintenanceWindow.status == status)
    is_over = MaintenanceWindow.status.in_([WindowStatus.COMPLETED.value, WindowStatus.CANCELLED.value])
    statement = statement.order_by(is_over, MaintenanceWindow.start, MaintenanceWindow.id).limit(limit)
    return [window_facts(row) for row in db.session.scalars(statement)]


def list_in_workshop(day_end: datetime, *, limit: int = 200) -> list[WindowFacts]:
    """Return maintenance of the acting organization's own fleet that is going on, or should begin by the end of a day,
    by its planned end.
    """
    mine = select(Vehicle.id).where(Vehicle.organization_id == current_actor().organization_id)
    statement = (
        select(MaintenanceWindow)
        .where(
            MaintenanceWindow.vehicle_id.in_(mine),
            or_(
                MaintenanceWindow.status == WindowStatus.IN_PROGRESS.value,
                and_(MaintenanceWindow.status == WindowStatus.SCHEDULED.value, MaintenanceWindow.start < day_end),
            ),
        )
        .order_by(MaintenanceWindow.end, MaintenanceWindow.id)
        .limit(limit)
    )
    return [window_facts(row) for row in db.session.scalars(statement)]


def get_window(window_id: UUID) -> WindowFacts:
    """Return a maintenance window of a vehicle of the acting organization (the platform: of any). Raises NotFound."""
    owner = select(Vehicle.id).where(own_or_all(current_actor()))
    row = db.session.scalars(
        select(MaintenanceWindow).where(MaintenanceWindow.id == window_id, MaintenanceWindow.vehicle_id.in_(owner))
    ).one_or_none()
    if row is None:
        raise NotFound(MaintenanceWindow.label)
    return window_facts(row)
