"""Vehicles and their documents, made through the real actions.

vehicle_id = fleet.make_vehicle(vendor)                  # ACTIVE: registered, documents approved, activated
vehicle_id = fleet.make_vehicle(vendor, status="PENDING", city="Pune", category="VAN")
window_id = fleet.make_window(vendor, vehicle_id, start, end)
"""

import itertools
from datetime import datetime
from typing import Any
from uuid import UUID

from karokar.fleet import actions
from karokar.fleet.rules import REQUIRED_DOCUMENTS
from tests.factories import people
from tests.factories.people import Company

_numbers = itertools.count(1000)


def facts(**given: Any) -> dict[str, Any]:
    """What `register_vehicle` takes, with a plate that no other vehicle has."""
    made = {
        "make": "Tata",
        "model": "Nexon",
        "year": 2024,
        "license_plate": f"KA 01 AB {next(_numbers)}",
        "category": "SUV",
        "seats": 5,
        "city": "Bengaluru",
        "address": "Residency Road 12",
        "time_zone": "Asia/Kolkata",
        "odometer": 12_000,
    }
    return {**made, **given}


def make_vehicle(owner: Company, *, status: str = "ACTIVE", days: int | None = 365, **given: Any) -> UUID:
    """A vehicle of a company; `status` is PENDING (nothing handed in), READY (documents approved), ACTIVE, SUSPENDED
    (by its owner) or RETIRED. Its documents last for `days`.
    """
    with people.acting(owner.admin):
        vehicle_id = actions.register_vehicle(**facts(**given))
    if status == "PENDING":
        return vehicle_id
    cover(owner, vehicle_id, days=days)
    with people.acting(owner.admin):
        if status in {"ACTIVE", "SUSPENDED", "RETIRED"}:
            actions.activate_vehicle(vehicle_id)
        if status == "SUSPENDED":
            actions.suspend_vehicle(vehicle_id, reason="DAMAGE")
        if status == "RETIRED":
            actions.retire_vehicle(vehicle_id)
    return vehicle_id


def cover(owner: Company, vehicle_id: UUID, *, days: int | None = 365) -> dict[str, UUID]:
    """Approved verifications of all that a vehicle needs, by kind."""
    return {kind: people.verify("Vehicle", vehicle_id, kind, by=owner.admin, days=days) for kind in REQUIRED_DOCUMENTS}


def make_window(owner: Company, vehicle_id: UUID, start: datetime, end: datetime, *, kind: str = "SERVICE") -> UUID:
    """A scheduled maintenance window."""
    with people.acting(owner.admin):
        return actions.schedule_maintenance(vehicle_id, kind=kind, start=start, end=end)
