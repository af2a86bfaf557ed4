"""Given facts, when somebody acts, then this event or that refusal."""

import hashlib
from datetime import timedelta

import pytest
from flask import Flask

from karokar.booking import actions
from karokar.kernel.errors import DomainError, NotFound, PermissionDenied, StaleVersion
from karokar.kernel.vehicles.handover import PhotoUpload
from tests.factories import booking as make
from tests.factories.booking import NOON, World, hours
from tests.factories.people import PNG


def refused(code: str) -> pytest.RaisesExc[DomainError]:
    return pytest.raises(DomainError, check=lambda error: error.code == code)


def told(entity_id) -> list[str]:
    return [event.event_type for event in make.told(entity_id)]


# --- drafting -----------------------------------------------------------------------------------------------------


def test_a_company_drafts_a_booking_of_a_vehicle_on_the_market(world: World) -> None:
    made = world.drafted()
    assert made.status == "DRAFT"
    assert made.vendor_organization_id == world.vendor
    assert made.place == "Hafenstr. 1, Berlin"
    assert told(made.id) == ["BookingDrafted"]


def test_a_vendor_sees_no_draft(world: World) -> None:
    made = world.drafted()
    with world.acting(world.vendor_admin), pytest.raises(NotFound):
        actions.cancel_booking(made.id, "OTHER", "No")


def test_a_companys_own_vehicle_is_not_booked(world: World) -> None:
    with refused("NOT_BOOKABLE"):
        world.drafted(vehicle_id=world.own_vehicle)


def test_a_suspended_vehicle_is_not_on_the_market(world: World) -> None:
    make.change("vehicles", world.vehicle, status="SUSPENDED", suspended_by="OWNER")
    with pytest.raises(NotFound):
        world.drafted()


def test_a_vendor_cannot_draft(world: World) -> None:
    with world.acting(world.vendor_admin), pytest.raises(PermissionDenied):
        actions.create_booking(world.vehicle, world.start, world.end)


def test_a_discarded_draft_is_gone_and_its_events_stay(world: World) -> None:
    made = world.drafted().id
    with world.acting(world.company_admin):
        actions.edit_booking(made, world.start, world.end + hours(1), "Longer")
        actions.discard_booking(made)
        with pytest.raises(NotFound):
            actions.discard_booking(made)
    assert told(made) == ["BookingDrafted", "BookingEdited", "BookingDiscarded"]


def test_a_period_that_ends_before_it_starts_is_refused(world: World) -> None:
    with refused("PERIOD_INVALID"):
        world.drafted(end=world.start)


# --- submitting ---------------------------------------------------------------------------------------------------


def test_a_submitted_draft_waits_for_the_vendor(world: World) -> None:
    made = world.requested()
    assert made.status == "REQUESTED"
    assert told(made.id) == ["BookingDrafted", "BookingRequested"]


@pytest.mark.parametrize(
    ("table", "row", "values", "code"),
    [
        ("organizations", "vendor", {"status": "SUSPENDED"}, "ORGANIZATION_NOT_ACTIVE"),
        ("organizations", "company", {"status": "SUSPENDED"}, "ORGANIZATION_NOT_ACTIVE"),
        ("vehicles", "vehicle", {"status": "SUSPENDED", "suspended_by": "OWNER"}, "VEHICLE_NOT_ACTIVE"),
        ("vehicles", "vehicle", {"status": "RETIRED"}, "VEHICLE_NOT_ACTIVE"),
    ],
)
def test_what_stands_in_the_way_of_a_request_is_named(world: World, table, row, values, code) -> None:
    made = world.drafted()
    make.change(table, getattr(world, row), **values)
    with world.acting(world.company_admin), refused(code):
        actions.submit_booking(made.id)


def test_a_request_needs_a_verified_representative(world: World) -> None:
    made = world.drafted()
    with world.acting(make.another_company()):
        pass
    table = make.Base.metadata.tables["verifications"]
    with make.transaction() as session:
        session.execute(table.update().where(table.c.kind == "REPRESENTATIVE_IDENTITY").values(status="REVOKED"))
    with world.acting(world.company_admin), refused("REPRESENTATIVE_NOT_VERIFIED"):
        actions.submit_booking(made.id)


def test_nothing_new_begins_while_a_registration_is_not_verified(world: World) -> None:
    made = world.drafted()
    table = make.Base.metadata.tables["verifications"]
    with make.transaction() as session:
        session.execute(table.update().where(table.c.entity_id == world.vendor).values(status="EXPIRED"))
    with world.acting(world.company_admin), refused("REGISTRATION_EXPIRED"):
        actions.submit_booking(made.id)


def test_a_period_with_maintenance_is_refused(world: World) -> None:
    made = world.drafted()
    make.put(
        "maintenance_windows",
        vehicle_id=world.vehicle,
        organization_id=world.vendor,
        kind="SERVICE",
        description="",
        start=world.end - hours(1),
        end=world.end + hours(1),
        status="SCHEDULED",
        cancel_reason="",
    )
    with world.acting(world.company_admin), refused("VEHICLE_IN_MAINTENANCE"):
        actions.submit_booking(made.id)


def test_a_request_begins_an_hour_ago_at_most(world: World) -> None:
    made = world.drafted(start=NOON - hours(1), end=NOON + hours(5))
    with world.acting(world.company_admin):
        assert actions.submit_booking(made.id).status == "REQUESTED"
    late = world.drafted(start=NOON - hours(1) - timedelta(seconds=1), end=NOON + hours(5))
    with world.acting(world.company_admin), refused("START_PASSED"):
        actions.submit_booking(late.id)


def test_a_vehicle_that_is_held_cannot_be_requested(world: World) -> None:
    world.approved()
    made = world.drafted(start=world.start + hours(1), end=world.end + hours(1))
    with world.acting(world.company_admin), refused("VEHICLE_NOT_AVAILABLE"):
        actions.submit_booking(made.id)


def test_a_request_may_begin_at_the_moment_at_which_another_booking_ends(world: World) -> None:
    world.approved()
    assert world.requested(start=world.end, end=world.end + hours(2)).status == "REQUESTED"


def test_a_form_opened_before_somebody_elses_change_is_refused(world: World) -> None:
    made = world.drafted()
    opened_at = made.version
    with world.acting(world.company_admin):
        actions.edit_booking(made.id, world.start, world.end, "First", version=opened_at)
        with pytest.raises(StaleVersion):
            actions.edit_booking(made.id, world.start, world.end, "Second", version=opened_at)
    assert make.booking(made.id).purpose == "First"


# --- the vendor's answer ------------------------------------------------------------------------------------------


def test_an_approval_holds_the_vehicle_until_the_buffer_is_over(app: Flask) -> None:
    world = make.make_world(buffer_minutes=90)
    made = world.approved()
    assert made.status == "APPROVED"
    assert made.held_until == world.end + hours(1.5)
    assert told(made.id)[-1] == "BookingApproved"


def test_two_overlapping_requests_cannot_both_be_approved(world: World) -> None:
    first, second = world.requested(), world.requested()
    with world.acting(world.vendor_admin):
        actions.approve_booking(first.id)
        with refused("VEHICLE_NOT_AVAILABLE"):
            actions.approve_booking(second.id)
    assert make.booking(second.id).status == "REQUESTED"


def test_an_approval_may_reject_all_who_lose_by_it(world: World) -> None:
    chosen, loser = world.requested(), world.requested(start=world.end - hours(1), end=world.end + hours(9))
    later = world.requested(start=world.end, end=world.end + hours(1))
    with world.acting(world.vendor_admin):
        actions.approve_booking(chosen.id, reject_overlapping=True, reason="ALREADY_PROMISED", note="Sorry")
    assert [make.booking(one.id).status for one in (chosen, loser, later)] == ["APPROVED", "REJECTED", "REQUESTED"]
    assert make.booking(loser.id).reason == "ALREADY_PROMISED"


def test_rejecting_the_others_without_a_reason_changes_nothing(world: World) -> None:
    chosen, loser = world.requested(), world.requested()
    with world.acting(world.vendor_admin), refused("REASON_NEEDED"):
        actions.approve_booking(chosen.id, reject_overlapping=True)
    assert [make.booking(one.id).status for one in (chosen, loser)] == ["REQUESTED", "REQUESTED"]


def test_the_buffer_after_a_booking_keeps_the_next_one_out(app: Flask) -> None:
    world = make.make_world(buffer_minutes=60)
    first = world.requested()
    second = world.requested(start=world.end + hours(0.5), end=world.end + hours(9))
    with world.acting(world.vendor_admin):
        actions.approve_booking(first.id)
        with refused("VEHICLE_NOT_AVAILABLE"):
            actions.approve_booking(second.id)


def test_a_request_is_rejected_with_another_vehicle_offered(world: World) -> None:
    other = make.vehicle(world.vendor)
    made = world.requested()
    with world.acting(world.vendor_admin):
        actions.reject_booking(made.id, "NEEDED_IN_WORKSHOP", "Brakes", offered_vehicle_id=other)
    assert make.booking(made.id).offered_vehicle_id == other
    assert make.told(made.id)[-1].offered_vehicle_id == other


def test_only_a_free_vehicle_of_the_own_fleet_is_offered(world: World) -> None:
    made = world.requested()
    for vehicle in (
        world.vehicle,
        world.own_vehicle,
        make.vehicle(world.vendor, status="SUSPENDED", suspended_by="OWNER"),
    ):
        with world.acting(world.vendor_admin), refused("OFFER_NOT_POSSIBLE"):
            actions.reject_booking(made.id, "OTHER", "See note", offered_vehicle_id=vehicle)


def test_another_vendors_request_does_not_exist(world: World) -> None:
    made = world.requested()
    stranger = make.make_world()
    with stranger.acting(stranger.vendor_admin), pytest.raises(NotFound):
        actions.approve_booking(made.id)


# --- assigning and handing over -----------------------------------------------------------------------------------


def test_assigning_asks_the_employee(world: World) -> None:
    made = world.assigned()
    assert (made.status, made.round) == ("ASSIGNED", 1)
    assignment = make.assignment_of(made.id)
    assert (assignment.status, assignment.employee_id) == ("PENDING", world.employee.user_id)


def test_reassigning_closes_the_earlier_round(world: World) -> None:
    made = world.assigned()
    first = make.assignment_of(made.id).id
    with world.acting(world.company_admin):
        actions.assign_booking(made.id, world.colleague.user_id)
    world.deliver()
    assert (make.assignment(first).status, make.assignment(first).reason) == ("CLOSED", "REPLACED")
    second = make.assignment_of(made.id)
    assert (second.round, second.employee_id, second.status) == (2, world.colleague.user_id, "PENDING")


def test_somebody_with_another_assignment_then_is_not_eligible(world: World) -> None:
    world.assigned()
    other = world.approved(vehicle_id=make.vehicle(world.vendor))
    with world.acting(world.company_admin), refused("EMPLOYEE_NOT_ELIGIBLE"):
        actions.assign_booking(other.id, world.employee.user_id)


def test_somebody_of_another_company_is_not_eligible(world: World) -> None:
    made = world.approved()
    stranger = make.another_company()
    with world.acting(world.company_admin), refused("EMPLOYEE_NOT_ELIGIBLE"):
        actions.assign_booking(made.id, stranger.user_id)


def test_either_side_hands_the_vehicle_over_once_it_is_accepted(world: World) -> None:
    made = world.accepted()
    with world.acting(world.company_admin, world.start):
        out = actions.activate_booking(made.id, 12_345, 80, checks=["KEYS"], notes="Scratch left")
    assert out.status == "ACTIVE"
    world.deliver(world.start)
    assert make.assignment_of(made.id).status == "ACTIVE"


def test_nothing_is_handed_over_before_the_employee_accepts(world: World) -> None:
    made = world.assigned()
    with world.acting(world.vendor_admin, world.start), refused("NOT_ACCEPTED"):
        actions.activate_booking(made.id, 1, 1)


def test_an_acceptance_of_an_earlier_round_does_not_count(world: World) -> None:
    made = world.accepted()
    with world.acting(world.company_admin):
        actions.assign_booking(made.id, world.colleague.user_id)
    with world.acting(world.vendor_admin, world.start), refused("NOT_ACCEPTED"):
        actions.activate_booking(made.id, 1, 1)


@pytest.mark.parametrize(
    ("after_start", "code"), [(timedelta(hours=-1, seconds=-1), "TOO_EARLY"), (timedelta(days=1), "TOO_LATE")]
)
def test_the_handover_has_its_time(world: World, after_start: timedelta, code: str) -> None:
    made = world.accepted()
    with world.acting(world.vendor_admin, world.start + after_start), refused(code):
        actions.activate_booking(made.id, 1, 1)


def test_a_vehicle_that_is_still_out_is_named_with_whom_to_call(world: World) -> None:
    first = world.active()
    second = world.accepted(world.colleague, start=first.end, end=first.end + hours(5))
    with world.acting(world.vendor_admin, first.end), pytest.raises(DomainError) as found:
        actions.activate_booking(second.id, 1, 1)
    assert found.value.code == "VEHICLE_STILL_OUT"
    assert first.reference in found.value.sentence
    assert "+49 30" in found.value.sentence


def test_a_suspended_vehicle_is_not_handed_over(world: World) -> None:
    made = world.accepted()
    make.change("vehicles", world.vehicle, status="SUSPENDED", suspended_by="OWNER")
    with world.acting(world.vendor_admin, world.start), refused("VEHICLE_NOT_ACTIVE"):
        actions.activate_booking(made.id, 1, 1)


def test_a_handover_keeps_twelve_photos(world: World) -> None:
    photo = PhotoUpload("front", "image/png", PNG, hashlib.sha256(PNG).hexdigest())
    made = world.accepted()
    with world.acting(world.vendor_admin, world.start):
        with refused("PHOTO_INVALID"):
            actions.activate_booking(made.id, 1, 1, photos=[photo] * 13)
        actions.activate_booking(made.id, 1, 1, photos=[photo])
