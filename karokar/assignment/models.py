"""Assignments: which employee has which vehicle, and since when.

One that belongs to a booking follows it by its events; a direct one (of a company's own vehicle) is started and
completed by people. That no two live direct ones of a vehicle or of an employee overlap is a database constraint.
"""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, String, and_, false, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from karokar.assignment import rules
from karokar.assignment.rules import Status
from karokar.events.assignment import (
    AssignmentAccepted,
    AssignmentActivated,
    AssignmentClosed,
    AssignmentCompleted,
    AssignmentCreated,
    AssignmentFlagged,
    AssignmentOdometerCorrected,
    AssignmentRejected,
    AssignmentReminded,
)
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.db import Aggregate, Base
from karokar.kernel.errors import StateConflict
from karokar.kernel.text.notes import TYPED, Note, new_note
from karokar.kernel.vehicles.handover import (
    HandoverColumns,
    PhotoColumns,
    check_reading,
    correct_reading,
    time_of_return,
)

VEHICLE_OVERLAP = "ex_assignments_vehicle_no_overlap"
EMPLOYEE_OVERLAP = "ex_assignments_employee_no_overlap"
"""The constraints' names on PostgreSQL and the triggers' messages on SQLite."""

_LIVE_DIRECT_SQL = "booking_id IS NULL AND status IN ('PENDING', 'ACCEPTED', 'ACTIVE')"


class _Facts(TypedDict):
    assignment_id: UUID
    booking_id: UUID | None
    vehicle_id: UUID
    corporate_organization_id: UUID
    employee_id: UUID
    start: datetime
    end: datetime | None


class Assignment(Aggregate):
    """One employee is to have one vehicle for `[start, end)`; an open end lasts until it is returned."""

    __tablename__ = "assignments"
    aggregate_type = "Assignment"
    label = "assignment"

    booking_id: Mapped[UUID | None] = mapped_column(comment="booking.bookings; none for a company's own vehicle")
    vehicle_id: Mapped[UUID] = mapped_column(comment="fleet.vehicles")
    corporate_organization_id: Mapped[UUID] = mapped_column(comment="organization.organizations")
    employee_id: Mapped[UUID] = mapped_column(comment="identity.users")
    round: Mapped[int] = mapped_column(default=1)
    status: Mapped[str] = mapped_column(String(10))
    start: Mapped[datetime]
    end: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(String(500), default="")
    note: Mapped[str] = mapped_column(String(500), default="", info=TYPED, comment="Why the employee declined")
    answered_at: Mapped[datetime | None]
    activated_at: Mapped[datetime | None]
    actual_end: Mapped[datetime | None]
    reminded_hours: Mapped[int | None]
    flag: Mapped[str] = mapped_column(String(40), default="", comment="Why somebody has to fetch the vehicle")

    __table_args__ = (
        CheckConstraint('"end" IS NULL OR "end" > start', name="ends_after_start"),
        CheckConstraint(f"status IN ({', '.join(repr(status.value) for status in Status)})", name="status_is_known"),
        ExcludeConstraint(
            ("vehicle_id", "="),
            (text('tstzrange(start, "end")'), "&&"),
            where=text(_LIVE_DIRECT_SQL),
            using="gist",
            name=VEHICLE_OVERLAP,
        ).ddl_if(dialect="postgresql"),
        ExcludeConstraint(
            ("employee_id", "="),
            (text('tstzrange(start, "end")'), "&&"),
            where=text(_LIVE_DIRECT_SQL),
            using="gist",
            name=EMPLOYEE_OVERLAP,
        ).ddl_if(dialect="postgresql"),
        Index("uq_assignments_booking_id_round", "booking_id", "round", unique=True),
        Index(None, "vehicle_id", "start"),
        Index(None, "employee_id", "status", "start"),
        Index(None, "corporate_organization_id", "status", "start"),
        Index(None, "status", "start"),
    )

    @staticmethod
    def within(scope: Scope, actor: Actor) -> ColumnElement[bool]:
        """OWN is the acting company's; SELF what the person has there."""
        if actor.organization_id is None:
            return false()
        own = Assignment.corporate_organization_id == actor.organization_id
        if scope is Scope.OWN:
            return own
        if scope is Scope.SELF and actor.user_id is not None:
            return and_(own, Assignment.employee_id == actor.user_id)
        return false()

    @property
    def is_direct(self) -> bool:
        """Whether it is of the company's own vehicle, without a booking."""
        return self.booking_id is None

    @classmethod
    def create(
        cls,
        *,
        vehicle_id: UUID,
        corporate_organization_id: UUID,
        employee_id: UUID,
        start: datetime,
        end: datetime | None,
        booking_id: UUID | None = None,
        round: int = 1,  # noqa: A002 - the domain's word, as in the event
    ) -> tuple["Assignment", AssignmentCreated]:
        """Return a new assignment, waiting for the employee's answer, and its event. Raises PERIOD_INVALID."""
        rules.check_period(start, end)
        assignment = cls(
            booking_id=booking_id,
            vehicle_id=vehicle_id,
            corporate_organization_id=corporate_organization_id,
            employee_id=employee_id,
            round=round,
            status=Status.PENDING.value,
            start=start,
            end=end,
            reason="",
            note="",
            flag="",
        )
        return assignment, AssignmentCreated(**assignment._facts(), round=round)

    def accept(self, *, at: datetime) -> AssignmentAccepted:
        """The employee takes it. Raises INVALID_ASSIGNMENT_TRANSITION, ASSIGNMENT_OVER."""
        if self.end is not None and at >= self.end:
            raise StateConflict(
                "ASSIGNMENT_OVER", "The time of this assignment has passed; there is nothing to accept."
            )
        self._move("accept")
        self.answered_at = at
        return AssignmentAccepted(**self._facts())

    def reject(self, *, reason: str, at: datetime) -> AssignmentRejected:
        """The employee declines, and may say why. Raises INVALID_ASSIGNMENT_TRANSITION."""
        self._move("reject")
        self.answered_at, self.note = at, reason.strip()
        return AssignmentRejected(**self._facts(), note_id=new_note(self.note))

    def start_using(
        self, *, at: datetime, odometer: int | None = None, fuel_percent: int | None = None
    ) -> AssignmentActivated:
        """The employee has the vehicle. Raises INVALID_ASSIGNMENT_TRANSITION, READING_INVALID."""
        self._move("start")
        if odometer is not None and fuel_percent is not None:
            check_reading(odometer, fuel_percent)
        self.activated_at = at
        return AssignmentActivated(**self._facts(), activated_at=at, odometer=odometer, fuel_percent=fuel_percent)

    def complete(
        self,
        *,
        at: datetime,
        returned_at: datetime | None = None,
        odometer: int | None = None,
        fuel_percent: int | None = None,
    ) -> AssignmentCompleted:
        """The vehicle is back, since `returned_at` or just now.

        Raises INVALID_ASSIGNMENT_TRANSITION, READING_INVALID, RETURN_TIME_INVALID.
        """
        self._move("complete")
        if odometer is not None and fuel_percent is not None:
            check_reading(odometer, fuel_percent)
        self.actual_end = time_of_return(returned_at or at, self.activated_at, at)
        return AssignmentCompleted(
            **self._facts(), actual_end=self.actual_end, odometer=odometer, fuel_percent=fuel_percent
        )

    def correct_odometer(
        self, handover: HandoverColumns, odometer: int, *, at: datetime
    ) -> AssignmentOdometerCorrected:
        """Replace the reading of this assignment's handover or return, whatever its state. Raises READING_INVALID."""
        told = correct_reading(handover, odometer, self.corporate_organization_id, at)
        return AssignmentOdometerCorrected(**self._facts(), **told)

    def close(self, *, reason: str, at: datetime) -> AssignmentClosed:
        """End it administratively. Raises INVALID_ASSIGNMENT_TRANSITION."""
        was_active = self.status == Status.ACTIVE.value
        self._move("close")
        self.reason = reason
        if was_active:
            self.actual_end = at
        return AssignmentClosed(**self._facts(), reason=reason, closed_at=at)

    def remind(self, *, hours_before: int) -> AssignmentReminded:
        """Note that the employee was reminded to answer. Raises INVALID_ASSIGNMENT_TRANSITION."""
        self._move("remind")
        self.reminded_hours = hours_before
        return AssignmentReminded(**self._facts(), hours_before=hours_before)

    def raise_flag(self, *, reason: str) -> AssignmentFlagged:
        """Note that somebody has to fetch the vehicle. Raises INVALID_ASSIGNMENT_TRANSITION."""
        self._move("flag")
        self.flag = reason
        return AssignmentFlagged(**self._facts(), reason=reason)

    def _move(self, action: str) -> None:
        self.status = rules.MACHINE.next(self.status, action).value

    def _facts(self) -> _Facts:
        return {
            "assignment_id": self.id,
            "booking_id": self.booking_id,
            "vehicle_id": self.vehicle_id,
            "corporate_organization_id": self.corporate_organization_id,
            "employee_id": self.employee_id,
            "start": self.start,
            "end": self.end,
        }


class AssignmentHandover(HandoverColumns, Base):
    """What was found when a company's own vehicle went out (OUT) or came back (IN)."""

    __tablename__ = "assignment_handovers"
    __table_args__ = (
        CheckConstraint("kind IN ('OUT', 'IN')", name="kind_is_known"),
        Index("uq_assignment_handovers_assignment_id_kind", "assignment_id", "kind", unique=True),
    )

    assignment_id: Mapped[UUID] = mapped_column(ForeignKey("assignments.id"))


class AssignmentPhoto(PhotoColumns, Base):
    """A picture taken at a handover, kept with its record."""

    __tablename__ = "assignment_photos"

    handover_id: Mapped[UUID] = mapped_column(ForeignKey("assignment_handovers.id"), index=True)
    assignment_id: Mapped[UUID] = mapped_column(ForeignKey("assignments.id"), index=True)


class AssignmentNote(Note, producer="assignment"):
    """What people typed about assignments: why one was declined, and how the vehicle was at handover and return."""


class AssignmentSetting(Base):
    """A platform setting that decides about assignments, as its newest event told it."""

    __tablename__ = "assignment_settings"

    key: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[str] = mapped_column(String(200))
    changed_at: Mapped[datetime]
