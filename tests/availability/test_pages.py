"""The pages of availability, as a browser without JavaScript meets them."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from karokar.assignment import actions as assignments
from karokar.availability import actions, queries
from karokar.availability.views import timeline
from karokar.booking import actions as bookings
from karokar.fleet import actions as fleet
from karokar.fleet import queries as fleet_queries
from karokar.kernel import clock
from karokar.kernel.errors import StateConflict
from karokar.web.shell.times import iso
from tests.factories import booking as make
from tests.factories.booking import NOON, hours
from tests.factories.browsing import send, text_of

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def _monday_noon():
    with clock.standing_at(NOON):
        yield


@pytest.fixture
def world(app):
    return make.make_world()


@pytest.fixture
def as_vendor(client, world):
    make.sign_in(client, world.vendor_admin)
    return client


@pytest.fixture
def as_company(client, world):
    make.sign_in(client, world.company_admin)
    return client


def plate(vehicle_id):
    return fleet_queries.get_vehicle(vehicle_id).license_plate


# --- search -----------------------------------------------------------------------------------------------------------


def test_a_hit_leads_to_a_request_with_the_dates_filled_in(world, as_company):
    page = as_company.get("/availability/?start=2026-11-18T13:00&end=2026-11-19T13:00").get_data(as_text=True)
    (link,) = re.findall(r'href="(/booking/new\?[^"]+)"', page)
    filled = as_company.get(link.replace("&amp;", "&")).get_data(as_text=True)
    assert 'value="2026-11-18T13:00"' in filled
    assert 'value="2026-11-19T13:00"' in filled


def test_a_vendor_in_the_search_leads_to_what_is_known_of_it(world, as_company):
    page = as_company.get("/availability/?start=2026-11-18T13:00&end=2026-11-19T13:00").get_data(as_text=True)
    link = f"/organization/{world.vendor}"
    assert f'<a href="{link}">Harbour Cars</a>' in page
    assert "Harbour Cars" in text_of(as_company.get(link))


def test_a_search_in_a_time_that_has_begun_says_that_no_request_can_be_sent(world, as_company):
    said = [
        "This time has begun" in text_of(as_company.get(f"/availability/?start={start}&end=2026-11-19T13:00"))
        for start in ("2026-11-16T11:30", "2026-11-16T12:30")
    ]
    assert said == [True, False]  # NOON is 13:00 there


def test_what_is_not_free_says_why(world, as_company):
    world.approved()
    world.deliver()
    page = text_of(as_company.get("/availability/?start=2026-11-18T13:00&end=2026-11-19T13:00"))
    assert "1 would fit and is not free" in page
    assert "Taken until 19 Nov 2026, 13:00 CET" in page


def test_a_search_that_ends_before_it_begins_is_refused_at_its_field(as_company):
    answer = as_company.get("/availability/?start=2026-11-19T13:00&end=2026-11-18T13:00")
    assert answer.status_code == 422
    assert "The end must be after the start." in text_of(answer)


@pytest.mark.parametrize(
    "query",
    [
        "start=x&end=y",
        "start=2026-11-19T13:00",
        "start=2026-11-18T13:00&end=2026-11-19T13:00&city=Atlantis&seats=many&vendor=nobody&category=X",
        "page=-5&start=2026-11-18T13:00&end=2026-11-19T13:00",
    ],
)
def test_nonsense_is_answered_and_never_fails(as_company, query):
    assert as_company.get(f"/availability/?{query}").status_code in {200, 422}


# --- timeline ---------------------------------------------------------------------------------------------------------


def test_the_timeline_shows_what_each_vehicle_does_and_links_its_free_gaps(world, as_vendor):
    booking = world.approved()
    asked = world.requested(start=booking.end + hours(2), end=booking.end + hours(8))
    world.deliver()
    page = as_vendor.get("/availability/timeline?on=2026-11-16").get_data(as_text=True)
    assert f"{booking.reference} reserved" in page
    assert f"Request {asked.reference}" in page
    assert "Times are in Europe/Berlin" in page
    assert re.search(r'class="kk-free"><a href="/fleet/[^"]+/maintenance/new\?start=2026-11-16T12:00:00Z', page)


def test_a_gap_too_narrow_to_be_met_is_a_link_only_where_it_is_shown_wider(world, as_vendor):
    booking = world.approved()
    with world.acting(world.vendor_admin):
        fleet.schedule_maintenance(
            world.vehicle, kind="REPAIR", start=booking.end + hours(3), end=booking.end + hours(9)
        )
    world.deliver()
    gap = f"start={booking.end:%Y-%m-%dT%H:%M:%SZ}"
    assert gap not in as_vendor.get("/availability/timeline?on=2026-11-18").get_data(as_text=True)
    assert gap in as_vendor.get(f"/availability/timeline?span=day&on={booking.end:%Y-%m-%d}").get_data(as_text=True)


def test_a_free_gap_starts_maintenance_with_its_dates(world, as_vendor):
    page = as_vendor.get("/availability/timeline").get_data(as_text=True)
    link = re.search(r'class="kk-free"><a href="([^"]+)"', page).group(1).replace("&amp;", "&")
    filled = as_vendor.get(link).get_data(as_text=True)
    assert 'value="2026-11-16T13:00"' in filled


def test_a_conflict_is_seen_in_the_timeline_and_leads_to_its_page(world, as_vendor):
    booking = world.approved()
    with world.acting(world.vendor_admin):
        fleet.schedule_maintenance(world.vehicle, kind="REPAIR", start=booking.start, end=booking.end)
    world.deliver()
    page = as_vendor.get("/availability/timeline?on=2026-11-18").get_data(as_text=True)
    assert page.count("</svg> Conflict: ") == 2
    link = re.search(r'href="(/availability/conflicts/[0-9a-f-]{36})"', page).group(1)
    assert booking.reference in text_of(as_vendor.get(link))


def test_a_company_sees_its_own_vehicles_and_those_it_booked(world, as_company):
    booking = world.approved()
    world.deliver()
    page = text_of(as_company.get("/availability/timeline?on=2026-11-18"))
    assert plate(world.own_vehicle) in page
    assert plate(world.vehicle) in page
    assert booking.reference in page
    other = make.vehicle(world.vendor)
    asked = world.requested(vehicle_id=other)
    assert f"Request {asked.reference}" in text_of(as_company.get("/availability/timeline?on=2026-11-18"))


def test_of_many_booked_vehicles_a_company_sees_a_page_and_how_many_more_there_are(world, as_company, monkeypatch):
    monkeypatch.setattr(timeline, "PAGE", 2)
    for _ in range(3):
        world.requested(vehicle_id=make.vehicle(world.vendor))
    page = as_company.get(f"/availability/timeline?on={world.start:%Y-%m-%d}")
    assert page.text.count("<tbody>") == 1 + 2  # their own, and two that are booked
    assert "1 more booked vehicle is not shown" in text_of(page)


def test_another_company_sees_that_a_vehicle_is_taken_and_not_by_whom(client, world):
    booking = world.approved()
    world.deliver()
    make.sign_in(client, make.another_company())
    page = text_of(client.get(f"/availability/timeline?on=2026-11-18&vehicle_id={world.vehicle}"))
    assert "Not free" in page
    assert booking.reference not in page
    page = text_of(client.get(f"/fleet/{world.vehicle}"))
    assert booking.reference not in page
    assert "Odometer" not in page


@pytest.mark.parametrize(
    "query", ["on=0001-01-01", "on=9999-12-31", "on=soon", "span=decade", "cursor=x", "vehicle_id=1"]
)
def test_odd_addresses_of_the_timeline_are_answered(as_vendor, query):
    assert as_vendor.get(f"/availability/timeline?{query}").status_code in {200, 404}


@pytest.mark.parametrize("on", ["2026-03-29", "2026-10-25", "2026-12-31"])
@pytest.mark.parametrize("span", ["day", "week", "month"])
def test_the_timeline_stands_on_days_of_23_and_25_hours(world, as_vendor, on, span):
    assert as_vendor.get(f"/availability/timeline?on={on}&span={span}").status_code == 200


# --- conflicts --------------------------------------------------------------------------------------------------------


def in_conflict(world):
    booking = world.approved()
    with world.acting(world.vendor_admin):
        fleet.schedule_maintenance(world.vehicle, kind="REPAIR", start=booking.start, end=booking.end)
    world.deliver()
    with world.acting(world.vendor_admin):
        return queries.list_conflicts().rows[0]


def test_either_side_says_that_it_goes_ahead_anyway(world, as_company):
    found = in_conflict(world)
    url = f"/availability/conflicts/{found.id}"
    assert "What can be done" in text_of(as_company.get(url))
    answer = send(as_company, url, f"{url}/resolve", note="The workshop comes to us")
    assert answer.status_code == 303
    page = text_of(as_company.get(url))
    assert "The workshop comes to us" in page
    assert "It goes ahead anyway" in page
    assert "It goes ahead anyway" in text_of(as_company.get(f"/timeline/AvailabilityConflict/{found.id}"))
    assert "All done" in text_of(as_company.get("/availability/conflicts?status=OPEN")) or "Nothing matches" in text_of(
        as_company.get("/availability/conflicts?status=OPEN")
    )


def test_a_conflict_leads_the_company_to_what_else_is_free_in_its_time(client, world):
    url = f"/availability/conflicts/{in_conflict(world).id}"
    make.sign_in(client, world.company_admin)
    (link,) = re.findall(r'href="(/availability/\?start=[^"]+)"', client.get(url).get_data(as_text=True))
    assert f"start={iso(world.start)}&end={iso(world.end)}" in link.replace("&amp;", "&").replace("%3A", ":")
    make.sign_in(client, world.vendor_admin)
    assert "/availability/?start=" not in client.get(url).get_data(as_text=True)


def test_a_conflict_is_nobody_elses_business(client, world):
    found = in_conflict(world)
    make.sign_in(client, make.another_company())
    assert client.get(f"/availability/conflicts/{found.id}").status_code == 404
    make.sign_in(client, world.employee)
    assert client.get(f"/availability/conflicts/{found.id}").status_code == 403


def test_an_open_conflict_waits_on_both_homes(world):
    in_conflict(world)
    can_move = []
    for who in (world.vendor_admin, world.company_admin):
        with world.acting(who):
            (item,) = queries.list_waiting_for(who)
        assert item.kind == "Conflict"
        assert "take another vehicle" in item.detail
        can_move.append(item.detail.startswith("Move the maintenance"))
    assert can_move == [True, False]


# --- maintenance and who had it ---------------------------------------------------------------------------------------


def test_maintenance_over_a_booking_is_saved_only_when_its_bookings_were_seen(world, as_vendor):
    booking = world.approved()
    world.deliver()
    url = f"/fleet/{world.vehicle}/maintenance/new"
    plan = {"kind": "REPAIR", "start": "2026-11-18T14:00", "end": "2026-11-18T18:00", "description": ""}
    answer = send(as_vendor, url, **plan)
    assert answer.status_code == 422
    assert "This hits one booking" in text_of(answer)
    assert booking.reference in text_of(answer)
    answer = send(as_vendor, url, **plan, seen=str(booking.id))
    assert answer.status_code == 303


def test_times_of_maintenance_are_typed_and_shown_in_the_organizations_zone(world, as_vendor):
    url = f"/fleet/{world.vehicle}/maintenance/new"
    plan = {"kind": "REPAIR", "start": "2026-10-25T01:30", "end": "2027-03-28T03:30", "description": ""}
    answer = send(as_vendor, url, **plan)
    assert answer.status_code == 303
    page = text_of(as_vendor.get(answer.location))
    assert "25 Oct 2026, 01:30 CEST" in page
    assert "28 Mar 2027, 03:30 CEST" in page


def who_had(client, world, when):
    return text_of(
        client.get(
            f"/fleet/who-had-it?plate={plate(world.vehicle).lower()}&at={when.astimezone(BERLIN):%Y-%m-%dT%H:%M}"
        )
    )


def test_plate_and_moment_lead_to_booking_company_and_driver(client, world):
    booking = world.active()
    with world.acting(world.vendor_admin, booking.start + hours(5)):
        bookings.complete_booking(booking.id, 10_100, 60)
    world.deliver(booking.start + hours(6))
    during = booking.start + hours(3)
    for who in (world.vendor_admin, world.company_admin):
        with clock.standing_at(booking.start + hours(7)):
            make.sign_in(client, who)
            page = who_had(client, world, during)
        assert booking.reference in page
        assert "Emil Test" in page
        assert "Meridian Textiles" in page


def test_the_minute_of_a_handover_belongs_to_all_who_had_the_vehicle_in_it(client, world):
    taken, returned = world.start + timedelta(seconds=57), world.start + hours(5) + timedelta(seconds=12)
    booking = world.accepted()
    with world.acting(world.vendor_admin, taken):
        bookings.activate_booking(booking.id, 10_000, 100)
    world.deliver(taken)
    with world.acting(world.vendor_admin, returned):
        bookings.complete_booking(booking.id, 10_100, 60)
    world.deliver(returned)
    had = {}
    with clock.standing_at(returned + hours(1)):
        make.sign_in(client, world.vendor_admin)
        for minutes in (-1, 0, 300, 301):
            had[minutes] = "Emil Test" in who_had(client, world, world.start + timedelta(minutes=minutes))
        assert "still to come" in who_had(client, world, returned + hours(30))
    assert had == {-1: False, 0: True, 300: True, 301: False}


def test_a_vendor_learns_the_driver_for_thirty_days_only(client, world):
    booking = world.active()
    with world.acting(world.vendor_admin, booking.start + hours(5)):
        bookings.complete_booking(booking.id, 10_100, 60)
    world.deliver(booking.start + hours(6))
    with clock.standing_at(booking.start + timedelta(days=31)):
        make.sign_in(client, world.vendor_admin)
        page = who_had(client, world, booking.start + hours(3))
    assert booking.reference in page
    assert "Emil Test" not in page
    assert "Ask the company" in page


def test_nobody_else_learns_who_had_it(client, world):
    booking = world.active()
    make.sign_in(client, make.another_company())
    page = who_had(client, world, booking.start + hours(3))
    assert booking.reference not in page
    assert "Emil" not in page
    make.sign_in(client, world.employee)
    assert client.get("/fleet/who-had-it").status_code == 404


def test_a_direct_assignment_is_known_to_its_company_alone(client, world):
    assignment = world.direct(end=None)
    with world.acting(world.employee):
        assignments.accept_assignment(assignment.id)
    with world.acting(world.employee, assignment.start):
        assignments.start_assignment(assignment.id, 10_000, 90)
    world.deliver(assignment.start)
    when = assignment.start + hours(2)
    with clock.standing_at(when):
        make.sign_in(client, world.company_admin)
        page = client.get(f"/fleet/who-had-it?plate={plate(world.own_vehicle)}&at={when:%Y-%m-%dT%H:%M}")
        assert "Emil Test" in text_of(page)
        make.sign_in(client, world.vendor_admin)
        page = client.get(f"/fleet/who-had-it?plate={plate(world.own_vehicle)}&at={when:%Y-%m-%dT%H:%M}")
        assert "Emil" not in text_of(page)


def test_a_week_begins_on_the_day_asked_so_that_today_is_never_its_end(as_vendor):
    assert "Mon 16 Nov 2026 to Sun 22 Nov 2026" in text_of(as_vendor.get("/availability/timeline"))
    assert "Sat 21 Nov 2026 to Fri 27 Nov 2026" in text_of(as_vendor.get("/availability/timeline?on=2026-11-21"))


def test_what_is_off_the_road_cannot_go_ahead_and_the_page_does_not_offer_it(any_app, any_client):
    world = make.make_world()
    world.approved()
    with world.acting(world.vendor_admin):
        fleet.suspend_vehicle(world.vehicle, reason="DAMAGE")
    world.deliver()
    with world.acting(world.vendor_admin):
        (found,) = queries.open_conflicts()
        with pytest.raises(StateConflict, match="VEHICLE_NOT_ACTIVE"):
            actions.resolve_conflict(found.id, note="It goes ahead")
    for who in (world.vendor_admin, world.company_admin):
        with clock.standing_at(make.NOON):
            make.sign_in(any_client, who)
            page, home = any_client.get(f"/availability/conflicts/{found.id}").text, any_client.get("/").text
        assert "goes ahead anyway" not in page + home
        assert "btn-primary" in page


def test_going_ahead_anyway_is_never_the_only_solid_button(any_app, any_client):
    world = make.make_world()
    world.approved()
    with world.acting(world.vendor_admin):
        fleet.schedule_maintenance(world.vehicle, kind="SERVICE", start=world.start, end=world.end)
    world.deliver()
    with world.acting(world.vendor_admin):
        (found,) = queries.open_conflicts()
    for who in (world.vendor_admin, world.company_admin):
        with clock.standing_at(make.NOON):
            make.sign_in(any_client, who)
            page = any_client.get(f"/availability/conflicts/{found.id}").text
        assert '<button class="btn btn-secondary">It goes ahead anyway</button>' in page
        assert "btn-primary" in page.split("What can be done")[-1]
