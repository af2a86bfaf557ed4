"""Random deeds against the table and against the database: whatever is tried, no two bookings hold a vehicle at once."""

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from karokar.booking import actions, rules
from karokar.booking.models import Booking
from karokar.booking.rules import Status
from karokar.kernel.db import Base, db, transaction
from karokar.kernel.errors import DomainError
from karokar.kernel.ids import new_id
from tests.factories import booking as make
from tests.factories.booking import NOON, hours

PERIODS = st.tuples(st.integers(0, 20), st.integers(1, 8))
REFUSALS = {
    "INVALID_BOOKING_TRANSITION",
    "VEHICLE_NOT_AVAILABLE",
    "EMPLOYEE_NOT_ELIGIBLE",
    "NOT_ACCEPTED",
    "VEHICLE_STILL_OUT",
}


class BookingMachine(RuleBasedStateMachine):
    """What is known here is only each booking's state; what the database says must agree after each step."""

    made = Bundle("made")

    def __init__(self) -> None:
        super().__init__()
        self.world = make.make_world(buffer_minutes=60)
        self.vehicles = [self.world.vehicle, make.vehicle(self.world.vendor)]
        self.known: dict[object, Status] = {}

    @rule(target=made, which=st.integers(0, 1), period=PERIODS)
    def draft(self, which: int, period: tuple[int, int]) -> object:
        start = self.world.start + hours(period[0])
        one = self.world.drafted(vehicle_id=self.vehicles[which], start=start, end=start + hours(period[1]))
        self.known[one.id] = Status.DRAFT
        return one.id

    def _try(self, one: object, action: str, who: object, at: object, act: object) -> None:
        before = self.known[one]
        try:
            with self.world.acting(who, at):
                act()
        except DomainError as error:
            refusal = error.code
        else:
            refusal = ""
        if refusal == "NOT_FOUND":
            assert before is Status.DRAFT  # which a vendor does not see
            return
        if refusal:
            assert refusal in REFUSALS
            assert refusal != "INVALID_BOOKING_TRANSITION" or not rules.MACHINE.can(before, action)
            return
        target = rules.MACHINE.end_of(before, action)
        assert target is not None
        self.known[one] = target

    @rule(one=made)
    def submit(self, one: object) -> None:
        self._try(one, "submit", self.world.company_admin, NOON, lambda: actions.submit_booking(one))

    @rule(one=made)
    def approve(self, one: object) -> None:
        self._try(one, "approve", self.world.vendor_admin, NOON, lambda: actions.approve_booking(one))

    @rule(one=made)
    def reject(self, one: object) -> None:
        self._try(one, "reject", self.world.vendor_admin, NOON, lambda: actions.reject_booking(one, "OTHER", "Note"))

    @rule(one=made)
    def cancel(self, one: object) -> None:
        self._try(one, "cancel", self.world.company_admin, NOON, lambda: actions.cancel_booking(one, "OTHER", "Note"))

    @rule(one=made)
    def assign(self, one: object) -> None:
        who = self.world.employee.user_id
        self._try(one, "assign", self.world.company_admin, NOON, lambda: actions.assign_booking(one, who))
        self.world.deliver()

    @rule(one=made)
    def accept_and_activate(self, one: object) -> None:
        booking = make.booking(one)
        if booking.status == Status.ASSIGNED:
            newest = make.assignment_of(one)
            if newest.status == "PENDING":
                with self.world.acting(self.world.employee):
                    make.assignments.accept_assignment(newest.id)
        start = booking.start
        self._try(one, "activate", self.world.vendor_admin, start, lambda: actions.activate_booking(one, 1, 1))
        self.world.deliver(start)

    @rule(one=made)
    def complete(self, one: object) -> None:
        end = make.booking(one).end
        self._try(one, "complete", self.world.vendor_admin, end, lambda: actions.complete_booking(one, 1, 1))
        self.world.deliver(end)

    @rule(one=made)
    def terminate(self, one: object) -> None:
        end = make.booking(one).end
        self._try(
            one, "terminate", self.world.company_admin, end, lambda: actions.terminate_booking(one, "OTHER", "Note")
        )

    @rule(one=consumes(made))
    def discard(self, one: object) -> None:
        before = self.known[one]
        try:
            with self.world.acting(self.world.company_admin):
                actions.discard_booking(one)
        except DomainError:
            assert before is not Status.DRAFT
            return
        assert before is Status.DRAFT
        del self.known[one]

    @invariant()
    def the_database_agrees_and_nothing_overlaps(self) -> None:
        db.session.rollback()
        rows = db.session.scalars(select(Booking).where(Booking.vehicle_id.in_(self.vehicles))).all()
        assert {row.id: row.status for row in rows} == {one: status.value for one, status in self.known.items()}
        held = [row for row in rows if row.status in rules.LIVE]
        for row in held:
            for other in held:
                if row.id != other.id and row.vehicle_id == other.vehicle_id:
                    assert not rules.overlaps(row.start, row.held_until, other.start, other.held_until)


@pytest.mark.timeout(300)
def test_no_deed_breaks_the_table_or_lets_two_bookings_hold_a_vehicle(any_app: Flask) -> None:
    run_state_machine_as_test(
        BookingMachine,
        settings=settings(
            max_examples=6,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


# --- the constraint alone, without the code that asks before ------------------------------------------------------


def _row(world: make.World, first: int, last: int, status: str = "APPROVED") -> dict[str, object]:
    start, end = world.start + hours(first), world.start + hours(last)
    return {
        "id": new_id(), "reference": rules.new_reference(), "vehicle_id": world.vehicle, "place": "Berlin",
        "place_time_zone": "Europe/Berlin", "vendor_organization_id": world.vendor,
        "corporate_organization_id": world.company, "requested_by": world.company_admin.user_id, "round": 0,
        "start": start, "end": end, "held_until": end, "status": status, "purpose": "", "note": "",
        "created_at": NOON, "updated_at": NOON, "version": 1, "event_count": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        ((0, 4), (4, 8), True),
        ((0, 4), (3, 8), False),
        ((4, 8), (0, 5), False),
        ((0, 8), (2, 3), False),
        ((2, 3), (0, 8), False),
        ((0, 4), (0, 4), False),
        ((4, 8), (0, 4), True),
    ],
)
def test_the_database_itself_keeps_two_live_bookings_apart(any_app: Flask, first, second, fits) -> None:
    world = make.make_world()
    table = Base.metadata.tables["bookings"]

    def write() -> None:
        with transaction() as session:
            session.execute(insert(table).values(_row(world, *second)))

    with transaction() as session:
        session.execute(insert(table).values(_row(world, *first)))
    if fits:
        write()
        return
    with pytest.raises(IntegrityError, match="ex_bookings_no_overlap"):
        write()
    with transaction() as session:
        session.execute(insert(table).values(_row(world, *second, status="REQUESTED")))
    with pytest.raises(IntegrityError, match="ex_bookings_no_overlap"), transaction() as session:
        session.execute(table.update().where(table.c.status == "REQUESTED").values(status="APPROVED"))


def test_a_booking_that_is_over_holds_nothing(any_app: Flask) -> None:
    world = make.make_world()
    table = Base.metadata.tables["bookings"]
    with transaction() as session:
        for status in ("COMPLETED", "CANCELLED", "TERMINATED", "REJECTED", "REQUESTED", "DRAFT", "ACTIVE"):
            session.execute(insert(table).values(_row(world, 0, 4, status)))
