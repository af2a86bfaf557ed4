"""All requests that a filter matches, answered by one run with a result for each."""

from karokar.booking.models import Booking
from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.runs import actions as runs
from karokar.runs import worker
from karokar.runs.models import Run
from tests.factories import booking as make
from tests.factories.browsing import text_of


def run(world, who, kind, **parameters):
    with world.acting(who):
        run_id = runs.start_run(kind, {"filters": {}, "chosen": [], **parameters})
    with clock.standing_at(make.NOON):
        worker.work()
    db.session.rollback()
    return db.session.get_one(Run, run_id, populate_existing=True)


def test_all_requests_are_rejected_with_one_reason(world):
    booked = [world.requested(), world.requested()]
    done = run(world, world.vendor_admin, "booking.reject", reason="OTHER", note="We are closed that week.")
    assert (done.status, done.ok, done.total) == ("DONE", 2, 2)
    assert {db.session.get_one(Booking, one.id).status for one in booked} == {"REJECTED"}


def test_of_requests_that_overlap_one_is_approved_and_the_other_says_why_not(world):
    world.requested()
    world.requested()
    done = run(world, world.vendor_admin, "booking.approve")
    assert (done.status, done.ok, done.failed) == ("DONE_WITH_ERRORS", 1, 1)


def test_only_what_was_chosen_and_can_still_be_cancelled_is_cancelled(world):
    first, second = world.requested(), world.requested()
    done = run(
        world, world.company_admin, "booking.cancel", chosen=[str(first.id)], reason="PLANS_CHANGED", note="Not going."
    )
    assert (done.ok, done.total) == (1, 1)
    assert db.session.get_one(Booking, second.id).status == "REQUESTED"


def test_the_filters_of_the_list_are_the_filters_of_the_run(world):
    world.requested()
    done = run(world, world.vendor_admin, "booking.reject", filters={"from": "2099-01-01"}, reason="OTHER", note="No.")
    assert done.total == 0


def test_before_it_starts_each_row_says_whom_and_what_it_is_about(world, client):
    asked = world.requested()
    make.sign_in(client, world.vendor_admin)
    with clock.standing_at(make.NOON):
        page = text_of(client.get("/runs/new/booking.approve"))
    assert f"{asked.reference} · " in page
    assert "· Meridian Textiles · 18 Nov 2026, 13:00 CET to 19 Nov 2026, 13:00 CET" in page
    assert "the one that starts first is approved" in page
