"""The timeline's page: shareable, downloadable, as of a moment, and shown on the pages of things."""

import csv
import io
import json
import re
from html import unescape

import pytest
from flask.testing import FlaskClient

from karokar.assignment import actions as assignments
from karokar.outbox.delivery.drain import drain_all
from tests.factories import booking, people
from tests.factories.people import Company


@pytest.fixture
def company(client: FlaskClient) -> Company:
    """A company with a history, and its administrator's browser."""
    made = people.make_corporate(employees=1)
    drain_all()
    people.sign_in(client, made.admin)
    return made


def test_it_reads_as_sentences_with_who_and_what_changed(client: FlaskClient, company: Company):
    page = client.get(f"/timeline/Organization/{company.id}").text
    assert "approved the organization" in page
    assert "Waiting behind" not in page
    assert "<del>Waiting for review</del>" in page
    assert "<ins>Active</ins>" in page
    assert "changed; the values are personal and not kept" in page


def test_it_says_each_thing_once_and_in_the_words_of_the_pages(client: FlaskClient, company: Company):
    page = unescape(client.get(f"/timeline/Organization/{company.id}").text)
    assert f"<strong>{company.name}</strong> applied for the marketplace" in page, "not KaroKar did"
    assert "asked for a verification: company registration" in page
    assert "approved the verification: company registration" in page
    assert "What it began with" in page, "what a new thing began with is folded away"
    for noise in ("Choice number", "Reviewed at", "Requested at", "Kind of thing"):
        assert noise not in page


def test_a_reading_is_told_once_and_as_people_write_numbers(client: FlaskClient):
    world = booking.make_world()
    made = world.direct()
    with world.acting(world.employee):
        assignments.accept_assignment(made.id)
    with world.acting(world.employee, world.start):
        assignments.start_assignment(made.id, 10_250, 80)
    world.deliver(world.start)
    booking.sign_in(client, world.company_admin)
    page = client.get(f"/timeline/Assignment/{made.id}").text
    told = page[page.index("received the vehicle") : page.index("accepted the assignment")]
    assert told.count("10,250") == 1
    assert "10250" not in told
    assert "Odometer (km)" in told


def test_the_platforms_people_appear_by_its_name(client: FlaskClient, company: Company):
    page = client.get(f"/timeline/Organization/{company.id}?kind=organization").text
    assert "<strong>KaroKar</strong> approved the organization" in page
    assert "Pat Form" not in page


def test_filters_stand_in_the_address(client: FlaskClient, company: Company):
    page = client.get(f"/timeline/Organization/{company.id}?kind=verification&actor={company.admin.user_id}").text
    assert "asked for a verification" in page
    assert "approved the organization" not in page
    assert "Nothing matches" in client.get(f"/timeline/Organization/{company.id}?text=no-such-thing-anywhere").text


def test_downloads_hold_what_the_page_shows(client: FlaskClient, company: Company):
    address = f"/timeline/Organization/{company.id}/download?kind=organization"
    lines = [json.loads(line) for line in client.get(address).text.splitlines()]
    assert [line["eventType"] for line in lines] == ["OrganizationApproved", "OrganizationCreated"]
    assert "reviewerId" not in lines[0]["payload"]
    rows = list(csv.reader(io.StringIO(client.get(f"{address}&format=csv").text.removeprefix("\ufeff"))))
    assert [row[4] for row in rows[1:]] == ["approved the organization", "applied for the marketplace"]


def test_as_of_a_moment_it_shows_what_was_there(client: FlaskClient, company: Company):
    lines = client.get(f"/timeline/Organization/{company.id}/download?kind=organization").text.splitlines()
    created = json.loads(lines[-1])["occurredAt"]
    page = client.get(f"/timeline/Organization/{company.id}", query_string={"as_of": created}).text
    assert "As it was on" in page
    assert "<dd>Waiting for review</dd>" in page
    assert "approved the organization" not in page
    assert "no time that can be understood" in client.get(f"/timeline/Organization/{company.id}?as_of=soon").text


def test_what_concerns_others_does_not_exist(client: FlaskClient, company: Company):
    vendor = people.make_vendor()
    drain_all()
    assert client.get(f"/timeline/Organization/{vendor.id}").status_code == 404
    assert client.get(f"/timeline/Nonsense/{vendor.id}").status_code == 404
    assert client.get(f"/timeline/Organization/{vendor.id}/download").text == ""


def test_a_cursor_of_another_organization_is_refused(client: FlaskClient, company: Company):
    page = client.get(f"/timeline/Organization/{company.id}").text
    live = page.split('data-live="')[1].split('"', maxsplit=1)[0].replace("&amp;", "&")
    assert client.get(live).status_code == 204
    vendor = people.make_vendor()
    people.sign_in(client, vendor.admin)
    assert client.get(live).status_code == 422


def on_the_page(client: FlaskClient, address: str) -> str:
    """What the timeline on a thing's own page shows, as the browser asks for it once it has the page."""
    page = client.get(address)
    assert page.status_code == 200
    assert 'id="timeline"' in page.text
    return client.get(unescape(page.text.split('data-story-later="')[1].split('"', maxsplit=1)[0])).text


def test_the_pages_of_things_show_their_timelines(client: FlaskClient, company: Company):
    assert "approved the organization" in on_the_page(client, "/organization/own")
    assert "signed in" in on_the_page(client, f"/identity/members/{company.admin.membership_id}")


def test_without_javascript_a_link_leads_to_what_happened(client: FlaskClient, company: Company):
    page = client.get("/organization/own").text
    link = re.search(r'<a href="([^"]+)">Show what happened</a>', page)
    assert link
    assert "approved the organization" in client.get(unescape(link[1])).text


def test_a_thing_of_which_nothing_is_told_yet_says_so_on_its_page(client: FlaskClient, company: Company):
    vendor = people.make_vendor()
    drain_all()
    part = client.get(f"/timeline/Organization/{vendor.id}?part=newest")
    assert part.status_code == 200
    assert "Nothing has happened yet" in part.text
    assert "data-event" not in part.text


def test_a_person_finds_their_own_history_on_their_profile(client: FlaskClient, company: Company):
    employee = company.employees[0]
    people.sign_in(client, employee)
    drain_all()
    assert "signed in" in on_the_page(client, "/account/profile")
