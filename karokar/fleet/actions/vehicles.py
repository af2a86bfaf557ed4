"""Registering, editing, and putting vehicles on and off the road."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import select

from karokar.events.bus import publish
from karokar.fleet import queries, rules
from karokar.fleet.models import MaintenanceWindow, OdometerReading, Vehicle, VehicleCalendar
from karokar.fleet.permissions import VEHICLE_ACTIVATE, VEHICLE_CREATE, VEHICLE_RETIRE, VEHICLE_SUSPEND, VEHICLE_UPDATE
from karokar.fleet.rules import Gate, GatesClosed, Ownership, ReadingSource, SuspendedBy, VehicleStatus, WindowStatus
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.db import action, db
from karokar.kernel.errors import PermissionDenied, RuleBroken, StateConflict
from karokar.kernel.ids import new_id
from karokar.kernel.local.countries import country_of
from karokar.kernel.permissions import PERMISSIONS, check, load
from karokar.kernel.ports import Covered, ports
from karokar.organization import facts as organizations
from karokar.organization.facts import OrganizationFacts

PLATE_TAKEN = RuleBroken(
    "LICENSE_PLATE_TAKEN",
    "Another of your vehicles in service has this licence plate. Check it, or retire the other one first.",
    fields={"license_plate": "Another of your vehicles in service has this licence plate."},
)
_REFUSALS = {"uq_vehicles_plate": PLATE_TAKEN, "vehicles.organization_id, vehicles.plate_key": PLATE_TAKEN}


@action(refusals=_REFUSALS)
def register_vehicle(
    *,
    make: str,
    model: str,
    year: int,
    license_plate: str,
    plate_country: str = "",
    category: str,
    seats: int,
    city: str,
    address: str = "",
    time_zone: str,
    odometer: int = 0,
) -> UUID:
    """Register a vehicle of the acting organization and return its id: it is PENDING until it is activated.

    Without the country of the plate, the one in which the vehicle stands is taken, else the organization's.

    Raises RuleBroken for facts out of range and LICENSE_PLATE_TAKEN, PermissionDenied, OrganizationNotActive.
    """
    check(VEHICLE_CREATE)
    actor = current_actor()
    ownership = {"VENDOR": Ownership.VENDOR_OWNED, "CORPORATE": Ownership.CORPORATE_OWNED}.get(
        actor.organization_type or ""
    )
    if ownership is None or actor.organization_id is None:
        raise PermissionDenied(VEHICLE_CREATE, PERMISSIONS[VEHICLE_CREATE].description)
    organizations.hold_active([actor.organization_id])
    _check_zone(time_zone)
    vehicle, event = Vehicle.register(
        organization_id=actor.organization_id,
        ownership_type=ownership.value,
        odometer=odometer,
        make=make,
        model=model,
        year=year,
        license_plate=license_plate,
        plate_country=plate_country or _country_at(time_zone),
        category=category,
        seats=seats,
        city=city,
        address=address,
        time_zone=time_zone,
    )
    now = clock.now()
    db.session.add(vehicle)
    db.session.flush()
    db.session.add(VehicleCalendar(vehicle_id=vehicle.id))
    db.session.add(
        OdometerReading(
            vehicle_id=vehicle.id,
            kilometres=odometer,
            read_at=now,
            source=ReadingSource.REGISTRATION.value,
            mark="",
            recorded_at=now,
            recorded_by=actor.user_id,
        )
    )
    publish(event)
    return vehicle.id


def check_registration(facts: Mapping[str, Any]) -> None:
    """Raise what `register_vehicle` would raise for these facts, without registering anything.

    Whether the plate is taken is asked for all at once: `fleet.queries.taken_plates`.
    """
    check(VEHICLE_CREATE)
    _check_zone(facts["time_zone"])
    given = {**facts, "plate_country": facts.get("plate_country") or _country_at(facts["time_zone"])}
    Vehicle.register(
        organization_id=current_actor().organization_id or new_id(),
        ownership_type=Ownership.VENDOR_OWNED.value,
        odometer=given.pop("odometer", 0),
        **given,
    )


@action(refusals=_REFUSALS)
def edit_vehicle(
    vehicle_id: UUID,
    *,
    version: int,
    make: str,
    model: str,
    year: int,
    license_plate: str,
    plate_country: str | None = None,
    category: str,
    seats: int,
    city: str,
    address: str,
    time_zone: str,
) -> UUID:
    """Change a vehicle's facts and return its id; where nothing differs, nothing happens.

    Without `plate_country` the country stays. A registration certificate counts for the plate that it names: where the
    plate becomes another one, its approval ends.

    Raises StaleVersion, RuleBroken for facts out of range and LICENSE_PLATE_TAKEN, StateConflict for a retired one.
    """
    vehicle = load(Vehicle, vehicle_id, VEHICLE_UPDATE, version=version)
    _check_zone(time_zone)
    event = vehicle.edit(
        make=make,
        model=model,
        year=year,
        license_plate=license_plate,
        plate_country=vehicle.plate_country if plate_country is None else plate_country or _country_at(time_zone),
        category=category,
        seats=seats,
        city=city,
        address=address,
        time_zone=time_zone,
    )
    if db.session.is_modified(vehicle):
        publish(event)
    return vehicle.id


def list_gates(vehicle_id: UUID) -> list[Gate]:
    """Return what a vehicle needs to be on the road, each open or closed, with the document that would open it.

    Raises NotFound.
    """
    organization = organizations.get_organization(queries.get_vehicle(vehicle_id).organization_id)
    return gates_of(vehicle_id, organization, ports().documents.coverage("Vehicle", vehicle_id))


def gates_of(vehicle_id: UUID, organization: OrganizationFacts, covered: Mapping[str, Covered]) -> list[Gate]:
    """Return `list_gates` for a vehicle whose owner and documents are known already."""
    is_verified = ports().documents.is_covered("Organization", organization.id, "ORGANIZATION_REGISTRATION")
    gates = [
        Gate(
            code="ORGANIZATION_ACTIVE",
            is_open=organization.status == "ACTIVE",
            sentence=f"{organization.name} is {organization.status.lower()}: it has to be active.",
            subject_type="Organization",
            subject_id=str(organization.id),
        ),
        Gate(
            code="ORGANIZATION_REGISTRATION",
            is_open=is_verified,
            sentence=f"The registration of {organization.name} is not approved, or has expired.",
            subject_type="Organization",
            subject_id=str(organization.id),
            kind="ORGANIZATION_REGISTRATION",
        ),
    ]
    for kind, name in rules.REQUIRED_DOCUMENTS.items():
        status = covered[kind].status
        gates.append(
            Gate(
                code=kind,
                is_open=status == "APPROVED",
                sentence=_closed_because(name, status),
                subject_type="Vehicle",
                subject_id=str(vehicle_id),
                kind=kind,
            )
        )
    return gates


def _closed_because(name: str, status: str) -> str:
    if status == "MISSING":
        return f"The {name} is missing: upload it and request its verification."
    if status == "PENDING":
        return f"The {name} waits for the platform's review."
    return f"The {name} is {status.lower()}: upload a valid one and request its verification."


def _check_gates(vehicle_id: UUID) -> None:
    closed = [gate for gate in list_gates(vehicle_id) if not gate.is_open]
    if closed:
        raise GatesClosed(closed)


@action
def activate_vehicle(vehicle_id: UUID, *, version: int | None = None) -> UUID:
    """Put a vehicle on the road and return its id.

    Raises GatesClosed naming each thing that is missing, StateConflict INVALID_VEHICLE_TRANSITION or
    SUSPENSION_NOT_YOURS (a suspension is lifted only by the kind that made it), StaleVersion, NotFound.
    """
    check(VEHICLE_ACTIVATE)
    vehicle = _held(vehicle_id, VEHICLE_ACTIVATE, version)
    by = SuspendedBy.PLATFORM if current_actor().is_platform else SuspendedBy.OWNER
    if by is SuspendedBy.PLATFORM and vehicle.status == VehicleStatus.PENDING:
        raise StateConflict("SUSPENSION_NOT_YOURS", "The owner puts a new vehicle on the road, not the platform.")
    event = vehicle.activate(by=by, at=clock.now())
    _check_gates(vehicle_id)
    publish(event)
    return vehicle.id


@action
def suspend_vehicle(vehicle_id: UUID, *, reason: str, note: str = "", version: int | None = None) -> UUID:
    """Take a vehicle off the road, as its owner or as the platform, and return its id.

    What runs or is booked stays as it is: the calendar shows the conflict. Raises StateConflict, RuleBroken for a
    missing reason, StaleVersion, NotFound.
    """
    vehicle = _held(vehicle_id, VEHICLE_SUSPEND, version)
    by = SuspendedBy.PLATFORM if current_actor().is_platform else SuspendedBy.OWNER
    if reason not in rules.SUSPENSION_REASONS:
        raise RuleBroken("SUSPENSION_REASON", "Choose a reason.", fields={"reason": "Choose a reason."})
    publish(vehicle.suspend(by=by, reason=reason, note=note, at=clock.now()))
    return vehicle.id


@action
def suspend_for_documents(vehicle_id: UUID, *, reason: str) -> None:
    """Take a vehicle off the road because a document ran out; nothing where it is not on the road."""
    queries.lock_calendar(vehicle_id)
    vehicle = load(Vehicle, vehicle_id, VEHICLE_SUSPEND, lock=True)
    if vehicle.status == VehicleStatus.ACTIVE and any(not gate.is_open for gate in list_gates(vehicle_id)):
        publish(vehicle.suspend(by=SuspendedBy.DOCUMENTS, reason=reason, note="", at=clock.now()))


@action
def lift_document_suspension(vehicle_id: UUID) -> None:
    """Put a vehicle back on the road that only its documents kept off it, if everything it needs is there again."""
    queries.lock_calendar(vehicle_id)
    vehicle = load(Vehicle, vehicle_id, VEHICLE_ACTIVATE, lock=True)
    if vehicle.suspended_by == SuspendedBy.DOCUMENTS and all(gate.is_open for gate in list_gates(vehicle_id)):
        publish(vehicle.activate(by=SuspendedBy.DOCUMENTS, at=clock.now()))


@action
def retire_vehicle(vehicle_id: UUID, *, reason: str = "", version: int | None = None) -> UUID:
    """Take a vehicle out of the fleet for good, with its planned maintenance, and return its id.

    Raises StateConflict VEHICLE_IN_USE while a booking or an assignment still counts on it,
    MAINTENANCE_IN_PROGRESS, INVALID_VEHICLE_TRANSITION, StaleVersion, NotFound.
    """
    vehicle = _held(vehicle_id, VEHICLE_RETIRE, version)
    uses = ports().uses_of_vehicle(vehicle_id)
    if any(uses.values()):
        counted = " and ".join(_many(count, name) for name, count in uses.items())
        raise StateConflict(
            "VEHICLE_IN_USE", f"{vehicle.name} still has {counted}. End or cancel them first.", uses=uses
        )
    open_windows = db.session.scalars(
        select(MaintenanceWindow)
        .where(
            MaintenanceWindow.vehicle_id == vehicle_id,
            MaintenanceWindow.status.in_([WindowStatus.SCHEDULED.value, WindowStatus.IN_PROGRESS.value]),
        )
        .with_for_update()
    ).all()
    now = clock.now()
    if any(window.status == WindowStatus.IN_PROGRESS for window in open_windows):
        raise StateConflict("MAINTENANCE_IN_PROGRESS", "Complete or cancel the running maintenance first.")
    event = vehicle.retire(reason=reason, at=now)
    for window in open_windows:
        publish(window.cancel(at=now, reason="The vehicle was retired."))
    publish(event)
    return vehicle.id


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _held(vehicle_id: UUID, permission: str, version: int | None) -> Vehicle:
    """Return the vehicle with its calendar locked; seen and permitted first, so that nobody locks a stranger's."""
    load(Vehicle, vehicle_id, permission, version=version)
    queries.lock_calendar(vehicle_id)
    return load(Vehicle, vehicle_id, permission, version=version, lock=True)


def _country_at(time_zone: str) -> str:
    return country_of(time_zone) or country_of(current_actor().time_zone or "")


def _check_zone(time_zone: str) -> None:
    if time_zone not in _zones():
        sentence = "Choose a time zone from the list."
        raise RuleBroken("TIME_ZONE_UNKNOWN", sentence, fields={"time_zone": sentence})


@cache
def _zones() -> frozenset[str]:
    # Asking for them reads a folder of hundreds of files: too long for each row of a file.
    return frozenset(available_timezones())
