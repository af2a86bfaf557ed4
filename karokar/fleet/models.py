"""Vehicles, what is done to keep them running, and what their odometers said."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, String, Text, and_, false, or_, select, text
from sqlalchemy.orm import Mapped, mapped_column

from karokar.events.fleet import (
    OdometerRecorded,
    OdometerVoided,
    VehicleActivated,
    VehicleCreated,
    VehicleMaintenanceCancelled,
    VehicleMaintenanceChanged,
    VehicleMaintenanceCompleted,
    VehicleMaintenanceScheduled,
    VehicleMaintenanceStarted,
    VehicleRetired,
    VehicleSuspended,
    VehicleUpdated,
)
from karokar.fleet import rules
from karokar.fleet.rules import Ownership, ReadingMark, SuspendedBy, VehicleStatus, WindowStatus
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.database.columns import NAME, indexes_of_key, key_of
from karokar.kernel.db import Aggregate, Base
from karokar.kernel.errors import RuleBroken, StateConflict
from karokar.kernel.text.notes import TYPED, Note, new_note


def _in(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


class Vehicle(Aggregate):
    """One vehicle of one organization. Its plate is unique among that organization's vehicles that are not retired.

    Others may have registered the same plate; only one of them gets its registration certificate approved.
    """

    __tablename__ = "vehicles"
    aggregate_type: ClassVar[str] = "Vehicle"
    label: ClassVar[str] = "vehicle"
    __table_args__ = (
        CheckConstraint(_in("ownership_type", Ownership), name="ownership_type_known"),
        CheckConstraint(_in("status", VehicleStatus), name="status_known"),
        CheckConstraint(_in("suspended_by", SuspendedBy), name="suspended_by_known"),
        CheckConstraint("(status = 'SUSPENDED') = (suspended_by IS NOT NULL)", name="suspension_has_a_kind"),
        CheckConstraint("year BETWEEN 1900 AND 2100", name="year_in_range"),
        CheckConstraint("seats BETWEEN 1 AND 100", name="seats_in_range"),
        CheckConstraint("odometer >= 0", name="odometer_not_negative"),
        Index(
            "uq_vehicles_plate",
            "organization_id",
            "plate_key",
            "plate_country",
            unique=True,
            postgresql_where=text("status <> 'RETIRED'"),
            sqlite_where=text("status <> 'RETIRED'"),
        ),
        Index("ix_vehicles_plate_key", "plate_key"),
        Index("ix_vehicles_organization_id_created_at", "organization_id", "created_at"),
        Index("ix_vehicles_offer", "status", "city_key", "category"),
        *indexes_of_key("vehicles"),
    )

    organization_id: Mapped[UUID] = mapped_column()  # organization's Organization
    ownership_type: Mapped[str] = mapped_column(String(20))
    make: Mapped[str] = mapped_column(String(60), info=NAME)
    model: Mapped[str] = mapped_column(String(60), info=NAME)
    search_key: Mapped[str] = key_of("make", "model", "license_plate", "plate_key")
    year: Mapped[int]
    license_plate: Mapped[str] = mapped_column(String(20))
    plate_key: Mapped[str] = mapped_column(String(20), info={"untracked": True})
    plate_country: Mapped[str] = mapped_column(String(2), server_default="", default="")
    category: Mapped[str] = mapped_column(String(20))
    seats: Mapped[int]
    city: Mapped[str] = mapped_column(String(80), info=NAME)
    city_key: Mapped[str] = mapped_column(String(80), info={"untracked": True})
    address: Mapped[str] = mapped_column(String(200), default="", info=TYPED)
    time_zone: Mapped[str] = mapped_column(String(60))
    odometer: Mapped[int] = mapped_column(default=0)
    status: Mapped[str] = mapped_column(String(20), default=VehicleStatus.PENDING.value)
    suspended_by: Mapped[str | None] = mapped_column(String(20))
    suspension_reason: Mapped[str] = mapped_column(String(40), default="")
    suspension_note: Mapped[str] = mapped_column(Text, default="", info=TYPED)
    suspended_at: Mapped[datetime | None]
    activated_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]

    @staticmethod
    def within(scope: Scope, actor: Actor) -> ColumnElement[bool]:
        """OWN: the organization's; MARKET: these and what vendors offer; SELF: what the person is assigned now."""
        if scope is Scope.SELF:
            if actor.user_id is None:
                return false()
            held = select(VehicleDriver.vehicle_id).where(
                VehicleDriver.employee_id == actor.user_id, VehicleDriver.ended_at.is_(None)
            )
            return Vehicle.id.in_(held)
        if actor.organization_id is None:
            return false()
        own = Vehicle.organization_id == actor.organization_id
        if scope is Scope.MARKET:
            offered = and_(
                Vehicle.ownership_type == Ownership.VENDOR_OWNED.value, Vehicle.status == VehicleStatus.ACTIVE.value
            )
            return or_(own, offered)
        return own

    @property
    def name(self) -> str:
        """What people call it: "Škoda Octavia · KK-A 1001"."""
        return f"{self.make} {self.model} · {self.license_plate}"

    @classmethod
    def register(
        cls, *, organization_id: UUID, ownership_type: str, odometer: int, **facts: Any
    ) -> tuple["Vehicle", VehicleCreated]:
        """Return a new PENDING vehicle, and the event. Raises RuleBroken for facts out of range."""
        rules.check_kilometres(odometer)
        vehicle = cls(
            organization_id=organization_id,
            ownership_type=Ownership(ownership_type).value,
            status=VehicleStatus.PENDING.value,
            odometer=odometer,
        )
        vehicle._take(**facts)
        return vehicle, VehicleCreated(**vehicle._facts())

    def edit(self, **facts: Any) -> VehicleUpdated:
        """Take over new facts (make, model, year, license_plate, plate_country, category, seats, city, address,
        time_zone).

        Raises RuleBroken for facts out of range, StateConflict for a retired vehicle.
        """
        if self.status == VehicleStatus.RETIRED:
            raise StateConflict("VEHICLE_RETIRED", "A retired vehicle stays as it was; register a new one instead.")
        self._take(**facts)
        return VehicleUpdated(**self._facts())

    def activate(self, *, by: SuspendedBy, at: datetime) -> VehicleActivated:
        """Put the vehicle on the road, at the request of `by` (its gates are the caller's to check).

        Raises StateConflict INVALID_VEHICLE_TRANSITION, and SUSPENSION_NOT_YOURS where another kind suspended it.
        """
        following = rules.VEHICLE_MACHINE.next(self.status, "activate")
        if self.suspended_by is not None and self.suspended_by != by:
            raise StateConflict("SUSPENSION_NOT_YOURS", _LIFTED_BY[SuspendedBy(self.suspended_by)])
        self.status = following.value
        self.suspended_by = None
        self.suspension_reason = ""
        self.suspension_note = ""
        self.suspended_at = None
        self.activated_at = at
        return VehicleActivated(vehicle_id=self.id, organization_id=self.organization_id)

    def suspend(self, *, by: SuspendedBy, reason: str, note: str, at: datetime) -> VehicleSuspended:
        """Take the vehicle off the road. The platform may do so over a suspension of another kind.

        Raises StateConflict INVALID_VEHICLE_TRANSITION, RuleBroken SUSPENSION_REASON for none of the listed reasons.
        """
        following = rules.VEHICLE_MACHINE.next(self.status, "suspend")
        if self.suspended_by is not None and (by is not SuspendedBy.PLATFORM or self.suspended_by == by):
            raise StateConflict("INVALID_VEHICLE_TRANSITION", "This vehicle is suspended already.", verb="suspend")
        if reason not in rules.SUSPENSION_REASONS and reason not in rules.DOCUMENT_REASONS:
            raise RuleBroken("SUSPENSION_REASON", "Choose a reason.", fields={"reason": "Choose a reason."})
        if reason == "OTHER" and not note.strip():
            raise RuleBroken("NOTE_NEEDED", "Say which reason.", fields={"note": "Say which reason."})
        self.status = following.value
        self.suspended_by = by.value
        self.suspension_reason = reason
        self.suspension_note = note.strip()
        self.suspended_at = at
        return VehicleSuspended(
            vehicle_id=self.id,
            organization_id=self.organization_id,
            suspended_by=by.value,
            reason=reason,
            note_id=new_note(self.suspension_note),
        )

    def retire(self, *, reason: str, at: datetime) -> VehicleRetired:
        """Take the vehicle out of the fleet for good. Raises StateConflict INVALID_VEHICLE_TRANSITION."""
        self.status = rules.VEHICLE_MACHINE.next(self.status, "retire").value
        self.suspended_by = None
        self.suspension_reason = ""
        self.suspension_note = ""
        self.suspended_at = None
        self.retired_at = at
        return VehicleRetired(vehicle_id=self.id, organization_id=self.organization_id, note_id=new_note(reason))

    def record(self, reading: "OdometerReading", *, odometer: int) -> OdometerRecorded:
        """Take a reading into the log; `odometer` is what the trusted readings now say."""
        self.odometer = odometer
        return OdometerRecorded(
            vehicle_id=self.id,
            organization_id=self.organization_id,
            reading_id=reading.id,
            kilometres=reading.kilometres,
            read_at=reading.read_at,
            source=reading.source,
            source_id=reading.source_id,
            mark=reading.mark,
        )

    def void(
        self, reading: "OdometerReading", *, by: UUID | None, reason: str, at: datetime, odometer: int
    ) -> OdometerVoided:
        """Declare a reading wrong; `odometer` is what the others say. Raises StateConflict, RuleBroken."""
        if reading.voided_at is not None:
            raise StateConflict("READING_VOIDED", "This reading was voided before.")
        if not reason.strip():
            raise RuleBroken("NOTE_NEEDED", "Say what is wrong with it.", fields={"reason": "Say what is wrong."})
        reading.voided_at = at
        reading.voided_by = by
        reading.void_reason = reason.strip()
        self.odometer = odometer
        return OdometerVoided(
            vehicle_id=self.id,
            organization_id=self.organization_id,
            reading_id=reading.id,
            kilometres=reading.kilometres,
            note_id=new_note(reading.void_reason),
        )

    def _take(self, **facts: Any) -> None:
        for name, value in facts.items():
            setattr(self, name, value)
        self.make, self.model, self.city = self.make.strip(), self.model.strip(), self.city.strip()
        self.address = (self.address or "").strip()
        rules.check_country(self.plate_country)
        self.license_plate = rules.tidy_plate(self.license_plate)
        self.plate_key = rules.plate_key(self.license_plate)
        self.city_key = rules.city_key(self.city)
        rules.check_facts(year=self.year, seats=self.seats, category=self.category)
        for name in ("make", "model", "city"):
            if not getattr(self, name):
                raise RuleBroken("FACT_MISSING", f"The vehicle needs a {name}.", fields={name: "This is needed."})

    def _facts(self) -> dict[str, Any]:
        names = ("ownership_type", "make", "model", "year", "license_plate", "category", "seats", "city")
        facts = {name: getattr(self, name) for name in names}
        return {"vehicle_id": self.id, "organization_id": self.organization_id, **facts}


_LIFTED_BY = {
    SuspendedBy.OWNER: "The owner suspended this vehicle; only the owner can put it back on the road.",
    SuspendedBy.PLATFORM: "The platform suspended this vehicle; only the platform can put it back on the road.",
    SuspendedBy.DOCUMENTS: "This vehicle is suspended because of its documents. It goes back on the road by itself as "
    "soon as all of them are approved; request the missing verifications.",
}


class VehicleCalendar(Base):
    """The row that everybody locks first who changes what a vehicle does when; one for each vehicle, for ever."""

    __tablename__ = "vehicle_calendars"

    vehicle_id: Mapped[UUID] = mapped_column(ForeignKey("vehicles.id"), primary_key=True)


class VehicleDriver(Base):
    """Who has, or is to get, a vehicle: kept by the events of assignments, so that a driver may see the vehicle."""

    __tablename__ = "vehicle_drivers"
    __table_args__ = (Index("ix_vehicle_drivers_employee_id", "employee_id"),)

    assignment_id: Mapped[UUID] = mapped_column(primary_key=True)  # assignment's Assignment
    vehicle_id: Mapped[UUID] = mapped_column(ForeignKey("vehicles.id"))
    employee_id: Mapped[UUID] = mapped_column()  # identity's User
    ended_at: Mapped[datetime | None]
    applied_seq: Mapped[int]


class MaintenanceWindow(Aggregate):
    """A period in which a vehicle is worked on. `start` and `end` are planned until the work begins and ends."""

    __tablename__ = "maintenance_windows"
    aggregate_type: ClassVar[str] = "MaintenanceWindow"
    label: ClassVar[str] = "maintenance window"
    __table_args__ = (
        CheckConstraint('"end" > start', name="ends_after_start"),
        CheckConstraint(_in("status", WindowStatus), name="status_known"),
        CheckConstraint(_in("kind", rules.WINDOW_KINDS), name="kind_known"),
        CheckConstraint("cost_minor >= 0", name="cost_not_negative"),
        CheckConstraint("(cost_minor IS NULL) = (cost_currency IS NULL)", name="cost_has_a_currency"),
        CheckConstraint("(status = 'COMPLETED') = (completed_at IS NOT NULL)", name="completed_at_when_completed"),
        CheckConstraint("(status = 'CANCELLED') = (cancelled_at IS NOT NULL)", name="cancelled_at_when_cancelled"),
        Index("ix_maintenance_windows_vehicle_id_start", "vehicle_id", "start"),
        Index("ix_maintenance_windows_organization_id_status", "organization_id", "status", "start"),
    )

    vehicle_id: Mapped[UUID] = mapped_column(ForeignKey("vehicles.id"))
    organization_id: Mapped[UUID] = mapped_column()  # organization's Organization, the vehicle's owner
    kind: Mapped[str] = mapped_column(String(20))
    description: Mapped[str] = mapped_column(Text, default="", info=TYPED)
    start: Mapped[datetime]
    end: Mapped[datetime]
    status: Mapped[str] = mapped_column(String(20), default=WindowStatus.SCHEDULED.value)
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    cancel_reason: Mapped[str] = mapped_column(Text, default="", info=TYPED)
    cost_minor: Mapped[int | None]
    cost_currency: Mapped[str | None] = mapped_column(String(3))

    @classmethod
    def schedule(
        cls, vehicle: Vehicle, *, kind: str, description: str, start: datetime, end: datetime, at: datetime
    ) -> tuple["MaintenanceWindow", VehicleMaintenanceScheduled]:
        """Return a new SCHEDULED window, and the event. Raises RuleBroken for a period or kind that cannot be."""
        if vehicle.status == VehicleStatus.RETIRED:
            raise StateConflict("VEHICLE_RETIRED", "A retired vehicle needs no maintenance.")
        window = cls(
            vehicle_id=vehicle.id,
            organization_id=vehicle.organization_id,
            status=WindowStatus.SCHEDULED.value,
        )
        window._plan(kind=kind, description=description, start=start, end=end)
        rules.check_lies_ahead(end, at)
        return window, VehicleMaintenanceScheduled(**window._facts())

    def change(
        self, *, kind: str, description: str, start: datetime, end: datetime, at: datetime
    ) -> VehicleMaintenanceChanged:
        """Move or describe the window anew. Once the work has begun its start stays, and its end lies ahead.

        Raises StateConflict INVALID_MAINTENANCE_TRANSITION, RuleBroken for a period that cannot be.
        """
        self.status = rules.WINDOW_MACHINE.next(self.status, "change").value
        if self.status == WindowStatus.IN_PROGRESS:
            start = self.start
            if end <= at:
                sentence = "The work goes on; its end lies ahead. To end it now, complete it."
                raise RuleBroken("END_IN_THE_PAST", sentence, fields={"end": sentence})
        self._plan(kind=kind, description=description, start=start, end=end)
        rules.check_lies_ahead(end, at)
        return VehicleMaintenanceChanged(**self._facts())

    def begin(self, *, at: datetime) -> VehicleMaintenanceStarted:
        """Start the work; a window that was planned for later begins now. Raises StateConflict, RuleBroken."""
        self.status = rules.WINDOW_MACHINE.next(self.status, "start").value
        if at >= self.end:
            sentence = "The planned end has passed. Move the window first, then start it."
            raise RuleBroken("END_IN_THE_PAST", sentence)
        self.start = min(self.start, at)
        self.started_at = at
        return VehicleMaintenanceStarted(**self._facts())

    def complete(
        self, *, at: datetime, cost_minor: int | None, cost_currency: str | None
    ) -> VehicleMaintenanceCompleted:
        """End the work. Raises StateConflict INVALID_MAINTENANCE_TRANSITION, RuleBroken for a cost that cannot be."""
        self.status = rules.WINDOW_MACHINE.next(self.status, "complete").value
        if cost_minor is not None and cost_minor < 0:
            raise RuleBroken("COST_NEGATIVE", "A cost is not negative.", fields={"cost": "A cost is not negative."})
        self.completed_at = at
        self.cost_minor = cost_minor
        self.cost_currency = cost_currency if cost_minor is not None else None
        return VehicleMaintenanceCompleted(**self._facts(), completed_at=at)

    def cancel(self, *, at: datetime, reason: str) -> VehicleMaintenanceCancelled:
        """Call the window off. Raises StateConflict INVALID_MAINTENANCE_TRANSITION."""
        self.status = rules.WINDOW_MACHINE.next(self.status, "cancel").value
        self.cancelled_at = at
        self.cancel_reason = reason.strip()
        return VehicleMaintenanceCancelled(**self._facts(), cancelled_at=at, note_id=new_note(self.cancel_reason))

    def _plan(self, *, kind: str, description: str, start: datetime, end: datetime) -> None:
        if kind not in rules.WINDOW_KINDS:
            raise RuleBroken(
                "KIND_UNKNOWN", "Choose what is to be done.", fields={"kind": "Choose what is to be done."}
            )
        rules.check_period(start, end)
        self.kind, self.description, self.start, self.end = kind, description.strip(), start, end

    def _facts(self) -> dict[str, Any]:
        names = ("vehicle_id", "organization_id", "kind", "start", "end")
        return {"window_id": self.id, **{name: getattr(self, name) for name in names}}


class FleetNote(Note, producer="fleet"):
    """What people typed about vehicles and their maintenance."""


class OdometerReading(Base):
    """What an odometer showed. Never changed or removed: an odd one is marked, a wrong one is voided."""

    __tablename__ = "odometer_readings"
    __table_args__ = (
        CheckConstraint("kilometres >= 0", name="kilometres_not_negative"),
        CheckConstraint(_in("source", rules.ReadingSource), name="source_known"),
        CheckConstraint(_in("mark", ReadingMark), name="mark_known"),
        Index("ix_odometer_readings_vehicle_id_read_at", "vehicle_id", "read_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    vehicle_id: Mapped[UUID] = mapped_column(ForeignKey("vehicles.id"))
    kilometres: Mapped[int]
    read_at: Mapped[datetime]
    source: Mapped[str] = mapped_column(String(20))
    source_id: Mapped[UUID | None]  # booking's Booking or assignment's Assignment of the handover or return
    mark: Mapped[str] = mapped_column(String(20), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[UUID | None]  # identity's User; none: the system
    voided_at: Mapped[datetime | None]
    voided_by: Mapped[UUID | None]  # identity's User
    void_reason: Mapped[str] = mapped_column(Text, default="")
