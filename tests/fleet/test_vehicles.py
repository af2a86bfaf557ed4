"""Vehicles: registering, editing, on and off the road."""

import pytest

from karokar.fleet import actions, queries
from karokar.fleet.rules import REQUIRED_DOCUMENTS, GatesClosed
from karokar.kernel.errors import (
    NotFound,
    OrganizationNotActive,
    PermissionDenied,
    RuleBroken,
    StaleVersion,
    StateConflict,
)
from tests.factories import fleet, people


def edited(vehicle_id, **changes):
    vehicle = queries.get_vehicle(vehicle_id)
    names = ("make", "model", "year", "license_plate", "category", "seats", "city", "address", "time_zone")
    return {**{name: getattr(vehicle, name) for name in names}, "version": vehicle.version, **changes}


def test_a_vendor_registers_a_vendors_vehicle_and_a_company_its_own(any_app):
    vendor, company = people.make_vendor(), people.make_corporate()
    with people.acting(vendor.admin):
        rented = actions.register_vehicle(**fleet.facts())
    with people.acting(company.admin):
        own = actions.register_vehicle(**fleet.facts())
    assert queries.get_vehicle(rented).ownership_type == "VENDOR_OWNED"
    assert queries.get_vehicle(own).ownership_type == "CORPORATE_OWNED"
    assert queries.get_vehicle(rented).status == "PENDING"


def test_the_platform_registers_no_vehicle(app):
    with people.acting(people.platform_admin()), pytest.raises(PermissionDenied):
        actions.register_vehicle(**fleet.facts())


def test_a_pending_organization_registers_no_vehicle(app):
    vendor = people.make_vendor(status="PENDING")
    with people.acting(vendor.admin), pytest.raises(OrganizationNotActive):
        actions.register_vehicle(**fleet.facts())


def test_a_plate_in_service_is_taken_however_it_is_spelt(any_app):
    vendor = people.make_vendor()
    fleet.make_vehicle(vendor, status="PENDING", license_plate="KA 01 AB 7777")
    with people.acting(vendor.admin), pytest.raises(RuleBroken) as refusal:
        actions.register_vehicle(**fleet.facts(license_plate="ka-01-ab-7777"))
    assert refusal.value.code == "LICENSE_PLATE_TAKEN"
    assert set(refusal.value.fields) == {"license_plate"}


def test_the_plate_of_a_retired_vehicle_is_free_again(any_app):
    vendor = people.make_vendor()
    retired = fleet.make_vehicle(vendor, status="PENDING", license_plate="KA 01 AB 7777")
    with people.acting(vendor.admin):
        actions.retire_vehicle(retired, reason="Sold")
        again = actions.register_vehicle(**fleet.facts(license_plate="KA 01 AB 7777"))
        with pytest.raises(RuleBroken):
            actions.register_vehicle(**fleet.facts(license_plate="KA 01 AB 7777"))
    assert [vehicle.id for vehicle in queries.find_by_plate("ka01ab7777")] == [again, retired]


def test_editing_refuses_a_version_that_is_not_current(app):
    vendor = people.make_vendor()
    vehicle_id = fleet.make_vehicle(vendor, status="PENDING")
    stale = edited(vehicle_id, seats=7)
    with people.acting(vendor.admin):
        actions.edit_vehicle(vehicle_id, **edited(vehicle_id, city="Mysuru"))
        with pytest.raises(StaleVersion):
            actions.edit_vehicle(vehicle_id, **stale)
    assert (queries.get_vehicle(vehicle_id).city, queries.get_vehicle(vehicle_id).seats) == ("Mysuru", 5)


def test_saving_an_unchanged_form_is_no_event(app):
    vendor = people.make_vendor()
    vehicle_id = fleet.make_vehicle(vendor, status="PENDING")
    before = queries.get_vehicle(vehicle_id).version
    with people.acting(vendor.admin):
        actions.edit_vehicle(vehicle_id, **edited(vehicle_id))
    assert queries.get_vehicle(vehicle_id).version == before


def test_another_tenants_vehicle_does_not_exist(app):
    vendor, other = people.make_vendor(), people.make_vendor()
    vehicle_id = fleet.make_vehicle(vendor)
    with people.acting(other.admin):
        for attempt in (
            lambda: actions.edit_vehicle(vehicle_id, **edited(vehicle_id)),
            lambda: actions.suspend_vehicle(vehicle_id, reason="DAMAGE"),
            lambda: actions.activate_vehicle(vehicle_id),
            lambda: actions.retire_vehicle(vehicle_id),
            lambda: actions.record_odometer(vehicle_id, kilometres=1),
            lambda: queries.get_seen(vehicle_id),
        ):
            with pytest.raises(NotFound):
                attempt()


def test_a_company_sees_what_vendors_offer_and_changes_none_of_it(app):
    vendor, company = people.make_vendor(), people.make_corporate()
    offered, pending = fleet.make_vehicle(vendor), fleet.make_vehicle(vendor, status="PENDING")
    with people.acting(company.admin):
        assert queries.get_seen(offered).id == offered
        with pytest.raises(NotFound):
            queries.get_seen(pending)
        with pytest.raises(NotFound):
            actions.retire_vehicle(offered)
        assert queries.list_vehicles().rows == []


def test_each_missing_gate_is_named(any_app):
    vendor = people.make_vendor()
    vehicle_id = fleet.make_vehicle(vendor, status="PENDING")
    with people.acting(vendor.admin), pytest.raises(GatesClosed) as refusal:
        actions.activate_vehicle(vehicle_id)
    assert {gate.kind for gate in refusal.value.gates} == set(REQUIRED_DOCUMENTS)
    people.verify("Vehicle", vehicle_id, "VEHICLE_INSURANCE", by=vendor.admin)
    with people.acting(vendor.admin), pytest.raises(GatesClosed) as refusal:
        actions.activate_vehicle(vehicle_id)
    assert {gate.kind for gate in refusal.value.gates} == {"VEHICLE_REGISTRATION", "VEHICLE_FITNESS"}
    assert "fitness certificate is missing" in refusal.value.sentence


def test_with_every_gate_open_the_owner_puts_it_on_the_road(any_app):
    vehicle_id = fleet.make_vehicle(people.make_vendor())
    assert queries.get_vehicle(vehicle_id).status == "ACTIVE"


def test_a_suspension_is_lifted_only_by_the_kind_that_made_it(any_app):
    vendor, platform = people.make_vendor(), people.platform_admin()
    vehicle_id = fleet.make_vehicle(vendor)
    with people.acting(platform):
        actions.suspend_vehicle(vehicle_id, reason="UNSAFE")
    with people.acting(vendor.admin), pytest.raises(StateConflict) as refusal:
        actions.activate_vehicle(vehicle_id)
    assert refusal.value.code == "SUSPENSION_NOT_YOURS"
    with people.acting(platform):
        actions.activate_vehicle(vehicle_id)
    with people.acting(vendor.admin):
        actions.suspend_vehicle(vehicle_id, reason="OTHER", note="Photo shooting")
    with people.acting(platform), pytest.raises(StateConflict):
        actions.activate_vehicle(vehicle_id)
    with people.acting(vendor.admin):
        actions.activate_vehicle(vehicle_id)
    assert queries.get_vehicle(vehicle_id).status == "ACTIVE"


def test_the_platform_may_suspend_over_the_owner_and_then_holds_it(app):
    vendor, platform = people.make_vendor(), people.platform_admin()
    vehicle_id = fleet.make_vehicle(vendor, status="SUSPENDED")
    with people.acting(platform):
        actions.suspend_vehicle(vehicle_id, reason="DISPUTE")
    assert queries.get_vehicle(vehicle_id).suspended_by == "PLATFORM"
    with people.acting(vendor.admin), pytest.raises(StateConflict):
        actions.activate_vehicle(vehicle_id)


def test_another_reason_needs_a_note(app):
    vendor = people.make_vendor()
    vehicle_id = fleet.make_vehicle(vendor)
    with people.acting(vendor.admin):
        for reason, note in (("", ""), ("DOCUMENT_EXPIRED", ""), ("OTHER", " ")):
            with pytest.raises(RuleBroken):
                actions.suspend_vehicle(vehicle_id, reason=reason, note=note)
    assert queries.get_vehicle(vehicle_id).status == "ACTIVE"


def test_a_retired_vehicle_stays_readable_and_unchanged(app):
    vendor = people.make_vendor()
    vehicle_id = fleet.make_vehicle(vendor, status="RETIRED")
    with people.acting(vendor.admin):
        assert queries.get_seen(vehicle_id).status == "RETIRED"
        for attempt in (
            lambda: actions.edit_vehicle(vehicle_id, **edited(vehicle_id, seats=2)),
            lambda: actions.activate_vehicle(vehicle_id),
            lambda: actions.suspend_vehicle(vehicle_id, reason="DAMAGE"),
            lambda: actions.retire_vehicle(vehicle_id),
        ):
            with pytest.raises(StateConflict):
                attempt()
        assert vehicle_id not in {row.id for row in queries.list_vehicles().rows}
        assert vehicle_id in {row.id for row in queries.list_vehicles(status="RETIRED").rows}


def test_the_list_is_narrowed_and_sorted(app):
    vendor = people.make_vendor()
    van = fleet.make_vehicle(vendor, status="PENDING", category="VAN", seats=8, city="Pune", license_plate="MH 12 A 1")
    car = fleet.make_vehicle(vendor, status="PENDING", make="Maruti", license_plate="KA 12 A 1")

    def ids(**wanted):
        return [row.id for row in queries.list_vehicles(**wanted).rows]

    with people.acting(vendor.admin):
        assert ids() == [car, van]
        assert ids(sort="-plate") == [van, car]
        assert ids(category="VAN") == ids(city=" pune ") == ids(seats=6) == ids(text="mh-12") == [van]
        assert ids(text="maruti ka12") == [car]
        assert ids(text="100%") == []
        assert queries.count_listed(limit=1) == queries.count_listed(limit=9) == 2
