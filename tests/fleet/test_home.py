"""What the fleet puts on somebody's home page, and what the search box finds of it."""

from karokar.fleet import actions, queries
from karokar.kernel import clock
from karokar.kernel.db import db
from tests.factories import booking as make
from tests.factories import fleet, people
from tests.factories.booking import NOON, hours


def waiting(world, who, at):
    with world.acting(who, at):
        return [item.title for item in queries.list_waiting_for(who)]


def test_maintenance_that_should_have_begun_or_ended_waits_for_the_owner_alone(app):
    world = make.make_world()
    with world.acting(world.vendor_admin):
        window_id = actions.schedule_maintenance(
            world.vehicle, kind="TYRES", start=NOON + hours(1), end=NOON + hours(3)
        )
    assert waiting(world, world.vendor_admin, NOON) == []
    label = queries.get_vehicle(world.vehicle).label
    assert waiting(world, world.vendor_admin, NOON + hours(2)) == [f"Start tyres of {label}"]
    with world.acting(world.vendor_admin, NOON + hours(2)):
        actions.start_maintenance(window_id)
    assert waiting(world, world.vendor_admin, NOON + hours(2.5)) == []
    assert waiting(world, world.vendor_admin, NOON + hours(4)) == [f"Finish tyres of {label}"]
    assert waiting(world, world.company_admin, NOON + hours(4)) == []
    with world.acting(world.vendor_admin, NOON + hours(4)):
        actions.complete_maintenance(window_id, cost_minor=12_50, cost_currency="EUR")
    assert waiting(world, world.vendor_admin, NOON + hours(5)) == []


def test_a_newcomer_is_led_from_the_first_vehicle_to_the_road(app):
    vendor = people.make_vendor()
    actor = people.actor_of(vendor.admin)

    def told():
        db.session.rollback()
        with people.acting(vendor.admin):
            return [(item.title, item.endpoint) for item in queries.list_waiting_for(actor)]

    assert told() == [("Register the first vehicle", "fleet.new")]
    registered = fleet.make_vehicle(vendor, status="PENDING")
    assert told() == [("One vehicle is not on the road yet", "fleet.index")]
    with people.acting(vendor.admin):
        actions.retire_vehicle(registered)
    assert told() == []


def test_the_search_box_finds_a_plate_however_it_is_spelt_and_only_what_may_be_seen(app):
    world = make.make_world()
    plate = queries.get_vehicle(world.vehicle).license_plate
    own_plate = queries.get_vehicle(world.own_vehicle).license_plate

    def hits(who, text):
        with world.acting(who), clock.standing_at(NOON):
            return [hit.values["vehicle_id"] for hit in queries.search(who, text)]

    for spelling in (plate, plate.lower(), plate.replace(" ", "").replace("-", "")):
        assert hits(world.vendor_admin, spelling) == [str(world.vehicle)]
        assert hits(world.company_admin, spelling) == [str(world.vehicle)]
    assert hits(world.company_admin, own_plate) == [str(world.own_vehicle)]
    assert hits(world.vendor_admin, own_plate) == []
    assert hits(world.employee, plate) == []
