"""The pages of bookings, as a browser without JavaScript meets them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karokar.booking import actions
from karokar.kernel import clock
from tests.factories import booking as make
from tests.factories.booking import NOON, World
from tests.factories.browsing import follow, forms_of, send, text_of


@pytest.fixture(autouse=True)
def _monday_noon() -> Iterator[None]:
    with clock.standing_at(NOON):
        yield


# --- asking -------------------------------------------------------------------------------------------------------


def test_a_free_gap_becomes_a_request_in_one_step(world: World, as_company: FlaskClient) -> None:
    page = f"/booking/new?vehicle_id={world.vehicle}&start=2026-11-18T12:00:00Z&end=2026-11-19T12:00:00Z"
    opened = text_of(as_company.get(page))
    assert "The vehicle is free: " in opened
    html = as_company.get(page).get_data(as_text=True)
    assert 'value="2026-11-18T13:00"' in html  # noon in UTC, as Berlin's clocks show it
    sent = send(as_company, page, do="send", start="2026-11-18T13:00", end="2026-11-19T13:00", purpose="Site visit")
    told = follow(as_company, sent)
    assert "The request was sent" in told
    assert "Harbour Cars has been asked" in told
    assert "18 Nov 2026, 13:00 CET" in told


def test_who_asks_again_for_the_same_time_is_told_what_waits_already(world: World, client: FlaskClient) -> None:
    made = world.requested()
    page = f"/booking/new?vehicle_id={world.vehicle}&start=2026-11-19T06:00:00Z&end=2026-11-20T12:00:00Z"
    for who, is_told in ((world.company_admin, True), (make.another_company(), False)):
        make.sign_in(client, who)
        assert (
            f"already asked for this vehicle in this time: {made.reference}" in text_of(client.get(page))
        ) is is_told
        assert (made.reference in client.get(page).text) is is_told


def test_a_draft_is_kept_edited_and_sent(world: World, as_company: FlaskClient) -> None:
    page = f"/booking/new?vehicle_id={world.vehicle}"
    kept = send(as_company, page, do="keep", start="2026-11-18T13:00", end="2026-11-19T13:00")
    told = follow(as_company, kept)
    assert "This is a draft" in told
    url = kept.location
    changed = send(as_company, f"{url}/edit", start="2026-11-18T14:00", end="2026-11-19T13:00", purpose="Later")
    assert "18 Nov 2026, 14:00 CET" in follow(as_company, changed)
    assert "has been asked" in follow(as_company, send(as_company, url, f"{url}/submit"))


def test_a_period_the_wrong_way_round_is_named_at_its_field(world: World, as_company: FlaskClient) -> None:
    page = f"/booking/new?vehicle_id={world.vehicle}"
    answer = send(as_company, page, do="send", start="2026-11-19T13:00", end="2026-11-18T13:00")
    assert answer.status_code == 422
    assert "The end has to come after the start" in text_of(answer)


def test_what_stands_in_the_way_of_a_request_keeps_what_was_typed(world: World, as_company: FlaskClient) -> None:
    world.approved(by=make.another_company())
    page = f"/booking/new?vehicle_id={world.vehicle}"
    answer = send(as_company, page, do="send", start="2026-11-18T13:00", end="2026-11-19T13:00", purpose="Fair")
    assert answer.status_code == 422
    assert "Somebody else holds the vehicle in this period" in text_of(answer)
    assert 'value="Fair"' in answer.get_data(as_text=True)


def test_without_a_vehicle_the_search_comes_first(as_company: FlaskClient) -> None:
    answer = as_company.get("/booking/new")
    assert answer.status_code == 303
    assert "/availability/" in answer.location


def test_a_draft_is_discarded(world: World, as_company: FlaskClient) -> None:
    url = f"/booking/{world.drafted().id}"
    assert "The draft was discarded" in follow(as_company, send(as_company, url, f"{url}/discard"))
    assert as_company.get(url).status_code == 404


def test_a_stale_form_gets_both_versions(world: World, as_company: FlaskClient) -> None:
    made = world.drafted()
    url = f"/booking/{made.id}/edit"
    opened = as_company.get(url).get_data(as_text=True)
    with world.acting(world.company_admin):
        actions.edit_booking(made.id, world.start, world.end, "Their purpose")
    answer = as_company.post(
        url, data={**forms_of(opened)[""], "start": "2026-11-18T13:00", "end": "2026-11-19T13:00", "purpose": "Mine"}
    )
    assert answer.status_code == 409
    assert "Their purpose" in text_of(answer)
    assert "Mine" in answer.get_data(as_text=True)


# --- deciding -----------------------------------------------------------------------------------------------------


def test_the_decision_page_names_who_loses(world: World, as_vendor: FlaskClient) -> None:
    chosen = world.requested()
    loser = world.requested(by=make.another_company("Other Mills"))
    page = text_of(as_vendor.get(f"/booking/{chosen.id}/decide"))
    assert loser.reference in page
    assert "Other Mills" in page
    assert "Site visit" not in page  # the purpose is the company's own


def test_a_request_is_approved_alone(world: World, as_vendor: FlaskClient) -> None:
    made = world.requested()
    page = f"/booking/{made.id}/decide"
    assert "Approved. The company has been told" in follow(
        as_vendor, send(as_vendor, page, f"/booking/{made.id}/approve")
    )


def test_approving_may_reject_the_others_in_one_step(world: World, as_vendor: FlaskClient) -> None:
    chosen, loser = world.requested(), world.requested()
    page, url = f"/booking/{chosen.id}/decide", f"/booking/{chosen.id}/approve"
    unsaid = send(as_vendor, page, url, **{"others": "reject", "others-reason": "ALREADY_PROMISED", "others-note": ""})
    assert unsaid.status_code == 422
    assert make.booking(chosen.id).status == "REQUESTED"
    follow(
        as_vendor,
        send(as_vendor, page, url, **{"others": "reject", "others-reason": "ALREADY_PROMISED", "others-note": "Sorry"}),
    )
    assert [make.booking(one.id).status for one in (chosen, loser)] == ["APPROVED", "REJECTED"]


def test_a_held_vehicle_cannot_be_approved_and_the_page_says_by_what(world: World, as_vendor: FlaskClient) -> None:
    late = world.requested()
    holder = world.approved()
    page = text_of(as_vendor.get(f"/booking/{late.id}/decide"))
    assert "This can't be approved" in page
    assert holder.reference in page
    opened = as_vendor.get(f"/booking/{late.id}/decide").get_data(as_text=True)
    tokens = forms_of(opened)[f"/booking/{late.id}/reject"]
    answer = as_vendor.post(f"/booking/{late.id}/approve", data=tokens)
    assert answer.status_code == 409
    assert holder.reference in text_of(answer)


def test_a_rejection_offers_another_vehicle_that_the_company_requests_instead(
    world: World, client: FlaskClient, app: Flask
) -> None:
    other = make.vehicle(world.vendor, model="Superb")
    made = world.requested()
    make.sign_in(client, world.vendor_admin)
    page = f"/booking/{made.id}/decide"
    follow(
        client,
        send(
            client,
            page,
            f"/booking/{made.id}/reject",
            reason="NEEDED_IN_WORKSHOP",
            note="Brakes",
            offered_vehicle_id=str(other),
        ),
    )
    company = app.test_client()
    make.sign_in(company, world.company_admin)
    opened = company.get(f"/booking/{made.id}")
    assert "Request this one instead" in text_of(opened)
    assert "Skoda Superb" in text_of(opened)
    assert f"vehicle_id={other}&amp;start=2026-11-18T12:00:00Z" in opened.get_data(as_text=True)


def test_of_a_large_fleet_what_is_of_the_same_category_is_offered(world: World, as_vendor: FlaskClient) -> None:
    for _ in range(201):
        make.vehicle(world.vendor, category="BUS", model="Coach")
    make.vehicle(world.vendor, model="Superb")
    made = world.requested()
    assert "Skoda Superb" in text_of(as_vendor.get(f"/booking/{made.id}/decide"))


def test_what_an_approval_would_not_let_out_is_not_offered(app: Flask, client: FlaskClient) -> None:
    world = make.make_world(buffer_minutes=60)
    make.sign_in(client, world.vendor_admin)
    lapsing, soon_out = make.vehicle(world.vendor, model="Lapsing"), make.vehicle(world.vendor, model="Buffered")
    made = world.requested()
    page = f"/booking/{made.id}/decide"
    assert "Skoda Lapsing" in text_of(client.get(page))
    assert "Skoda Buffered" in text_of(client.get(page))
    make.verified("Vehicle", lapsing, world.vendor, "VEHICLE_INSURANCE", expires_at=made.end - timedelta(hours=1))
    world.approved(vehicle_id=soon_out, start=made.end + timedelta(minutes=30), end=made.end + timedelta(hours=5))
    world.deliver()
    assert "Skoda Lapsing" not in text_of(client.get(page))
    assert "Skoda Buffered" not in text_of(client.get(page))


def test_a_reason_reads_everywhere_as_it_was_chosen(world: World, as_company: FlaskClient) -> None:
    made = world.requested()
    with world.acting(world.vendor_admin):
        actions.reject_booking(made.id, "NEEDED_IN_WORKSHOP", "Brakes")
    world.deliver()
    assert "The vehicle has to go to the workshop (Brakes)" in text_of(as_company.get("/notification/"))
    assert "The vehicle has to go to the workshop" in text_of(as_company.get(f"/booking/{made.id}"))
    assert "The vehicle has to go to the workshop" in text_of(as_company.get(f"/timeline/Booking/{made.id}"))


def test_a_decided_request_leads_back_to_the_booking(world: World, as_vendor: FlaskClient) -> None:
    made = world.approved()
    answer = as_vendor.get(f"/booking/{made.id}/decide")
    assert "there is nothing to decide" in follow(as_vendor, answer)


def test_two_who_change_a_drafts_time_at_once_compare_times_as_people_read_them(
    world: World, as_company: FlaskClient
) -> None:
    made = world.drafted()
    url = f"/booking/{made.id}/edit"
    typed = {"start": "2026-11-18T13:00", "end": "2026-11-20T18:00"}
    opened = forms_of(as_company.get(url).text)[""]
    send(as_company, url, **typed, purpose="Somebody was faster")
    told = text_of(as_company.post(url, data={**opened, **typed, "end": "2026-11-21T09:00"}))
    assert "20 Nov 2026, 18:00" in told
    assert "21 Nov 2026, 09:00" in told
    assert "2026-11-21T" not in told
