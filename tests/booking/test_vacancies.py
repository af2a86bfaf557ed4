"""A booking whose employee declined or left needs another driver, and says so wherever it is shown."""

import csv
import io
import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from karokar.assignment import actions as assignments
from karokar.booking import actions
from karokar.booking.models import Booking
from karokar.kernel import clock
from karokar.outbox.delivery.drain import drain_all
from tests.factories import booking as make
from tests.factories.booking import NOON, World
from tests.factories.browsing import text_of

DECLINED, LEFT = "Declined: needs a driver", "Driver left: needs a driver"


@pytest.fixture(autouse=True)
def _monday_noon() -> Iterator[None]:
    with clock.standing_at(NOON):
        yield


def declined(world: World, **given) -> Booking:
    made = world.assigned(**given)
    with world.acting(world.employee):
        assignments.reject_assignment(make.assignment_of(made.id).id, "On leave")
    world.deliver()
    return make.booking(made.id)


def exported(client: FlaskClient, query: str = "") -> list[dict[str, str]]:
    text = client.get(f"/booking/export?format=csv{query}").get_data(as_text=True)
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.mark.parametrize("side", ["company_admin", "vendor_admin"])
def test_every_page_says_that_a_declined_booking_needs_a_driver(world: World, client: FlaskClient, side: str) -> None:
    made = declined(world, start=NOON.replace(hour=15), end=NOON.replace(hour=20))
    make.sign_in(client, getattr(world, side))
    for page in (
        "/booking/",
        f"/booking/{made.id}",
        f"/booking/{made.id}/activate",
        f"/booking/{made.id}/sheet",
        "/booking/today",
        "/availability/timeline?span=week",
        f"/search?q={made.reference}",
    ):
        shown = text_of(client.get(page))
        assert made.reference in shown, page
        assert "needs a driver" in shown or "needs another driver" in shown, page
        assert "Emil" not in re.sub(r"Emil Test declined|Declined to drive Emil Test", "", shown), page


def test_lists_filters_and_exports_tell_declined_from_assigned(world: World, as_company: FlaskClient) -> None:
    waiting = world.assigned(world.colleague, vehicle_id=make.vehicle(world.vendor))
    made = declined(world)
    for status, has, has_not in (("DECLINED", made, waiting), ("ASSIGNED", waiting, made)):
        listed = text_of(as_company.get(f"/booking/?status={status}"))
        assert has.reference in listed
        assert has_not.reference not in listed
        assert [row["Reference"] for row in exported(as_company, f"&status={status}")] == [has.reference]
    rows = {row["Reference"]: row for row in exported(as_company)}
    assert (rows[made.reference]["Status"], rows[made.reference]["Employee"]) == (DECLINED, "")
    assert (rows[waiting.reference]["Status"], rows[waiting.reference]["Employee"]) == ("Assigned", "Cora Test")
    page = text_of(as_company.get("/booking/"))
    assert f"{DECLINED}: 1" in page
    assert "Assigned: 1" in page


def test_home_counts_it_and_asks_for_somebody_else(world: World, as_company: FlaskClient) -> None:
    made = declined(world)
    home = text_of(as_company.get("/"))
    assert "Declined, need a driver" in text_of(as_company.get("/figures"))
    assert "Choose somebody else" in home
    assert "On leave" in home
    with world.acting(world.company_admin):
        actions.assign_booking(made.id, world.colleague.user_id)
    world.deliver()
    again = text_of(as_company.get("/"))
    assert "Declined, need a driver" not in text_of(as_company.get("/figures"))
    assert "Choose somebody else" not in again
    assert "Assigned" in text_of(as_company.get(f"/booking/{made.id}"))


def test_a_driver_who_leaves_the_company_leaves_a_vacancy(world: World, as_company: FlaskClient) -> None:
    world.accepted()
    with world.acting(world.company_admin):
        assignments.release_member(world.company, world.employee.user_id, "MEMBER_REMOVED")
    world.deliver()
    assert LEFT in text_of(as_company.get("/booking/"))
    assert [row["Status"] for row in exported(as_company)] == [LEFT]
    assert "Choose somebody else" in text_of(as_company.get("/"))


def test_an_answer_that_comes_late_does_not_empty_the_seat_of_the_next_driver(world: World) -> None:
    made = world.assigned()
    with world.acting(world.employee):
        assignments.reject_assignment(make.assignment_of(made.id).id)
    with world.acting(world.company_admin):
        actions.assign_booking(made.id, world.colleague.user_id)
    world.deliver()
    assert make.booking(made.id).state == "ASSIGNED"


def test_a_cancelled_booking_is_cancelled_and_not_vacant(world: World, as_company: FlaskClient) -> None:
    made = declined(world)
    with world.acting(world.company_admin):
        actions.cancel_booking(made.id, "PLANS_CHANGED", "Not needed.")
    drain_all()
    assert [row["Status"] for row in exported(as_company)] == ["Cancelled"]
