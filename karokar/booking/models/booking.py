"""Bookings, their messages and their handover records.

A method of Booking checks the rule, changes the booking and returns the event that tells of it. That no two bookings
hold one vehicle at the same time is a constraint of the database (`no_overlap`, see the migration).
"""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, Index, String, and_, false, literal_column, or_, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from karokar.booking import rules
from karokar.booking.models.periods import AWAITED_SQL, LIVE_SQL, NO_OVERLAP, orders
from karokar.booking.rules import Status, Vacancy
from karokar.events.booking import (
    BookingActivated,
    BookingApproved,
    BookingAssigned,
    BookingCancelled,
    BookingCommented,
    BookingCompleted,
    BookingDelayed,
    BookingDiscarded,
    BookingDrafted,
    BookingEdited,
    BookingOdometerCorrected,
    BookingOverdue,
    BookingRejected,
    BookingReminded,
    BookingRequested,
    BookingTerminated,
    BookingVehicleAwaited,
    BookingVehicleReturned,
)
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.database.columns import NAME
from karokar.kernel.db import Aggregate
from karokar.kernel.errors import StateConflict
from karokar.kernel.text.notes import TYPED, new_note
from karokar.kernel.vehicles.handover import HandoverColumns, check_reading, correct_reading, time_of_return


class _Facts(TypedDict):
    booking_id: UUID
    reference: str
    vehicle_id: UUID
    vendor_organization_id: UUID
    corporate_organization_id: UUID
    requested_by: UUID
    start: datetime
    end: datetime


class Booking(Aggregate):
    """A company's wish for a vendor's vehicle, from draft to return. `[start, end)` is the booked period."""

    __tablename__ = "bookings"
    aggregate_type = "Booking"
    label = "booking"

    reference: Mapped[str] = mapped_column(String(12), unique=True)
    vehicle_id: Mapped[UUID] = mapped_column(comment="fleet.vehicles")
    place: Mapped[str] = mapped_column(
        String(300), comment="Where the vehicle is picked up, as it was when drafted", info=TYPED
    )
    place_time_zone: Mapped[str] = mapped_column(String(60))
    vendor_organization_id: Mapped[UUID] = mapped_column(comment="organization.organizations")
    corporate_organization_id: Mapped[UUID] = mapped_column(comment="organization.organizations")
    requested_by: Mapped[UUID] = mapped_column(comment="identity.users")
    employee_id: Mapped[UUID | None] = mapped_column(comment="identity.users; the choice of the current round")
    round: Mapped[int] = mapped_column(default=0)
    vacancy: Mapped[str | None] = mapped_column(
        String(10), info={"untracked": True}, comment="Why nobody drives in this round; the assignments' events say so"
    )
    start: Mapped[datetime]
    end: Mapped[datetime]
    held_until: Mapped[datetime | None] = mapped_column(comment="End plus the vendor's buffer, set at approval")
    status: Mapped[str] = mapped_column(String(12))
    purpose: Mapped[str] = mapped_column(String(500), default="", info={**NAME, **TYPED})
    reason: Mapped[str | None] = mapped_column(String(40))
    note: Mapped[str] = mapped_column(String(1000), default="", info=TYPED)
    offered_vehicle_id: Mapped[UUID | None] = mapped_column(comment="fleet.vehicles; offered with a rejection")
    submitted_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None] = mapped_column(
        comment="When it ceased to be a request: by either side or the clock"
    )
    activated_at: Mapped[datetime | None]
    actual_end: Mapped[datetime | None]
    overdue_at: Mapped[datetime | None] = mapped_column(comment="When the clock noticed that it is late")
    reminded_at: Mapped[datetime | None] = mapped_column(comment="When the clock reminded of the handover")
    delayed_at: Mapped[datetime | None] = mapped_column(comment="When the clock noticed that its vehicle is still out")
    awaited_since: Mapped[datetime | None] = mapped_column(comment="When it ended without bringing the vehicle back")
    returned_at: Mapped[datetime | None] = mapped_column(comment="When such a vehicle came back after all")

    __table_args__ = (
        CheckConstraint('"end" > start', name="ends_after_start"),
        CheckConstraint('held_until IS NULL OR held_until >= "end"', name="held_to_the_end"),
        CheckConstraint(f"NOT ({LIVE_SQL}) OR held_until IS NOT NULL", name="live_is_held"),
        CheckConstraint(f"status IN ({', '.join(repr(status.value) for status in Status)})", name="status_is_known"),
        ExcludeConstraint(
            ("vehicle_id", "="),
            (text("tstzrange(start, held_until)"), "&&"),
            where=text(LIVE_SQL),
            using="gist",
            name=NO_OVERLAP,
        ).ddl_if(dialect="postgresql"),
        *(Index(None, *columns) for columns in orders()),
        Index(None, "vehicle_id", "start"),
        Index(None, "employee_id"),
        Index(None, "requested_by"),
        Index(
            "ix_bookings_awaited",
            "vehicle_id",
            postgresql_where=text(AWAITED_SQL),
            sqlite_where=text(AWAITED_SQL),
        ),
        Index(
            "ix_bookings_period",
            text('tstzrange(start, "end")'),
            postgresql_using="gist",
            info={"dialects": ("postgresql",)},
        ).ddl_if(dialect="postgresql"),
        Index(
            "ix_bookings_reference_signs",
            literal_column("replace(reference, '-', '')").label("signs"),
            postgresql_using="gin",
            postgresql_ops={"signs": "gin_trgm_ops"},
            info={"dialects": ("postgresql",)},
        ).ddl_if(dialect="postgresql"),
    )

    @property
    def state(self) -> str:
        """The state that people are shown; see `rules.state_of`."""
        return rules.state_of(self.status, self.vacancy)

    @staticmethod
    def is_in(state: str) -> ColumnElement[bool]:
        """Bookings in a state that people are shown; see `rules.state_of`."""
        if state in set(Vacancy):
            return and_(Booking.status == Status.ASSIGNED.value, Booking.vacancy == state)
        if state == Status.ASSIGNED.value:
            return and_(Booking.status == state, Booking.vacancy.is_(None))
        return Booking.status == state

    @staticmethod
    def within(scope: Scope, actor: Actor) -> ColumnElement[bool]:
        """A vendor never sees drafts; SELF means the employee who gets the vehicle, or the requester."""
        own = actor.organization_id
        if own is None:
            return false()
        as_vendor = and_(Booking.vendor_organization_id == own, Booking.status != Status.DRAFT.value)
        as_corporate = Booking.corporate_organization_id == own
        if scope in {Scope.PARTY, Scope.OWN}:
            # An organization is one side of all its bookings; asking for both would keep the database off its indexes.
            sides = {"VENDOR": as_vendor, "CORPORATE": as_corporate}
            return sides.get(actor.organization_type or "", false())
        if scope is Scope.SELF and actor.user_id is not None:
            return and_(as_corporate, or_(Booking.employee_id == actor.user_id, Booking.requested_by == actor.user_id))
        return false()

    # --- drafting -----------------------------------------------------------------------------------------------------

    @classmethod
    def draft(
        cls,
        *,
        reference: str,
        vehicle_id: UUID,
        vendor_organization_id: UUID,
        corporate_organization_id: UUID,
        requested_by: UUID,
        start: datetime,
        end: datetime,
        purpose: str,
        place: str,
        place_time_zone: str,
    ) -> tuple["Booking", BookingDrafted]:
        """Return a new draft and its event. Raises PERIOD_INVALID, PERIOD_TOO_LONG."""
        rules.check_period(start, end)
        booking = cls(
            reference=reference,
            vehicle_id=vehicle_id,
            vendor_organization_id=vendor_organization_id,
            corporate_organization_id=corporate_organization_id,
            requested_by=requested_by,
            start=start,
            end=end,
            purpose=purpose.strip(),
            place=place,
            place_time_zone=place_time_zone,
            status=Status.DRAFT.value,
            round=0,
            note="",
        )
        return booking, BookingDrafted(**booking._facts())

    def edit(self, *, start: datetime, end: datetime, purpose: str) -> BookingEdited:
        """Change a draft's period or purpose. Raises INVALID_BOOKING_TRANSITION, PERIOD_INVALID, PERIOD_TOO_LONG."""
        self._move("edit")
        rules.check_period(start, end)
        self.start, self.end, self.purpose = start, end, purpose.strip()
        return BookingEdited(**self._facts())

    def discard(self) -> BookingDiscarded:
        """Give a draft up; the caller deletes it after publishing. Raises INVALID_BOOKING_TRANSITION."""
        rules.MACHINE.end_of(self.status, "discard")
        return BookingDiscarded(**self._facts())

    def submit(self, *, at: datetime) -> BookingRequested:
        """Ask the vendor. Raises INVALID_BOOKING_TRANSITION and what `rules.check_times` raises."""
        self._move("submit")
        rules.check_times(self.start, self.end, at)
        self.submitted_at = at
        return BookingRequested(**self._facts())

    # --- the vendor's answer ------------------------------------------------------------------------------------------

    def approve(self, *, held_until: datetime, at: datetime) -> BookingApproved:
        """Promise the vehicle until `held_until`. Raises as `submit`."""
        self._move("approve")
        rules.check_times(self.start, self.end, at)
        self.answered_at = at
        self.held_until = held_until
        return BookingApproved(**self._facts(), held_until=held_until)

    def reject(
        self, *, reason: str, note: str, at: datetime, offered_vehicle_id: UUID | None = None
    ) -> BookingRejected:
        """Turn the request down. Raises INVALID_BOOKING_TRANSITION, REASON_NEEDED."""
        self._move("reject")
        self.reason, self.note = reason, rules.check_reason(reason, note, rules.REJECT_REASONS)
        self.offered_vehicle_id = offered_vehicle_id
        self.answered_at = at
        return BookingRejected(
            **self._facts(), reason=self.reason, note_id=new_note(self.note), offered_vehicle_id=offered_vehicle_id
        )

    # --- who gets it --------------------------------------------------------------------------------------------------

    def assign(self, employee_id: UUID) -> BookingAssigned:
        """Choose the employee, in a new round. Raises INVALID_BOOKING_TRANSITION."""
        self._move("assign")
        self.employee_id = employee_id
        self.vacancy = None
        self.round += 1
        return BookingAssigned(**self._facts(), employee_id=employee_id, round=self.round)

    def activate(self, *, odometer: int, fuel_percent: int, at: datetime) -> BookingActivated:
        """Hand the vehicle over. Raises INVALID_BOOKING_TRANSITION, TOO_EARLY, TOO_LATE, READING_INVALID."""
        self._move("activate")
        rules.check_handover_time(self.start, self.end, at)
        check_reading(odometer, fuel_percent)
        self.activated_at = at
        return BookingActivated(
            **self._facts(),
            employee_id=self.employee_id,
            activated_at=at,
            odometer=odometer,
            fuel_percent=fuel_percent,
        )

    # --- how it ends --------------------------------------------------------------------------------------------------

    def complete(
        self, *, odometer: int, fuel_percent: int, is_damaged: bool, returned_at: datetime, at: datetime
    ) -> BookingCompleted:
        """Take the vehicle back. Raises INVALID_BOOKING_TRANSITION, READING_INVALID, RETURN_TIME_INVALID."""
        self._move("complete")
        check_reading(odometer, fuel_percent)
        self.actual_end = time_of_return(returned_at, self.activated_at, at)
        return BookingCompleted(
            **self._facts(),
            employee_id=self.employee_id,
            actual_end=self.actual_end,
            odometer=odometer,
            fuel_percent=fuel_percent,
            is_damaged=is_damaged,
        )

    def cancel(self, *, reason: str, note: str, at: datetime, by_vendor: bool = False) -> BookingCancelled:
        """Call it off. Raises INVALID_BOOKING_TRANSITION (a vendor: also before it approved), REASON_NEEDED."""
        former = Status(self.status)
        if by_vendor and former not in rules.VENDOR_CANCELS and rules.MACHINE.can(former, "cancel"):
            raise StateConflict(
                "INVALID_BOOKING_TRANSITION",
                "You have not approved this booking, so there is nothing to cancel. Reject the request instead.",
                status=former.value,
                action="cancel",
            )
        self._move("cancel")
        return self._called_off(former, reason, rules.check_reason(reason, note, rules.CANCEL_REASONS), at)

    def cancel_for_suspension(self, *, at: datetime) -> BookingCancelled:
        """Call it off because one of its organizations was suspended. Raises INVALID_BOOKING_TRANSITION."""
        former = Status(self.status)
        self._move("cancel")
        return self._called_off(former, "ORGANIZATION_SUSPENDED", "", at)

    def expire(self, *, at: datetime) -> BookingCancelled:
        """Call an unanswered request off. Raises INVALID_BOOKING_TRANSITION, also before its time."""
        former = Status(self.status)
        if self.submitted_at is not None and at < rules.unanswered_at(self.start, self.submitted_at):
            raise StateConflict("INVALID_BOOKING_TRANSITION", "The request can still be answered.")
        self._move("expire")
        return self._called_off(former, "UNANSWERED", "", at)

    def give_up(self, *, at: datetime, reason: str = "NO_SHOW") -> BookingCancelled:
        """Call a booking off that nobody collected, for a reason of `rules.why_not_collected`.

        Raises INVALID_BOOKING_TRANSITION, also before its end.
        """
        former = Status(self.status)
        if at < self.end:
            raise StateConflict("INVALID_BOOKING_TRANSITION", "The vehicle can still be collected.")
        self._move("give_up")
        return self._called_off(former, reason, "", at)

    def terminate(self, *, reason: str, note: str, at: datetime) -> BookingTerminated:
        """End a running booking before its return. Raises INVALID_BOOKING_TRANSITION, REASON_NEEDED."""
        self._move("terminate")
        self.reason, self.note = reason, rules.check_reason(reason, note, rules.TERMINATE_REASONS)
        self.actual_end = at
        return BookingTerminated(
            **self._facts(),
            employee_id=self.employee_id,
            reason=self.reason,
            note_id=new_note(self.note),
            actual_end=at,
        )

    @property
    def is_awaited(self) -> bool:
        """Whether the booking has ended and its vehicle is still to come back."""
        return self.awaited_since is not None and self.returned_at is None

    def await_return(self, *, at: datetime) -> BookingVehicleAwaited:
        """Note that the booking, which has just ended, has not brought the vehicle back.

        Raises INVALID_BOOKING_TRANSITION.
        """
        if self.status != Status.TERMINATED.value or self.reason not in rules.NOT_BACK:
            raise StateConflict("INVALID_BOOKING_TRANSITION", "This booking has not ended without its vehicle.")
        self.awaited_since = at
        return BookingVehicleAwaited(**self._facts(), employee_id=self.employee_id, since=at)

    def bring_back(
        self,
        *,
        odometer: int | None,
        fuel_percent: int | None,
        is_damaged: bool,
        returned_at: datetime,
        at: datetime,
    ) -> BookingVehicleReturned:
        """Take back a vehicle whose booking had ended without it; without readings where nobody noted any.

        Raises INVALID_BOOKING_TRANSITION, also where it is not awaited, READING_INVALID, RETURN_TIME_INVALID.
        """
        self._move("bring_back")
        if not self.is_awaited:
            raise StateConflict(
                "INVALID_BOOKING_TRANSITION", "The vehicle of this booking is back already. Open it again to see it."
            )
        if odometer is not None and fuel_percent is not None:
            check_reading(odometer, fuel_percent)
        self.returned_at = time_of_return(returned_at, self.activated_at, at)
        return BookingVehicleReturned(
            **self._facts(),
            employee_id=self.employee_id,
            returned_at=self.returned_at,
            odometer=odometer,
            fuel_percent=fuel_percent,
            is_damaged=is_damaged,
        )

    def correct_odometer(self, handover: HandoverColumns, odometer: int, *, at: datetime) -> BookingOdometerCorrected:
        """Replace the reading of this booking's handover or return, whatever its state. Raises READING_INVALID."""
        told = correct_reading(handover, odometer, self.vendor_organization_id, at)
        return BookingOdometerCorrected(**self._facts(), employee_id=self.employee_id, **told)

    # --- on the way ---------------------------------------------------------------------------------------------------

    def run_late(self, *, at: datetime) -> BookingOverdue:
        """Note, once, that the vehicle is late. Raises INVALID_BOOKING_TRANSITION, also before the end or twice."""
        if self.overdue_at is not None or at < self.end:
            raise StateConflict("INVALID_BOOKING_TRANSITION", "The booking is not late, or is known to be.")
        self._move("run_late")
        self.overdue_at = at
        return BookingOverdue(**self._facts(), employee_id=self.employee_id)

    def remind(self, *, at: datetime) -> BookingReminded:
        """Note, once, that nobody has collected the vehicle. Raises INVALID_BOOKING_TRANSITION, also when too soon."""
        if self.reminded_at is not None or at < self.start + rules.GRACE:
            raise StateConflict("INVALID_BOOKING_TRANSITION", "It is too soon for a reminder, or it was sent.")
        self._move("remind")
        self.reminded_at = at
        return BookingReminded(**self._facts(), employee_id=self.employee_id)

    def delay(self, *, due_back: datetime, at: datetime) -> BookingDelayed:
        """Note, once, that the vehicle is still out with an earlier booking. Raises INVALID_BOOKING_TRANSITION."""
        if self.delayed_at is not None:
            raise StateConflict("INVALID_BOOKING_TRANSITION", "This has been noted already.")
        self._move("delay")
        self.delayed_at = at
        return BookingDelayed(**self._facts(), employee_id=self.employee_id, due_back=due_back)

    def comment(self, comment_id: UUID, by_organization_id: UUID) -> BookingCommented:
        """Return the event of a message between the two sides. Raises STILL_A_DRAFT where nobody could read it."""
        if self.status == Status.DRAFT.value:
            raise StateConflict("STILL_A_DRAFT", "Send the request first; the vendor can't see a draft.")
        return BookingCommented(**self._facts(), comment_id=comment_id, by_organization_id=by_organization_id)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _move(self, action: str) -> None:
        target = rules.MACHINE.next(self.status, action)
        if target is not None:
            self.status = target.value

    def _called_off(self, former: Status, reason: str, note: str, at: datetime) -> BookingCancelled:
        self.reason, self.note = reason, note
        self.answered_at = self.answered_at or at
        return BookingCancelled(
            **self._facts(),
            employee_id=self.employee_id,
            reason=reason,
            note_id=new_note(note),
            cancelled_at=at,
            former_status=former.value,
        )

    def _facts(self) -> _Facts:
        return {
            "booking_id": self.id,
            "reference": self.reference,
            "vehicle_id": self.vehicle_id,
            "vendor_organization_id": self.vendor_organization_id,
            "corporate_organization_id": self.corporate_organization_id,
            "requested_by": self.requested_by,
            "start": self.start,
            "end": self.end,
        }
