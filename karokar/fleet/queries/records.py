"""What exists, whoever asks: for other contexts, which decide who may see it."""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select

from karokar.fleet.models import MaintenanceWindow, OdometerReading, Vehicle, VehicleCalendar, VehicleDriver
from karokar.fleet.queries.facts import VehicleFacts, WindowFacts, vehicle_facts, window_facts
from karokar.fleet.rules import (
    MARK_SENTENCES,
    SOURCE_OF,
    LikelyReadings,
    Reading,
    VehicleStatus,
    WindowStatus,
    judge_anew,
    judge_reading,
    likely_readings,
    plate_key,
)
from karokar.kernel import clock
from karokar.kernel.database.many import is_one_of
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound


def get_vehicle(vehicle_id: UUID) -> VehicleFacts:
    """Return a vehicle, whosever it is (who asks has decided that it may be seen). Raises NotFound."""
    found = vehicles([vehicle_id]).get(vehicle_id)
    if found is None:
        raise NotFound(Vehicle.label)
    return found


def vehicles(ids: Iterable[UUID]) -> dict[UUID, VehicleFacts]:
    """Return the vehicles of these ids; an unknown one is left out."""
    wanted = set(ids)
    if not wanted:
        return {}
    rows = db.session.scalars(select(Vehicle).where(Vehicle.id.in_(wanted)))
    return {row.id: vehicle_facts(row) for row in rows}


def list_hired(ids: Iterable[UUID], organization_id: UUID, limit: int) -> tuple[list[VehicleFacts], int]:
    """Return the first vehicles of these ids by plate but the organization's own, and how many there are in all."""
    found = and_(
        is_one_of(Vehicle.id, {vehicle_id.hex for vehicle_id in ids}), Vehicle.organization_id != organization_id
    )
    statement = select(Vehicle, func.count().over()).where(found).order_by(Vehicle.plate_key, Vehicle.id)
    rows = db.session.execute(statement.limit(limit)).all()
    return [vehicle_facts(row) for row, _count in rows], rows[0][1] if rows else 0


def hold_vehicle(vehicle_id: UUID) -> VehicleFacts:
    """Return a vehicle that nobody can suspend, retire or change until the transaction ends. Raises NotFound.

    The row is locked FOR SHARE; on SQLite the transaction holds the write lock already.
    """
    row = db.session.scalars(
        select(Vehicle)
        .where(Vehicle.id == vehicle_id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFound(Vehicle.label)
    return vehicle_facts(row)


def lock_calendar(vehicle_id: UUID) -> None:
    """Let nobody else change this vehicle's calendar until the transaction ends. Raises NotFound.

    Every action that can change what a vehicle does when begins with this (after organizations are held), so that
    such actions queue up instead of locking each other out.
    """
    statement = select(VehicleCalendar.vehicle_id).where(VehicleCalendar.vehicle_id == vehicle_id).with_for_update()
    if db.session.scalar(statement) is None:
        raise NotFound(Vehicle.label)


def windows(
    vehicle_id: UUID | Collection[UUID], start: datetime, end: datetime, *, except_id: UUID | None = None
) -> list[WindowFacts]:
    """Return the SCHEDULED and IN_PROGRESS maintenance of one or more vehicles that overlaps `[start, end)`.

    Work that goes on beyond its planned end lasts until now at least.
    """
    ids = [vehicle_id] if isinstance(vehicle_id, UUID) else list(vehicle_id)
    lasts = MaintenanceWindow.end > start
    if start < clock.now():
        lasts = or_(lasts, MaintenanceWindow.status == WindowStatus.IN_PROGRESS.value)
    statement = (
        select(MaintenanceWindow)
        .where(
            MaintenanceWindow.vehicle_id.in_(ids),
            MaintenanceWindow.status.in_([WindowStatus.SCHEDULED.value, WindowStatus.IN_PROGRESS.value]),
            MaintenanceWindow.start < end,
            lasts,
        )
        .order_by(MaintenanceWindow.start)
    )
    if except_id is not None:
        statement = statement.where(MaintenanceWindow.id != except_id)
    return [window_facts(row) for row in db.session.scalars(statement)]


def find_likely_readings(
    vehicle_id: UUID, at: datetime | None = None, *, instead_of: tuple[str, UUID] | None = None
) -> LikelyReadings:
    """Return between which readings the vehicle's odometer is likely to be, now or at a moment.

    `instead_of` is a handover whose reading is to be corrected ("OUT" or "IN", and the id of its booking or
    assignment): the others are judged as if it had not been taken.
    """
    return likely_readings(at or clock.now(), _trusted(vehicle_id, instead_of))


def doubt_correction(vehicle_id: UUID, kilometres: int, at: datetime, instead_of: tuple[str, UUID]) -> str:
    """Return what is odd about a reading that corrects a handover's, in a sentence; "" where it counts."""
    return MARK_SENTENCES.get(judge_reading(kilometres, at, _trusted(vehicle_id, instead_of)).value, "")


def _trusted(vehicle_id: UUID, without: tuple[str, UUID] | None) -> list[Reading]:
    statement = (
        select(OdometerReading)
        .where(OdometerReading.vehicle_id == vehicle_id, OdometerReading.voided_at.is_(None))
        .order_by(OdometerReading.recorded_at, OdometerReading.id)
    )
    rows = [
        row
        for row in db.session.scalars(statement)
        if without is None or (row.source, row.source_id) != (SOURCE_OF[without[0]].value, without[1])
    ]
    trusted = [Reading(row.kilometres, row.read_at) for row in rows if not row.mark]
    marked = [Reading(row.kilometres, row.read_at) for row in rows if row.mark]
    marks = judge_anew(trusted, marked)
    return trusted + [reading for reading, mark in zip(marked, marks, strict=True) if not mark]


def list_held(employee_id: UUID | None) -> set[UUID]:
    """Return the vehicles that a person has, or is to get: those that a driver may see."""
    statement = select(VehicleDriver.vehicle_id).where(
        VehicleDriver.employee_id == employee_id, VehicleDriver.ended_at.is_(None)
    )
    return set(db.session.scalars(statement))


def find_by_plate(text: str) -> list[VehicleFacts]:
    """Return the vehicles with this licence plate, however it is spelt: the one in service first, then retired ones."""
    key = plate_key(text)
    if not key:
        return []
    statement = (
        select(Vehicle)
        .where(Vehicle.plate_key == key)
        .order_by((Vehicle.status == VehicleStatus.RETIRED.value), Vehicle.created_at.desc())
    )
    return [vehicle_facts(row) for row in db.session.scalars(statement)]


def count_vehicles(organization_id: UUID) -> dict[str, int]:
    """Return how many vehicles an organization has in each status (statuses without any are left out)."""
    statement = (
        select(Vehicle.status, func.count()).where(Vehicle.organization_id == organization_id).group_by(Vehicle.status)
    )
    return dict(db.session.execute(statement).all())


def count_by_owner(organization_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return how many vehicles organizations have that are not retired (those without any are left out)."""
    statement = (
        select(Vehicle.organization_id, func.count())
        .where(Vehicle.organization_id.in_(organization_ids), Vehicle.status != VehicleStatus.RETIRED.value)
        .group_by(Vehicle.organization_id)
    )
    return dict(db.session.execute(statement).all())


def list_suspended_for_documents(organization_id: UUID) -> list[UUID]:
    """Return the ids of an organization's vehicles that their documents keep off the road."""
    statement = select(Vehicle.id).where(
        Vehicle.organization_id == organization_id, Vehicle.suspended_by == "DOCUMENTS"
    )
    return list(db.session.scalars(statement))


def taken_plates(organization_id: UUID, plates: Collection[str]) -> set[tuple[str, str]]:
    """Return country and key of those of some plates that an organization's vehicles in service have: for an import
    that must not double one.
    """
    statement = select(Vehicle.plate_country, Vehicle.plate_key).where(
        Vehicle.organization_id == organization_id,
        Vehicle.plate_key.in_({plate_key(plate) for plate in plates}),
        Vehicle.status != VehicleStatus.RETIRED.value,
    )
    return {(row.plate_country, row.plate_key) for row in db.session.execute(statement)}


def hold_plate(vehicle_id: UUID) -> tuple[VehicleFacts, list[VehicleFacts]]:
    """Return a vehicle, and the others in service with the same plate, whoever registered them. Raises NotFound.

    Nobody else holds this plate, or changes any of these vehicles, until the transaction ends. A plate whose country is
    not known may be that of any country.
    """
    key = select(Vehicle.plate_key).where(Vehicle.id == vehicle_id).scalar_subquery()
    statement = select(Vehicle).where(Vehicle.plate_key == key).order_by(Vehicle.id)
    locked = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    return _clash(vehicle_id, db.session.scalars(locked))


def same_plate(vehicle_id: UUID) -> list[VehicleFacts]:
    """Return the other vehicles in service with a vehicle's plate, whoever registered them. Raises NotFound."""
    key = select(Vehicle.plate_key).where(Vehicle.id == vehicle_id).scalar_subquery()
    statement = select(Vehicle).where(Vehicle.plate_key == key).order_by(Vehicle.id)
    return _clash(vehicle_id, db.session.scalars(statement))[1]


def _clash(vehicle_id: UUID, rows: Iterable[Vehicle]) -> tuple[VehicleFacts, list[VehicleFacts]]:
    found = {row.id: row for row in rows}
    one = found.pop(vehicle_id, None)
    if one is None:
        raise NotFound(Vehicle.label)
    others = [
        vehicle_facts(row)
        for row in found.values()
        if row.status != VehicleStatus.RETIRED
        and (row.plate_country == one.plate_country or not (row.plate_country and one.plate_country))
    ]
    return vehicle_facts(one), others
