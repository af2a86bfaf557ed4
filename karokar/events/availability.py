"""Facts about conflicts in a vehicle's calendar."""

from typing import ClassVar
from uuid import UUID

from karokar.events.base import Code, ConflictId, Event, Moment, NoteId, OrganizationId, VehicleId, fact

# Which other company a vendor deals with is between these two: each company knows itself, the owner both.
_COMPANIES = {
    "corporate_organization_id": "organization_id corporate_organization_id",
    "other_corporate_organization_id": "organization_id other_corporate_organization_id",
}


class _ConflictEvent(Event, frozen=True, kw_only=True):
    """Two blocks of different sources overlap from `start` to `end` (None: open); `organization_id` is the owner.

    The companies are those that are to have the vehicle: none, one, or two where each block is another one's.
    """

    aggregate_type: ClassVar[str] = "AvailabilityConflict"
    aggregate_field: ClassVar[str | None] = "conflict_id"
    conflict_id: ConflictId
    vehicle_id: VehicleId
    organization_id: OrganizationId
    corporate_organization_id: OrganizationId | None = None
    other_corporate_organization_id: OrganizationId | None = None
    first_source_type: Code
    first_source_id: UUID
    second_source_type: Code
    second_source_id: UUID
    start: Moment
    end: Moment | None = None


@fact(
    "AvailabilityConflictDetected",
    "found a conflict in the calendar",
    stream="vehicle_id",
    private=_COMPANIES,
    tone="bad",
)
class AvailabilityConflictDetected(_ConflictEvent, frozen=True, kw_only=True):
    """Sent when two blocks of a vehicle overlap."""


@fact(
    "AvailabilityConflictResolved",
    "resolved a conflict in the calendar",
    version=2,
    stream="vehicle_id",
    private=_COMPANIES,
    tone="good",
    details=("note_id", "resolution"),
)
class AvailabilityConflictResolved(_ConflictEvent, frozen=True, kw_only=True):
    """Sent when no overlap is left (`resolution` NO_OVERLAP), or when a person decided (ACCEPTED, with a note)."""

    resolution: Code
    note_id: NoteId | None = None
