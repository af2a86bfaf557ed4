"""Facts about conflicts in a vehicle's calendar."""

from typing import ClassVar
from uuid import UUID

from karokar.events.base import ConflictId, Event, Moment, OrganizationId, VehicleId, fact


class _ConflictEvent(Event, frozen=True, kw_only=True):
    """Two blocks of different sources overlap from `start` to `end` (None: open); `organization_id` is the owner."""

    aggregate_type: ClassVar[str] = "AvailabilityConflict"
    aggregate_field: ClassVar[str | None] = "conflict_id"
    conflict_id: ConflictId
    vehicle_id: VehicleId
    organization_id: OrganizationId
    corporate_organization_id: OrganizationId | None = None
    first_source_type: str
    first_source_id: UUID
    second_source_type: str
    second_source_id: UUID
    start: Moment
    end: Moment | None = None


@fact("AvailabilityConflictDetected", "found a conflict in the calendar", stream="vehicle_id")
class AvailabilityConflictDetected(_ConflictEvent, frozen=True, kw_only=True):
    """Sent when two blocks of a vehicle overlap."""


@fact("AvailabilityConflictResolved", "resolved a conflict in the calendar", stream="vehicle_id")
class AvailabilityConflictResolved(_ConflictEvent, frozen=True, kw_only=True):
    """Sent when no overlap is left (`resolution` NO_OVERLAP), or when a person decided (ACCEPTED, with a note)."""

    resolution: str
    note: str = ""
