"""All requests that a filter matches, answered by one run with a result for each."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from karokar.booking import actions
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


def _start_shown(client, page: str, kind: str, **fields: str):
    data = {
        name: page.rsplit(f'name="{name}" value="', maxsplit=1)[-1].split('"', maxsplit=1)[0]
        for name in ("csrf_token", "expected")
    }
    with clock.standing_at(make.NOON):
        return client.post(f"/runs/new/{kind}", data={**data, **fields})


def test_where_one_went_and_another_came_nothing_is_rejected_that_nobody_saw(world, client):
    shown = [
        world.requested(start=world.start + timedelta(days=n), end=world.end + timedelta(days=n)) for n in (0, 3, 6)
    ]
    make.sign_in(client, world.vendor_admin)
    with clock.standing_at(make.NOON):
        page = client.get("/runs/new/booking.reject").text
    with world.acting(world.company_admin):
        actions.cancel_booking(shown[0].id, "PLANS_CHANGED", "Not going.")
    unseen = world.requested(start=world.start + timedelta(days=9), end=world.end + timedelta(days=9))
    answer = _start_shown(client, page, "booking.reject", reason="OTHER", note="No.")
    assert answer.status_code == 409
    assert "have changed since you last saw them" in answer.text
    assert unseen.reference in answer.text
    assert db.session.scalar(select(func.count(Run.id))) == 0


def test_a_run_does_the_rows_that_were_shown_whatever_comes_before_it_begins(world, client):
    shown = world.requested()
    make.sign_in(client, world.vendor_admin)
    with clock.standing_at(make.NOON):
        page = client.get("/runs/new/booking.reject").text
    assert _start_shown(client, page, "booking.reject", reason="OTHER", note="No.").status_code == 303
    unseen = world.requested(start=world.start + timedelta(days=9), end=world.end + timedelta(days=9))
    with clock.standing_at(make.NOON):
        worker.work()
    db.session.rollback()
    states = {one: db.session.get_one(Booking, one, populate_existing=True).status for one in (shown.id, unseen.id)}
    assert states == {shown.id: "REJECTED", unseen.id: "REQUESTED"}


def test_a_row_that_was_changed_after_it_was_shown_is_refused_and_says_so(world, client):
    shown = world.requested()
    make.sign_in(client, world.vendor_admin)
    with clock.standing_at(make.NOON):
        page = client.get("/runs/new/booking.reject").text
    answer = _start_shown(client, page, "booking.reject", reason="OTHER", note="No.")
    make.change("bookings", shown.id, version=shown.version + 1)
    with clock.standing_at(make.NOON):
        worker.work()
    db.session.rollback()
    run_id = UUID(answer.location.rsplit("/", 1)[1])
    assert db.session.get_one(Run, run_id, populate_existing=True).failed == 1
    assert db.session.get_one(Booking, shown.id, populate_existing=True).status == "REQUESTED"


@pytest.mark.parametrize("nonsense", ["status=NONSENSE", "from=2026-02-30", "to=nonsense"])
def test_a_filter_that_is_not_understood_offers_no_change_to_everything(world, client, nonsense):
    asked = world.requested()
    make.sign_in(client, world.vendor_admin)
    with clock.standing_at(make.NOON):
        listed = client.get(f"/booking/?{nonsense}")
        offered = client.get(f"/runs/new/booking.reject?{nonsense}")
    assert "/runs/new/" not in listed.text
    assert offered.status_code == 422
    assert asked.reference not in offered.text
