"""The search: what is really free, and why the rest is not."""

from datetime import timedelta

import pytest

from karokar.availability.views.market import Wish, search_market
from karokar.fleet import actions as fleet
from karokar.organization import queries as organizations
from tests.factories import booking as make
from tests.factories.booking import NOON, hours


@pytest.fixture
def world(any_app):
    return make.make_world(buffer_minutes=60)


def found(world, who=None, at=NOON, **wish):
    who = who or world.company_admin
    asked = Wish(**{"start": world.start, "end": world.end, **wish})
    with world.acting(who, at):
        return search_market(asked, who, organizations.list_active("VENDOR"))


def free(world, who=None, **wish):
    return [vehicle.id for vehicle in found(world, who, **wish).free]


def reasons(market):
    return {taken.vehicle.id: [(reason.kind, reason.until) for reason in taken.reasons] for taken in market.taken}


def test_a_free_vehicle_is_found_beside_the_companys_own(world):
    assert free(world) == [world.own_vehicle, world.vehicle]
    assert found(world).count == 2


def test_another_companys_own_vehicle_is_never_found(world):
    other = make.another_company()
    assert free(world, other) == [world.vehicle]


def test_a_vendor_searches_its_own_fleet(world):
    stranger = make.vehicle(make.organization("VENDOR"))
    assert free(world, world.vendor_admin) == [world.vehicle]
    assert stranger in free(world)


def test_what_is_booked_is_not_offered_and_says_until_when(world):
    booking = world.approved()
    world.deliver()
    market = found(world, start=booking.end - hours(1), end=booking.end + hours(5))
    assert [vehicle.id for vehicle in market.free] == [world.own_vehicle]
    assert reasons(market) == {world.vehicle: [("RESERVED", booking.end + hours(1))]}


def test_the_buffer_before_the_next_booking_counts(world):
    booking = world.approved()
    world.deliver()
    early = {"start": booking.start - hours(5)}
    assert world.vehicle not in free(world, **early, end=booking.start - timedelta(minutes=59))
    assert world.vehicle in free(world, **early, end=booking.start - timedelta(minutes=60))


def test_what_is_not_back_in_time_is_not_offered_for_what_begins_soon(world):
    booking = world.active()
    soon = found(world, at=booking.end + hours(3), start=booking.end + hours(4), end=booking.end + hours(8))
    later = found(world, at=booking.end + hours(3), start=booking.end + hours(30), end=booking.end + hours(40))
    assert reasons(soon) == {world.vehicle: [("LATE", booking.end + hours(1))]}
    assert world.vehicle in [vehicle.id for vehicle in later.free]


def test_maintenance_says_until_when(world):
    with world.acting(world.vendor_admin):
        fleet.schedule_maintenance(world.vehicle, kind="SERVICE", start=world.start, end=world.end)
    world.deliver()
    assert reasons(found(world)) == {world.vehicle: [("MAINTENANCE", world.end)]}
    assert world.vehicle in free(world, start=world.end, end=world.end + hours(1))


def test_a_document_that_ends_within_the_period_keeps_the_vehicle_out(world):
    ends = world.end - hours(1)
    make.verified("Vehicle", world.vehicle, world.vendor, "VEHICLE_INSURANCE", expires_at=ends)
    market = found(world)
    assert reasons(market) == {world.vehicle: [("DOCUMENT", ends)]}
    assert market.taken[0].reasons[0].document == "insurance"
    make.verified("Vehicle", world.vehicle, world.vendor, "VEHICLE_INSURANCE", expires_at=world.end + hours(1))
    assert world.vehicle in free(world)


def test_what_is_off_the_road_or_of_a_vendor_that_is_not_active_is_not_there_at_all(world):
    with world.acting(world.vendor_admin):
        fleet.suspend_vehicle(world.vehicle, reason="DAMAGE")
    world.deliver()
    market = found(world)
    assert market.count == 1
    assert market.taken == []
    second = make.vehicle(make.organization("VENDOR", status="SUSPENDED"))
    assert second not in free(world)


def test_the_wish_narrows(world):
    van = make.vehicle(world.vendor, category="VAN", seats=9, city="Hamburg", city_key="hamburg", make="Ford")
    assert free(world, city=" HAMBURG ") == free(world, category="VAN") == free(world, seats=6) == [van]
    assert free(world, text="ford oct") == [van]
    assert free(world, vendor_id=world.vendor, city="Berlin") == [world.vehicle]
    assert free(world, city="Rome") == []


def test_pages_hold_everything_once(world):
    more = [make.vehicle(world.vendor) for _ in range(5)]
    seen = []
    with world.acting(world.company_admin):
        for offset in (0, 3, 6):
            wish = Wish(start=world.start, end=world.end)
            seen += search_market(
                wish, world.company_admin, organizations.list_active("VENDOR"), limit=3, offset=offset
            ).free
    assert sorted(vehicle.id for vehicle in seen) == sorted([world.vehicle, world.own_vehicle, *more])


def test_periods_are_half_open(world):
    booking = world.approved()
    world.deliver()
    held_until = booking.end + hours(1)
    assert world.vehicle in free(world, start=held_until, end=held_until + hours(2))
