"""Facts about vehicles and their maintenance. All of a vehicle's keep one order."""

from typing import ClassVar
from uuid import UUID

from karokar.events.base import Code, Event, Moment, Name, NoteId, OrganizationId, VehicleId, WindowId, fact


class _VehicleEvent(Event, frozen=True, kw_only=True):
    aggregate_type: ClassVar[str] = "Vehicle"
    aggregate_field: ClassVar[str | None] = "vehicle_id"
    vehicle_id: VehicleId
    organization_id: OrganizationId


class _VehicleFacts(_VehicleEvent, frozen=True, kw_only=True):
    ownership_type: Code
    make: Name
    model: Name
    year: int
    license_plate: Name
    category: Code
    seats: int
    city: Name


@fact("VehicleCreated", "registered the vehicle", stream="vehicle_id", tone="wait")
class VehicleCreated(_VehicleFacts, frozen=True, kw_only=True):
    """Sent when a vehicle was registered: it is PENDING until its documents are verified."""


@fact("VehicleUpdated", "changed the vehicle's data", stream="vehicle_id")
class VehicleUpdated(_VehicleFacts, frozen=True, kw_only=True):
    """Sent when a vehicle's facts changed; carries all of them as they are now."""


@fact("VehicleActivated", "activated the vehicle", stream="vehicle_id", tone="live")
class VehicleActivated(_VehicleEvent, frozen=True, kw_only=True):
    """Sent when a vehicle was activated, for the first time or after a suspension."""


@fact(
    "VehicleSuspended",
    "suspended the vehicle",
    version=2,
    stream="vehicle_id",
    tone="bad",
    details=("reason", "note_id"),
)
class VehicleSuspended(_VehicleEvent, frozen=True, kw_only=True):
    """Sent when a vehicle was taken off the road; `suspended_by` is OWNER, PLATFORM or DOCUMENTS."""

    suspended_by: Code
    reason: Code
    note_id: NoteId | None = None


@fact("VehicleRetired", "retired the vehicle", version=2, stream="vehicle_id", tone="neutral", details=("note_id",))
class VehicleRetired(_VehicleEvent, frozen=True, kw_only=True):
    """Sent when a vehicle left the fleet for good."""

    note_id: NoteId | None = None


@fact("OdometerRecorded", "recorded the odometer", stream="vehicle_id", details=("kilometres",))
class OdometerRecorded(_VehicleEvent, frozen=True, kw_only=True):
    """Sent when a reading in kilometres was noted; `mark` says what is odd about it, empty for nothing."""

    reading_id: UUID
    kilometres: int
    read_at: Moment
    source: Code
    source_id: UUID | None = None
    mark: Code = ""


@fact(
    "OdometerVoided",
    "voided an odometer reading",
    version=2,
    stream="vehicle_id",
    tone="neutral",
    details=("note_id", "kilometres"),
)
class OdometerVoided(_VehicleEvent, frozen=True, kw_only=True):
    """Sent when a reading was declared wrong."""

    reading_id: UUID
    kilometres: int
    note_id: NoteId | None = None


class _WindowEvent(Event, frozen=True, kw_only=True):
    """`start` and `end` are the planned period, half-open."""

    aggregate_type: ClassVar[str] = "MaintenanceWindow"
    aggregate_field: ClassVar[str | None] = "window_id"
    window_id: WindowId
    vehicle_id: VehicleId
    organization_id: OrganizationId
    kind: Code
    start: Moment
    end: Moment


@fact("VehicleMaintenanceScheduled", "scheduled maintenance", stream="vehicle_id", tone="wait")
class VehicleMaintenanceScheduled(_WindowEvent, frozen=True, kw_only=True):
    """Sent when a maintenance window was planned."""


@fact("VehicleMaintenanceChanged", "changed a maintenance window", stream="vehicle_id")
class VehicleMaintenanceChanged(_WindowEvent, frozen=True, kw_only=True):
    """Sent when a planned window was moved or described anew; carries the new period."""


@fact("VehicleMaintenanceStarted", "started maintenance", stream="vehicle_id", tone="live")
class VehicleMaintenanceStarted(_WindowEvent, frozen=True, kw_only=True):
    """Sent when the work began."""


@fact("VehicleMaintenanceCompleted", "completed maintenance", stream="vehicle_id", tone="good")
class VehicleMaintenanceCompleted(_WindowEvent, frozen=True, kw_only=True):
    """Sent when the work was done, at `completed_at`."""

    completed_at: Moment


@fact(
    "VehicleMaintenanceCancelled",
    "cancelled maintenance",
    version=2,
    stream="vehicle_id",
    tone="neutral",
    details=("note_id",),
)
class VehicleMaintenanceCancelled(_WindowEvent, frozen=True, kw_only=True):
    """Sent when a window was called off, at `cancelled_at`."""

    cancelled_at: Moment
    note_id: NoteId | None = None
