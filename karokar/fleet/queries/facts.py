"""What others are told of a vehicle, of its maintenance and of its odometer."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from karokar.fleet.models import MaintenanceWindow, Vehicle
from karokar.fleet.rules import (
    CATEGORIES,
    WINDOW_KINDS,
    Ownership,
    VehicleStatus,
)
from karokar.kernel.local.countries import countries


@dataclass(frozen=True, kw_only=True)
class VehicleFacts:
    """A vehicle as others know it; `label` is "Make Model · PLATE"."""

    id: UUID
    organization_id: UUID
    ownership_type: str
    make: str
    model: str
    year: int
    license_plate: str
    plate_country: str
    category: str
    seats: int
    city: str
    address: str
    time_zone: str
    status: str
    suspended_by: str | None
    odometer: int
    label: str
    suspension_reason: str = ""
    suspended_at: datetime | None = None
    created_at: datetime | None = None
    version: int = 0

    @property
    def category_name(self) -> str:
        """What people call the category."""
        return CATEGORIES.get(self.category, self.category)

    @property
    def country_name(self) -> str:
        """The country of the plate; empty where it is not known."""
        return countries().get(self.plate_country, "")

    @property
    def is_offered(self) -> bool:
        """Whether companies can book it: a vendor's vehicle that is on the road."""
        return self.ownership_type == Ownership.VENDOR_OWNED and self.status == VehicleStatus.ACTIVE


@dataclass(frozen=True, kw_only=True)
class WindowFacts:
    """A maintenance window as others know it."""

    id: UUID
    vehicle_id: UUID
    organization_id: UUID
    kind: str
    description: str
    start: datetime
    end: datetime
    status: str
    started_at: datetime | None
    completed_at: datetime | None
    cancelled_at: datetime | None
    cancel_reason: str
    cost_minor: int | None
    cost_currency: str | None
    version: int

    @property
    def kind_name(self) -> str:
        """What people call the kind of work."""
        return WINDOW_KINDS.get(self.kind, self.kind)


@dataclass(frozen=True, kw_only=True)
class ReadingFacts:
    """An odometer reading; `mark` says what is odd about it, `voided_at` that it counts no more."""

    id: UUID
    kilometres: int
    read_at: datetime
    source: str
    source_id: UUID | None
    mark: str
    note: str
    recorded_by: UUID | None
    voided_at: datetime | None
    voided_by: UUID | None
    void_reason: str


def vehicle_facts(row: Vehicle) -> VehicleFacts:
    """Return a vehicle as others know it."""
    return VehicleFacts(
        id=row.id,
        organization_id=row.organization_id,
        ownership_type=row.ownership_type,
        make=row.make,
        model=row.model,
        year=row.year,
        license_plate=row.license_plate,
        plate_country=row.plate_country,
        category=row.category,
        seats=row.seats,
        city=row.city,
        address=row.address,
        time_zone=row.time_zone,
        status=row.status,
        suspended_by=row.suspended_by,
        odometer=row.odometer,
        label=row.name,
        suspension_reason=row.suspension_reason,
        suspended_at=row.suspended_at,
        created_at=row.created_at,
        version=row.version,
    )


def window_facts(row: MaintenanceWindow) -> WindowFacts:
    """Return a maintenance window as others know it."""
    return WindowFacts(
        id=row.id,
        vehicle_id=row.vehicle_id,
        organization_id=row.organization_id,
        kind=row.kind,
        description=row.description,
        start=row.start,
        end=row.end,
        status=row.status,
        started_at=row.started_at,
        completed_at=row.completed_at,
        cancelled_at=row.cancelled_at,
        cancel_reason=row.cancel_reason,
        cost_minor=row.cost_minor,
        cost_currency=row.cost_currency,
        version=row.version,
    )
