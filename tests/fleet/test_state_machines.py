"""Random people do random things to a vehicle and its maintenance: only what the tables allow ever happens."""

from datetime import timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy.exc import IntegrityError

from karokar.fleet import actions, queries
from karokar.fleet.rules import REQUIRED_DOCUMENTS, WINDOW_MACHINE, WindowStatus
from karokar.kernel import clock
from karokar.kernel.errors import DomainError
from tests.factories import booking as make
from tests.factories.booking import NOON, hours

FEW = settings(
    max_examples=12,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def succeeds(call) -> bool:
    try:
        call()
    except DomainError:
        return False
    return True


class VehicleLife(RuleBasedStateMachine):
    """A vehicle beside a model of it: status, who suspended it, whether its documents are complete."""

    @initialize(is_new=st.booleans())
    def begin(self, is_new):
        self.world = make.make_world()
        self.vehicle = self.world.vehicle
        self.documents = [
            make.verified("Vehicle", self.vehicle, self.world.vendor, kind) for kind in REQUIRED_DOCUMENTS
        ]
        self.is_complete = True
        self.status, self.by = "ACTIVE", None
        self.told = 0
        if is_new:
            make.change("vehicles", self.vehicle, status="PENDING")
            self.status = "PENDING"

    def expect(self, call, *, is_allowed, status, by=None):
        assert succeeds(call) is is_allowed
        if is_allowed:
            self.status, self.by = status, by
            self.told += 1

    @rule(is_complete=st.booleans())
    def documents_change(self, is_complete):
        make.change("verifications", self.documents[0], status="APPROVED" if is_complete else "REVOKED")
        self.is_complete = is_complete

    @rule()
    def the_owner_activates(self):
        mine = self.status == "PENDING" or self.by == "OWNER"
        with self.world.acting(self.world.vendor_admin):
            self.expect(
                lambda: actions.activate_vehicle(self.vehicle), is_allowed=mine and self.is_complete, status="ACTIVE"
            )

    @rule()
    def the_platform_activates(self):
        with self.world.acting(self.world.platform_admin):
            allowed = self.by == "PLATFORM" and self.is_complete
            self.expect(lambda: actions.activate_vehicle(self.vehicle), is_allowed=allowed, status="ACTIVE")

    @rule()
    def the_owner_suspends(self):
        with self.world.acting(self.world.vendor_admin):
            self.expect(
                lambda: actions.suspend_vehicle(self.vehicle, reason="DAMAGE"),
                is_allowed=self.status == "ACTIVE",
                status="SUSPENDED",
                by="OWNER",
            )

    @rule()
    def the_platform_suspends(self):
        allowed = self.status in {"ACTIVE", "SUSPENDED"} and self.by != "PLATFORM"
        with self.world.acting(self.world.platform_admin):
            self.expect(
                lambda: actions.suspend_vehicle(self.vehicle, reason="UNSAFE"),
                is_allowed=allowed,
                status="SUSPENDED",
                by="PLATFORM",
            )

    @rule()
    def the_documents_suspend(self):
        with clock.standing_at(NOON):
            actions.suspend_for_documents(self.vehicle, reason="DOCUMENT_EXPIRED")
        if self.status == "ACTIVE" and not self.is_complete:
            self.status, self.by = "SUSPENDED", "DOCUMENTS"
            self.told += 1

    @rule()
    def the_documents_lift(self):
        with clock.standing_at(NOON):
            actions.lift_document_suspension(self.vehicle)
        if self.by == "DOCUMENTS" and self.is_complete:
            self.status, self.by = "ACTIVE", None
            self.told += 1

    @rule()
    def the_owner_retires(self):
        with self.world.acting(self.world.vendor_admin):
            allowed = self.status != "RETIRED"
            self.expect(lambda: actions.retire_vehicle(self.vehicle), is_allowed=allowed, status="RETIRED")

    @rule()
    def strangers_do_nothing(self):
        with self.world.acting(self.world.company_admin):
            assert not succeeds(lambda: actions.suspend_vehicle(self.vehicle, reason="DAMAGE"))
            assert not succeeds(lambda: actions.retire_vehicle(self.vehicle))

    @invariant()
    def the_vehicle_is_what_the_model_says_and_told_each_change(self):
        if not hasattr(self, "vehicle"):
            return
        vehicle = queries.get_vehicle(self.vehicle)
        assert (vehicle.status, vehicle.suspended_by) == (self.status, self.by)
        assert len(make.told(self.vehicle)) == self.told


class MaintenanceLife(RuleBasedStateMachine):
    """A maintenance window beside a model of it, as time goes on."""

    @initialize()
    def begin(self):
        self.world = make.make_world()
        self.now = NOON
        self.start, self.end = NOON + hours(10), NOON + hours(20)
        with self.world.acting(self.world.vendor_admin):
            self.window = actions.schedule_maintenance(
                self.world.vehicle, kind="REPAIR", start=self.start, end=self.end
            )
        self.status = WindowStatus.SCHEDULED

    def attempt(self, verb, call, *, also=True):
        following = WINDOW_MACHINE.next(self.status, verb) if WINDOW_MACHINE.can(self.status, verb) else None
        with self.world.acting(self.world.vendor_admin, self.now):
            is_done = succeeds(call)
        assert is_done is (following is not None and also)
        if is_done:
            self.status = following
        return is_done

    @rule(step=st.integers(0, 12))
    def time_passes(self, step):
        self.now += hours(step)

    @rule(start=st.integers(-5, 30), length=st.integers(-1, 30))
    def it_is_moved(self, start, length):
        start_at, end_at = NOON + hours(start), NOON + hours(start + length)
        if self.status is WindowStatus.IN_PROGRESS:
            start_at = self.start
        fits = end_at > start_at and end_at > self.now
        version = queries_version(self.world, self.window)
        call = lambda: actions.change_maintenance(  # noqa: E731
            self.window, version=version, kind="REPAIR", start=start_at, end=end_at
        )
        if self.attempt("change", call, also=fits):
            self.start, self.end = start_at, end_at

    @rule()
    def it_begins(self):
        if self.attempt("start", lambda: actions.start_maintenance(self.window), also=self.now < self.end):
            self.start = min(self.start, self.now)

    @rule()
    def it_is_done(self):
        self.attempt("complete", lambda: actions.complete_maintenance(self.window))

    @rule()
    def it_is_called_off(self):
        self.attempt("cancel", lambda: actions.cancel_maintenance(self.window))

    @invariant()
    def the_window_is_what_the_model_says(self):
        if not hasattr(self, "window"):
            return
        with self.world.acting(self.world.vendor_admin):
            found = queries.get_window(self.window)
        assert (found.status, found.start, found.end) == (self.status, self.start, self.end)


def queries_version(world, window_id):
    with world.acting(world.vendor_admin):
        return queries.get_window(window_id).version


def test_a_vehicles_life_keeps_to_the_table(app):
    run_state_machine_as_test(VehicleLife, settings=FEW)


def test_a_maintenance_windows_life_keeps_to_the_table(app):
    run_state_machine_as_test(MaintenanceLife, settings=FEW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "PARKED"},
        {"status": "SUSPENDED", "suspended_by": None},
        {"status": "ACTIVE", "suspended_by": "OWNER"},
        {"status": "SUSPENDED", "suspended_by": "NEIGHBOUR"},
        {"year": 1899},
        {"seats": 0},
        {"odometer": -1},
        {"ownership_type": "NOBODYS"},
    ],
)
def test_the_database_refuses_a_vehicle_that_cannot_be(any_app, wrong):
    world = make.make_world()
    with pytest.raises(IntegrityError):
        make.change("vehicles", world.vehicle, **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"end": NOON},
        {"status": "COMPLETED"},
        {"status": "CANCELLED"},
        {"completed_at": NOON},
        {"kind": "WASH"},
        {"cost_minor": 5},
        {"cost_minor": -5, "cost_currency": "EUR"},
    ],
)
def test_the_database_refuses_a_window_that_cannot_be(any_app, wrong):
    world = make.make_world()
    with world.acting(world.vendor_admin):
        window_id = actions.schedule_maintenance(
            world.vehicle, kind="REPAIR", start=NOON + hours(1), end=NOON + timedelta(days=1)
        )
    with pytest.raises(IntegrityError):
        make.change("maintenance_windows", window_id, **wrong)
