"""Two people at one vehicle at the same moment: one of them is refused, and neither waits for the other for ever."""

import threading

from karokar.booking import actions as bookings
from karokar.fleet import actions, queries
from karokar.kernel.db import db
from karokar.kernel.errors import DomainError
from tests.factories import booking as make
from tests.factories import fleet


def at_once(app, *works):
    """Do all of this at the same moment, each in a thread with a connection of its own; return what each met."""
    barrier = threading.Barrier(len(works))
    met = [None] * len(works)

    def run(number, work):
        with app.app_context():
            try:
                barrier.wait(30)
                work()
            except DomainError as refusal:
                met[number] = refusal.code
            except BaseException as error:
                met[number] = error
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(number, work)) for number, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return met


def test_a_vehicle_is_never_retired_and_booked_at_once(any_app):
    world = make.make_world()
    asked = world.requested()
    db.session.rollback()

    def approve():
        with world.acting(world.vendor_admin):
            bookings.approve_booking(asked_id)

    def retire():
        with world.acting(world.vendor_admin):
            actions.retire_vehicle(world.vehicle)

    asked_id = asked.id
    db.session.remove()
    met = at_once(any_app, approve, retire)
    vehicle, booking = queries.get_vehicle(world.vehicle), make.booking(asked_id)
    assert sorted(one is None for one in met) == [False, True], met
    assert (vehicle.status, booking.status) in {("RETIRED", "REQUESTED"), ("ACTIVE", "APPROVED")}
    assert all(one is None or isinstance(one, str) for one in met), met


def test_of_many_who_register_one_plate_one_succeeds(any_app):
    world = make.make_world()
    given = fleet.facts(license_plate="KA 99 RR 0001")
    db.session.remove()

    def register():
        with world.acting(world.vendor_admin):
            actions.register_vehicle(**given)

    met = at_once(any_app, *[register] * 4)
    assert sorted(map(str, met)) == ["LICENSE_PLATE_TAKEN"] * 3 + ["None"]


def test_of_many_who_suspend_at_once_one_succeeds(any_app):
    world = make.make_world()
    db.session.remove()

    def suspend():
        with world.acting(world.vendor_admin):
            actions.suspend_vehicle(world.vehicle, reason="DAMAGE")

    met = at_once(any_app, *[suspend] * 4)
    assert sorted(map(str, met)) == ["INVALID_VEHICLE_TRANSITION"] * 3 + ["None"]
    assert [event.event_type for event in make.told(world.vehicle)] == ["VehicleSuspended"]
