"""What the fleet does about other contexts' facts, through the real delivery path."""

from datetime import timedelta

import pytest

from karokar.assignment import actions as assignments
from karokar.booking import actions as bookings
from karokar.fleet import actions, queries
from karokar.fleet.handlers import know_driver
from karokar.fleet.models import VehicleDriver
from karokar.kernel import clock
from karokar.kernel.db import db, transaction
from karokar.kernel.errors import NotFound
from karokar.outbox.delivery.drain import drain_all
from karokar.verification import actions as verifications
from tests.factories import booking as make
from tests.factories import fleet, people
from tests.factories.booking import hours


def status(vehicle_id):
    db.session.rollback()
    vehicle = queries.get_vehicle(vehicle_id)
    return vehicle.status, vehicle.suspended_by


def test_a_revoked_document_takes_the_vehicle_off_the_road_and_a_new_one_brings_it_back(any_app):
    vendor, platform = people.make_vendor(), people.platform_admin()
    vehicle_id = fleet.make_vehicle(vendor, status="PENDING")
    papers = fleet.cover(vendor, vehicle_id)
    with people.acting(vendor.admin):
        actions.activate_vehicle(vehicle_id)
    with people.acting(platform):
        verifications.revoke_verification(papers["VEHICLE_INSURANCE"], reason="OTHER", note="The insurer called")
    drain_all()
    assert status(vehicle_id) == ("SUSPENDED", "DOCUMENTS")
    people.verify("Vehicle", vehicle_id, "VEHICLE_INSURANCE", by=vendor.admin)
    drain_all()
    assert status(vehicle_id) == ("ACTIVE", None)


def test_an_expired_document_suspends_only_what_nothing_else_covers(app):
    vendor = people.make_vendor()
    covered, bare = fleet.make_vehicle(vendor, days=5), fleet.make_vehicle(vendor, days=5)
    fleet.cover(vendor, covered, days=365)
    drain_all()
    with clock.standing_at(clock.now() + timedelta(days=6)):
        verifications.expire_verifications()
        drain_all()
        assert status(covered) == ("ACTIVE", None)
        assert status(bare) == ("SUSPENDED", "DOCUMENTS")


def test_what_the_owner_suspended_is_not_lifted_by_documents(app):
    vendor = people.make_vendor()
    vehicle_id = fleet.make_vehicle(vendor, status="SUSPENDED")
    people.verify("Vehicle", vehicle_id, "VEHICLE_INSURANCE", by=vendor.admin)
    drain_all()
    assert status(vehicle_id) == ("SUSPENDED", "OWNER")


def test_handovers_and_returns_are_read_into_the_log_once(any_app):
    world = make.make_world()
    booking = world.active()
    with world.acting(world.vendor_admin, booking.start + hours(5)):
        bookings.complete_booking(booking.id, 10_200, 60)
    world.deliver(booking.start + hours(6))
    world.deliver(booking.start + hours(6))
    with world.acting(world.vendor_admin):
        readings = queries.list_readings(world.vehicle)
    assert [(row.source, row.kilometres, row.mark) for row in readings] == [
        ("RETURN", 10_200, ""),
        ("HANDOVER", 10_000, ""),
    ]
    assert queries.get_vehicle(world.vehicle).odometer == 10_200


def test_a_return_below_the_handover_is_kept_marked_and_not_believed(app):
    world = make.make_world()
    booking = world.active()
    with world.acting(world.vendor_admin, booking.start + hours(5)):
        bookings.complete_booking(booking.id, 999_999, 60)
    world.deliver(booking.start + hours(6))
    with world.acting(world.vendor_admin):
        newest = queries.list_readings(world.vehicle)[0]
    assert newest.mark == "IMPLAUSIBLE"
    assert queries.get_vehicle(world.vehicle).odometer == 10_000


def test_a_direct_assignments_readings_are_in_the_companys_log(app):
    world = make.make_world()
    assignment = world.direct(end=None)
    with world.acting(world.employee):
        assignments.accept_assignment(assignment.id)
    with world.acting(world.employee, assignment.start):
        assignments.start_assignment(assignment.id, 10_010, 90)
    with world.acting(world.employee, assignment.start + hours(8)):
        assignments.complete_assignment(assignment.id, 10_090, 70)
    world.deliver(assignment.start + hours(9))
    with world.acting(world.company_admin):
        readings = queries.list_readings(world.own_vehicle)
    assert [(row.source, row.kilometres, row.source_id) for row in readings] == [
        ("RETURN", 10_090, assignment.id),
        ("HANDOVER", 10_010, assignment.id),
    ]


def test_a_driver_sees_the_vehicle_as_long_as_it_is_assigned_to_them(any_app):
    world = make.make_world()
    with world.acting(world.employee), pytest.raises(NotFound):
        queries.get_seen(world.vehicle)
    booking = world.accepted()
    with world.acting(world.employee):
        assert queries.get_seen(world.vehicle).id == world.vehicle
        assert [row.id for row in queries.list_vehicles().rows] == [world.vehicle]
        assert queries.list_readings(world.vehicle) == []
    with world.acting(world.colleague), pytest.raises(NotFound):
        queries.get_seen(world.vehicle)
    with world.acting(world.company_admin):
        bookings.cancel_booking(booking.id, "PLANS_CHANGED", "Not needed")
    world.deliver()
    with world.acting(world.employee), pytest.raises(NotFound):
        queries.get_seen(world.vehicle)


def test_work_that_goes_on_beyond_its_planned_end_lasts_until_now(app):
    world = make.make_world()
    with world.acting(world.vendor_admin):
        window_id = actions.schedule_maintenance(
            world.vehicle, kind="REPAIR", start=world.start, end=world.start + hours(2)
        )
    with world.acting(world.vendor_admin, world.start):
        actions.start_maintenance(window_id)
    late = world.start + hours(5)
    with clock.standing_at(late):
        assert [row.id for row in queries.windows(world.vehicle, late - hours(1), late + hours(3))] == [window_id]
        assert queries.windows(world.vehicle, late + hours(1), late + hours(3)) == []


def test_a_driver_is_known_alike_when_the_same_facts_come_again(app):
    world = make.make_world()
    world.accepted()
    db.session.rollback()
    (row,) = db.session.query(VehicleDriver).all()
    assert (row.employee_id, row.ended_at, row.applied_seq) == (world.employee.user_id, None, 2)
    with transaction():
        for again in make_envelopes(row.assignment_id):
            know_driver(again)
    db.session.rollback()
    (row,) = db.session.query(VehicleDriver).all()
    assert (row.ended_at, row.applied_seq) == (None, 2)


def make_envelopes(assignment_id):
    from karokar.events.base import Envelope
    from karokar.kernel.ids import new_id

    for number, event in enumerate(make.told(assignment_id), start=1):
        yield Envelope(
            position=number,
            event_id=new_id(),
            event=event,
            aggregate_type="Assignment",
            aggregate_id=assignment_id,
            aggregate_seq=number,
            occurred_at=clock.now(),
        )
