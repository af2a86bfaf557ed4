"""Who sees whom on the pages of bookings, and their lists."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from karokar.assignment import actions as assignments
from karokar.booking import actions
from karokar.fleet import actions as fleet
from karokar.kernel import clock
from karokar.kernel.actor import Actor
from tests.factories import booking as make
from tests.factories.booking import NOON, World, hours
from tests.factories.browsing import text_of


@pytest.fixture(autouse=True)
def _monday_noon() -> Iterator[None]:
    with clock.standing_at(NOON):
        yield


# --- who sees whom ------------------------------------------------------------------------------------------------


def test_the_vendor_sees_the_driver_only_once_they_accepted(world: World, as_vendor: FlaskClient) -> None:
    waiting = world.assigned(world.colleague, vehicle_id=make.vehicle(world.vendor))
    accepted = world.accepted()
    before, after = (text_of(as_vendor.get(f"/booking/{one.id}")) for one in (waiting, accepted))
    assert "Cora" not in before
    assert "+49 170" not in before
    assert "Emil Test" in after
    assert "+49 170" in after
    assert "Emil Test" in text_of(as_vendor.get(f"/booking/{accepted.id}/sheet"))


def test_the_vendor_sees_the_driver_until_thirty_days_after_the_end(world: World, as_vendor: FlaskClient) -> None:
    made = world.active()
    with world.acting(world.vendor_admin, world.end):
        actions.complete_booking(made.id, 1, 1)
    world.deliver(world.end)
    for days, sees in ((30, True), (30.001, False)):
        with clock.standing_at(world.end + hours(24 * days) - hours(0.01)):
            make.sign_in(as_vendor, world.vendor_admin)
            assert ("Emil Test" in text_of(as_vendor.get(f"/booking/{made.id}"))) is sees


def test_contacts_are_shown_from_the_approval_on(world: World, as_company: FlaskClient) -> None:
    before, after = world.requested(), world.approved(vehicle_id=make.vehicle(world.vendor))
    assert "+49 30" not in text_of(as_company.get(f"/booking/{before.id}"))
    assert "+49 30" in text_of(as_company.get(f"/booking/{after.id}"))


def test_the_vendor_never_sees_purpose_or_requester(world: World, as_vendor: FlaskClient) -> None:
    made = world.active()
    for page in ("", "/sheet", "/complete"):
        shown = text_of(as_vendor.get(f"/booking/{made.id}{page}"))
        assert "Site visit" not in shown
        assert "Carl" not in shown
    exported = as_vendor.get("/booking/export?format=csv").get_data(as_text=True)
    assert made.reference in exported
    assert "Site visit" not in exported
    assert "Emil" not in exported


def test_a_draft_is_nobody_elses(world: World, as_vendor: FlaskClient) -> None:
    made = world.drafted()
    assert as_vendor.get(f"/booking/{made.id}").status_code == 404
    assert made.reference not in text_of(as_vendor.get("/booking/"))


def test_an_employee_sees_their_booking_and_nothing_to_decide(world: World, as_employee: FlaskClient) -> None:
    made = world.accepted()
    page = text_of(as_employee.get(f"/booking/{made.id}"))
    assert made.reference in page
    assert "Cancel…" not in page
    assert "Send the message" not in page


# --- lists --------------------------------------------------------------------------------------------------------


def test_the_list_filters_by_status_reference_plate_and_day(world: World, as_company: FlaskClient) -> None:
    asked = world.requested()
    kept = world.drafted(vehicle_id=make.vehicle(world.vendor, license_plate="HH-AB 1", plate_key="HHAB1"))

    def listed(query: str) -> tuple[bool, bool]:
        page = text_of(as_company.get(f"/booking/?{query}"))
        return asked.reference in page, kept.reference in page

    assert listed("") == (True, True)
    assert listed("status=REQUESTED") == (True, False)
    assert listed(f"q={kept.reference[2:5]}") == (False, True)
    assert listed("q=hh ab 1") == (False, True)
    assert listed("from=2026-11-20") == (False, False)
    assert listed("to=2026-11-18&sort=reference") == (True, True)
    assert listed("status=NONSENSE") == (True, True)


def test_today_shows_what_goes_out_comes_back_is_late_and_waits(world: World, as_vendor: FlaskClient) -> None:
    late = world.active(start=NOON + hours(1), end=NOON + hours(2))
    out = world.approved(vehicle_id=make.vehicle(world.vendor), start=NOON + hours(4), end=NOON + hours(30))
    asked = world.requested(vehicle_id=make.vehicle(world.vendor))
    with clock.standing_at(NOON + hours(3)):
        page = text_of(as_vendor.get("/booking/today"))
    assert page.index("Late") < page.index(late.reference) < page.index("Going out") < page.index(out.reference)
    assert page.index("Waiting for your answer") < page.index(asked.reference)


def test_today_says_whom_to_call_about_a_late_vehicle(world: World, client: FlaskClient) -> None:
    world.active(start=NOON + hours(1), end=NOON + hours(2))
    waiting = world.requested(vehicle_id=make.vehicle(world.vendor))
    make.change("organizations", world.company, contact_name="Desk of Meridian", contact_phone="+49 30 5550100")
    make.change("users", world.employee.user_id, phone="+49 170 5550199")

    def seen_by(who: Actor) -> str:
        make.sign_in(client, who)
        with clock.standing_at(NOON + hours(3)):
            return client.get("/booking/today").get_data(as_text=True)

    vendors = seen_by(world.vendor_admin)
    assert 'href="tel:+49305550100"' in vendors
    assert "Desk of Meridian" in vendors
    assert "5550199" not in vendors, "A driver's own number is for the booking and its sheet."
    assert vendors.count("tel:") == 1, f"Before its approval {waiting.reference} tells no contact."
    assert 'href="tel:+491705550199"' in seen_by(world.company_admin)


def test_today_shows_what_is_in_the_workshop(world: World, client: FlaskClient) -> None:
    made = {}
    for name, begins in (("going on", -5), ("today", 4), ("next week", 24 * 7)):
        vehicle = make.vehicle(world.vendor)
        with world.acting(world.vendor_admin, NOON - hours(6)):
            made[name] = fleet.schedule_maintenance(
                vehicle, kind="REPAIR", start=NOON + hours(begins), end=NOON + hours(begins + 3)
            )
    with world.acting(world.vendor_admin, NOON - hours(5)):
        fleet.start_maintenance(made["going on"])
    make.sign_in(client, world.vendor_admin)
    with clock.standing_at(NOON):
        page = client.get("/booking/today").get_data(as_text=True)
    workshop = page.split('id="today-workshop"')[1]
    assert f"/fleet/maintenance/{made['going on']}" in workshop
    assert f"/fleet/maintenance/{made['today']}" in workshop
    assert str(made["next week"]) not in workshop
    assert workshop.count("Late") == 1, "The work that should have ended."
    make.sign_in(client, world.company_admin)
    with clock.standing_at(NOON):
        assert "In the workshop" not in client.get("/booking/today").get_data(as_text=True)


def test_home_lists_what_waits_for_whom(world: World, client: FlaskClient) -> None:
    asked = world.requested()
    promised = world.approved(vehicle_id=make.vehicle(world.vendor))
    make.sign_in(client, world.vendor_admin)
    assert f"Answer the request {asked.reference}" in text_of(client.get("/"))
    make.sign_in(client, world.company_admin)
    page = text_of(client.get("/"))
    assert f"Choose who gets {promised.reference}" in page
    assert f"Answer the request {asked.reference}" not in page


def test_home_asks_for_somebody_else_until_one_is_chosen_or_the_booking_is_over(
    world: World, client: FlaskClient
) -> None:
    declined, cancelled = world.assigned(), world.assigned(start=NOON + hours(96), end=NOON + hours(99))
    for made in (declined, cancelled):
        with world.acting(world.employee):
            assignments.reject_assignment(make.assignment_of(made.id).id, "On leave")
    world.deliver()
    make.sign_in(client, world.company_admin)
    with clock.standing_at(NOON):
        page = client.get("/").get_data(as_text=True)
    assert page.count("Choose somebody else") >= 2, "One for each booking."
    assert "On leave" in page
    assert f"/booking/{declined.id}/assign" in page
    with world.acting(world.company_admin):
        actions.cancel_booking(cancelled.id, "PLANS_CHANGED", "Changed plans")
        actions.assign_booking(declined.id, world.colleague.user_id)
    world.deliver()
    with clock.standing_at(NOON):
        page = client.get("/").get_data(as_text=True)
    assert "Choose somebody else" not in page


def test_today_says_who_declined_and_leads_the_company_to_choose_again(world: World, client: FlaskClient) -> None:
    today = {"start": NOON + hours(2), "end": NOON + hours(30)}
    declined = world.assigned(**today)
    with world.acting(world.employee):
        assignments.reject_assignment(make.assignment_of(declined.id).id, "On leave")
    world.deliver()
    promised = world.approved(vehicle_id=make.vehicle(world.vendor), **today)
    make.sign_in(client, world.company_admin)
    page = client.get("/booking/today").get_data(as_text=True)
    assert "Declined" in page
    for made in (declined, promised):
        assert f"/booking/{made.id}/assign" in page
        assert f"/booking/{made.id}/activate" not in page
    make.sign_in(client, world.vendor_admin)
    page = client.get("/booking/today").get_data(as_text=True)
    assert "Declined" in page
    assert f"/booking/{declined.id}/assign" not in page


def test_a_booking_names_to_its_company_who_was_chosen_before(world: World, client: FlaskClient) -> None:
    made = world.assigned(world.colleague)
    with world.acting(world.colleague):
        assignments.reject_assignment(make.assignment_of(made.id).id, "On leave")
    with world.acting(world.company_admin):
        actions.assign_booking(made.id, world.employee.user_id)
    world.deliver()
    make.sign_in(client, world.company_admin)
    page = text_of(client.get(f"/booking/{made.id}"))
    assert "Cora" in page.split("Earlier choices")[1].split("Messages")[0]
    make.sign_in(client, world.vendor_admin)
    assert "Cora" not in text_of(client.get(f"/booking/{made.id}"))


def test_the_search_box_finds_a_reference_however_it_is_typed(world: World, as_company: FlaskClient) -> None:
    made = world.requested()
    for text in (made.reference, made.reference.lower().replace("-", ""), made.reference[2:]):
        assert made.reference in text_of(as_company.get("/search", query_string={"q": text}))
