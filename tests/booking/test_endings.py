"""Given facts, how a booking ends: by what people do, and by the clock."""

from datetime import timedelta

import pytest

from karokar.assignment import actions as assignments
from karokar.booking import actions
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound, PermissionDenied
from tests.booking.test_actions import refused, told
from tests.factories import booking as make
from tests.factories.booking import NOON, World, hours

# --- how it ends --------------------------------------------------------------------------------------------------


def test_a_return_ends_the_booking_and_the_assignment(world: World) -> None:
    made = world.active()
    back = world.start + hours(5)
    with world.acting(world.vendor_admin, back):
        done = actions.complete_booking(made.id, 10_250, 60, is_damaged=True, notes="Mirror broken")
    assert (done.status, done.actual_end) == ("COMPLETED", back)
    world.deliver(back)
    assert make.assignment_of(made.id).status == "COMPLETED"
    event = make.told(made.id)[-1]
    assert (event.odometer, event.is_damaged, event.actual_end) == (10_250, True, back)


def test_damage_has_to_be_described(world: World) -> None:
    made = world.active()
    with world.acting(world.vendor_admin, world.end), refused("DAMAGE_NOT_DESCRIBED"):
        actions.complete_booking(made.id, 1, 1, is_damaged=True)


def test_a_return_lies_between_handover_and_now(world: World) -> None:
    made = world.active()
    with world.acting(world.vendor_admin, world.end):
        for returned_at in (world.start - hours(1), world.end + hours(1)):
            with refused("RETURN_TIME_INVALID"):
                actions.complete_booking(made.id, 1, 1, returned_at=returned_at)
        assert actions.complete_booking(
            made.id, 1, 1, returned_at=world.end - hours(2)
        ).actual_end == world.end - hours(2)


def test_a_vendor_cancels_only_what_it_has_approved(world: World) -> None:
    made = world.requested()
    with world.acting(world.vendor_admin):
        with refused("INVALID_BOOKING_TRANSITION"):
            actions.cancel_booking(made.id, "OTHER", "No")
        actions.approve_booking(made.id)
        assert actions.cancel_booking(made.id, "VEHICLE_NOT_USABLE", "Engine").status == "CANCELLED"


def test_a_cancelled_booking_frees_the_vehicle_and_closes_the_assignment(world: World) -> None:
    made = world.accepted()
    with world.acting(world.company_admin):
        actions.cancel_booking(made.id, "PLANS_CHANGED", "Trip is off")
    world.deliver()
    assert (make.assignment_of(made.id).status, make.assignment_of(made.id).reason) == ("CLOSED", "BOOKING_CANCELLED")
    assert world.approved().status == "APPROVED"


def test_cancelling_needs_a_reason_of_the_list_and_a_note(world: World) -> None:
    made = world.requested()
    with world.acting(world.company_admin):
        for reason, note in (("BECAUSE", "Note"), ("OTHER", " ")):
            with refused("REASON_NEEDED"):
                actions.cancel_booking(made.id, reason, note)


@pytest.mark.parametrize("who", ["vendor_admin", "company_admin", "platform_admin"])
def test_both_sides_and_the_platform_end_a_running_booking_early(world: World, who: str) -> None:
    made = world.active()
    with world.acting(getattr(world, who), world.start + hours(2)):
        ended = actions.terminate_booking(made.id, "NO_LONGER_NEEDED", "Left at the gate")
    assert (ended.status, ended.actual_end) == ("TERMINATED", world.start + hours(2))
    world.deliver(world.start + hours(2))
    assert (make.assignment_of(made.id).status, make.assignment_of(made.id).reason) == ("CLOSED", "BOOKING_TERMINATED")


def test_a_completed_booking_cannot_be_cancelled(world: World) -> None:
    made = world.active()
    with world.acting(world.vendor_admin, world.end):
        actions.complete_booking(made.id, 1, 1)
        with refused("INVALID_BOOKING_TRANSITION"):
            actions.cancel_booking(made.id, "OTHER", "Late")


# --- messages -----------------------------------------------------------------------------------------------------


def test_the_two_sides_leave_each_other_messages(world: World) -> None:
    made = world.requested()
    with world.acting(world.vendor_admin):
        actions.comment_booking(made.id, "Do you need a child seat?")
    with world.acting(world.company_admin):
        actions.comment_booking(made.id, "No, thank you.")
    assert told(made.id)[-2:] == ["BookingCommented", "BookingCommented"]


def test_an_employee_writes_no_messages_to_the_vendor(world: World) -> None:
    made = world.accepted()
    with world.acting(world.employee), pytest.raises(PermissionDenied):
        actions.comment_booking(made.id, "Hello")


def test_a_draft_has_no_messages(world: World) -> None:
    made = world.drafted()
    with world.acting(world.company_admin), refused("STILL_A_DRAFT"):
        actions.comment_booking(made.id, "Hello")


# --- the clock ----------------------------------------------------------------------------------------------------


def at(moment, job) -> int:
    with make.clock.standing_at(moment):
        done: int = job()
    db.session.rollback()
    return done


def test_a_request_without_an_answer_is_cancelled_when_its_start_passes(world: World) -> None:
    made = world.requested()
    assert at(world.start - timedelta(seconds=1), actions.cancel_unanswered) == 0
    assert at(world.start, actions.cancel_unanswered) == 1
    assert (make.booking(made.id).status, make.booking(made.id).reason) == ("CANCELLED", "UNANSWERED")
    assert at(world.start, actions.cancel_unanswered) == 0


def test_a_request_for_what_has_begun_can_be_answered_for_an_hour_after_its_start(world: World) -> None:
    made = world.requested(start=NOON - hours(0.5), end=NOON + hours(5))
    assert at(NOON + hours(0.4), actions.cancel_unanswered) == 0
    assert at(NOON + hours(0.5), actions.cancel_unanswered) == 1
    assert make.booking(made.id).reason == "UNANSWERED"


@pytest.mark.parametrize("stage", ["approved", "assigned", "accepted"])
def test_what_nobody_collects_is_reminded_of_and_then_cancelled(world: World, stage: str) -> None:
    made = getattr(world, stage)()
    assert at(world.start + hours(1), actions.remind_of_handovers) == 1
    assert at(world.start + hours(2), actions.remind_of_handovers) == 0
    assert at(world.end, actions.cancel_no_shows) == 1
    assert (make.booking(made.id).status, make.booking(made.id).reason) == ("CANCELLED", "NO_SHOW")
    assert told(made.id)[-2:] == ["BookingReminded", "BookingCancelled"]


def test_a_late_vehicle_is_noticed_once(world: World) -> None:
    made = world.active()
    assert at(world.end, actions.notice_late_returns) == 1
    assert at(world.end + hours(1), actions.notice_late_returns) == 0
    assert make.booking(made.id).status == "ACTIVE"
    assert told(made.id)[-1] == "BookingOverdue"


def test_an_employee_who_accepted_sees_the_booking_and_a_colleague_does_not(world: World) -> None:
    from karokar.booking import queries

    made = world.accepted()
    with world.acting(world.employee):
        assert queries.get_seen(made.id).id == made.id
    with world.acting(world.colleague), pytest.raises(NotFound):
        queries.get_seen(made.id)


def test_assignments_of_a_booking_are_not_started_by_hand(world: World) -> None:
    made = world.accepted()
    with world.acting(world.company_admin, world.start), refused("FOLLOWS_BOOKING"):
        assignments.start_assignment(make.assignment_of(made.id).id, 1, 1)
