"""The events console: what operators and tenants see of events, and what operators can do about deliveries."""

import re
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from karokar.events.identity import UserLoginFailed
from karokar.kernel.db import db, transaction
from karokar.kernel.ids import new_id
from karokar.outbox.delivery.drain import drain, drain_all
from karokar.outbox.models import DeferredDelivery
from karokar.runs import worker
from tests.factories import people
from tests.factories.booking import make_world, sign_in
from tests.factories.events import approved, drafted, record, requested
from tests.factories.handlers import Planted


def page(client: FlaskClient, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def post(client: FlaskClient, path: str, **fields: str) -> str:
    """Send a form as its page does, and follow it."""
    with client.session_transaction() as session:
        token = session.get("csrf")
    if token is None:
        client.get("/administration/events")
    answer = client.post(path, data={"csrf_token": csrf(client), **fields}, follow_redirects=True)
    return f"{answer.status_code} {answer.get_data(as_text=True)}"


def csrf(client: FlaskClient) -> str:
    text = client.get("/administration/events").get_data(as_text=True)
    return text.split('name="csrf_token" value="', 1)[1].split('"', 1)[0]


def live_address(text: str) -> str:
    """The address of the part that keeps itself current."""
    return "/administration/" + text.split('data-kk-live="/administration/', 1)[1].split('"', 1)[0].replace(
        "&amp;", "&"
    )


@pytest.fixture
def vendor(planted: Flask) -> people.Company:
    return people.make_vendor(name="Nandi Fleet")


@pytest.fixture
def company(planted: Flask) -> people.Company:
    return people.make_corporate(name="Meridian Textiles")


def browser_of(app: Flask, somebody: people.Somebody) -> FlaskClient:
    client = app.test_client()
    people.sign_in(client, somebody)
    return client


def test_an_operator_finds_every_event_and_what_became_of_it(desk: FlaskClient) -> None:
    event_id = record(requested())
    drain()
    text = page(desk, "/administration/events?type=Booking*")
    assert f"/administration/events/{event_id}" in text
    assert "requested the booking" in text
    assert "Handled" in text
    assert "Nothing matches" in page(desk, "/administration/events?type=RoleDeleted")
    assert "Did you mean BookingApproved?" in page(desk, "/administration/events?type=BookingAproved")
    assert f"/administration/events/{event_id}" in page(desk, f"/administration/events?id={event_id}")
    assert "Paste a whole id." in page(desk, "/administration/events?id=7")


def test_events_name_what_they_concern_and_read_as_on_the_timelines(client: FlaskClient) -> None:
    world = make_world()
    made = world.active()
    world.deliver(world.start)
    sign_in(client, world.company_admin)
    text = page(client, "/administration/events?type=Assignment*")
    assert '">of Emil' in text
    assert re.search(r"Emil[^<]*\s<a[^>]*>received the vehicle", text), "not the handler did, but the employee"
    approvals = page(client, "/administration/events?type=BookingApproved")
    found = re.search(r'href="(/administration/events/[0-9a-f-]{36})">approved the booking', approvals)
    assert found is not None
    shown = page(client, found[1])
    assert "<del>Requested</del>" in shown
    assert made.reference in shown


def test_a_stranger_who_failed_to_sign_in_is_not_the_console(desk: FlaskClient) -> None:
    record(UserLoginFailed(user_id=None, reason="password"))
    text = page(desk, "/administration/events?type=UserLoginFailed")
    assert re.search(r"Somebody\s+<a[^>]*>failed to sign in", text)


def test_pages_of_events_lead_to_older_ones_and_back(desk: FlaskClient) -> None:
    recorded = [record(requested()) for _ in range(30)]
    first = page(desk, "/administration/events?type=BookingRequested")
    assert str(recorded[-1]) in first
    assert str(recorded[0]) not in first
    older = first.split('rel="next" href="', 1)[1].split('"', 1)[0].replace("&amp;", "&")
    second = page(desk, older)
    assert str(recorded[0]) in second
    newer = second.split('rel="prev" href="', 1)[1].split('"', 1)[0].replace("&amp;", "&")
    assert str(recorded[-1]) in page(desk, newer)


def test_a_list_that_is_open_hears_of_new_events(desk: FlaskClient) -> None:
    record(requested())
    text = page(desk, "/administration/events?type=Booking*")
    live = live_address(text)
    assert desk.get(live).status_code == 204
    record(requested())
    assert desk.get(live).status_code == 200


def test_each_side_reads_the_same_event_with_its_own_eyes(
    planted: Flask, vendor: people.Company, company: people.Company
) -> None:
    facts = {
        "vendor_organization_id": vendor.id,
        "corporate_organization_id": company.id,
        "requested_by": company.admin.user_id,
    }
    event_id = record(
        requested(**facts), actor=people.actor_of(company.admin), changes={"purpose": [None, "Site visit"]}
    )
    draft_id = record(drafted(**facts), actor=people.actor_of(company.admin))
    for_company = page(browser_of(planted, company.admin), f"/administration/events/{event_id}")
    assert company.admin.name in for_company
    assert "Site visit" in for_company
    for_vendor = page(browser_of(planted, vendor.admin), f"/administration/events/{event_id}")
    assert "Meridian Textiles" in for_vendor
    assert company.admin.name not in for_vendor
    assert "Site visit" not in for_vendor
    assert str(company.admin.user_id) not in for_vendor
    assert "private to the other side" in for_vendor
    assert "Deliveries" not in for_vendor
    page(browser_of(planted, vendor.admin), f"/administration/events/{draft_id}", 404)
    stranger = people.make_vendor()
    page(browser_of(planted, stranger.admin), f"/administration/events/{event_id}", 404)
    page(browser_of(planted, stranger.admin), f"/administration/events/{new_id()}", 404)


def test_tenants_operate_nothing(planted: Flask, vendor: people.Company) -> None:
    client = browser_of(planted, vendor.admin)
    for path in ("pipeline", "failures", "dead-letters", "handlers"):
        page(client, f"/administration/{path}", 403)
    text = page(client, "/administration/events")
    assert "Dead letters" not in text
    catalog = page(client, "/administration/catalog")
    assert "BookingApproved" in catalog
    assert "HandlerPaused" not in catalog
    page(client, "/administration/catalog/HandlerPaused", 404)


def test_what_led_to_what_is_a_tree_and_a_table(desk: FlaskClient) -> None:
    correlation = new_id()
    first = record(requested(), correlation=correlation)
    second = record(approved(), correlation=correlation, cause=first)
    text = page(desk, f"/administration/events/causes/{correlation}")
    assert text.count(f"/administration/events/{second}") == 2
    assert "ms later" in text
    page(desk, f"/administration/events/causes/{new_id()}", 404)


def failing_event(keeper: Planted) -> UUID:
    keeper.is_broken = True
    event_id = record(requested())
    drain()
    db.session.rollback()
    return event_id


def test_a_failed_delivery_shows_its_error_and_is_retried_by_a_click(desk: FlaskClient, keeper: Planted) -> None:
    event_id = failing_event(keeper)
    text = page(desk, f"/administration/events/{event_id}")
    assert "Retrying" in text
    assert "planted.keeper is told to fail" in text
    keeper.is_broken = False
    answer = post(desk, f"/administration/events/{event_id}/deliveries/planted.keeper/retry")
    assert answer.startswith("200")
    assert "is given the event again now" in answer
    drain()
    assert "Handled" in page(desk, f"/administration/events/{event_id}")
    assert keeper.taken == [event_id]
    again = post(desk, f"/administration/events/{event_id}/deliveries/planted.keeper/retry")
    assert again.startswith("409")


def test_a_delivery_is_dismissed_only_with_a_reason(desk: FlaskClient, keeper: Planted) -> None:
    event_id = failing_event(keeper)
    path = f"/administration/events/{event_id}/deliveries/planted.keeper/dismiss"
    assert post(desk, path, reason="  ").startswith("422")
    assert post(desk, path, reason="Made by hand instead.").startswith("200")
    assert "Dismissed" in page(desk, f"/administration/events/{event_id}")
    drain()
    assert "DeliveryDismissed" in page(desk, "/administration/events?type=Delivery*")


def expected_of(text: str) -> str:
    """What names the set that the page shows."""
    return text.split('name="expected" value="', 1)[1].split('"', 1)[0]


def test_failures_alike_are_retried_together_if_they_are_still_those_that_were_shown(
    desk: FlaskClient, keeper: Planted
) -> None:
    for _ in range(3):
        failing_event(keeper)
    listed = page(desk, "/administration/failures")
    path = listed.split('href="/administration/failures/', 1)[1].split('"', 1)[0]
    text = page(desk, f"/administration/failures/{path}")
    assert "Retry all 3?" in text
    shown = expected_of(text)
    with transaction() as session:
        first = (
            select(func.min(DeferredDelivery.position)).where(DeferredDelivery.state == "retrying").scalar_subquery()
        )
        session.execute(update(DeferredDelivery).where(DeferredDelivery.position == first).values(state="dismissed"))
    failing_event(keeper)
    text = page(desk, f"/administration/failures/{path}")
    assert "Retry all 3?" in text, "as many as before, and another one"
    assert post(desk, f"/administration/failures/{path}/retry", expected=shown).startswith("409")
    assert post(desk, f"/administration/failures/{path}/dismiss", expected=shown, reason="Old.").startswith("409")
    with transaction() as session:
        session.execute(update(DeferredDelivery).where(DeferredDelivery.state == "dismissed").values(state="retrying"))
    keeper.is_broken = False
    shown = expected_of(page(desk, f"/administration/failures/{path}"))
    assert "4 deliveries run again now" in post(desk, f"/administration/failures/{path}/retry", expected=shown)
    drain()
    assert len(keeper.taken) == 4
    assert "No open failures" in page(desk, "/administration/failures")
    page(desk, f"/administration/failures/{path}", 404)


def test_failures_alike_are_dismissed_together_with_a_reason(desk: FlaskClient, keeper: Planted) -> None:
    failing_event(keeper)
    failing_event(keeper)
    listed = page(desk, "/administration/failures")
    path = listed.split('href="/administration/failures/', 1)[1].split('"', 1)[0]
    shown = expected_of(page(desk, f"/administration/failures/{path}"))
    assert post(desk, f"/administration/failures/{path}/dismiss", expected=shown).startswith("422")
    assert "stay undone" in post(desk, f"/administration/failures/{path}/dismiss", expected=shown, reason="Old fleet.")
    assert "No open failures" in page(desk, "/administration/failures")


def test_dead_letters_are_listed_by_handler_and_event(desk: FlaskClient, keeper: Planted) -> None:
    event_id = failing_event(keeper)
    assert "The shelf is empty" in page(desk, "/administration/dead-letters")
    drain_all()
    db.session.rollback()
    for query in ("", "?handler=planted.keeper", "?type=Booking*", "?sort=died"):
        assert str(event_id) in page(desk, f"/administration/dead-letters{query}")
    assert "Nothing matches" in page(desk, "/administration/dead-letters?type=BookingApproved")


def test_all_dead_letters_that_match_are_retried_by_a_run(desk: FlaskClient, keeper: Planted) -> None:
    for _ in range(3):
        failing_event(keeper)
    drain_all()
    db.session.rollback()
    asked = page(desk, "/runs/new/delivery.retry?type=BookingRequested")
    assert "BookingRequested for planted.keeper" in asked
    answer = post(desk, "/runs/new/delivery.retry?type=BookingRequested", expected=expected_of(asked))
    assert answer.startswith("200")
    assert "Reason" in page(desk, "/runs/new/delivery.dismiss")
    keeper.is_broken = False
    worker.work()
    drain_all()
    assert len(keeper.taken) == 3


def test_a_handler_is_paused_with_a_reason_and_resumed(desk: FlaskClient, keeper: Planted) -> None:
    assert "Up to date" in page(desk, "/administration/handlers")
    assert post(desk, "/administration/handlers/planted.keeper/pause").startswith("422")
    assert "Paused since" in post(desk, "/administration/handlers/planted.keeper/pause", reason="A new index is built.")
    record(requested())
    drain()
    db.session.rollback()
    assert keeper.taken == []
    assert "Paused" in page(desk, "/administration/pipeline")
    assert "goes on with what waited" in post(desk, "/administration/handlers/planted.keeper/resume")
    drain()
    assert len(keeper.taken) == 1
    page(desk, "/administration/handlers/planted.nobody", 404)


def test_the_pipeline_is_shown_at_a_glance_and_keeps_itself_current(desk: FlaskClient, keeper: Planted) -> None:
    text = page(desk, "/administration/pipeline")
    assert "dead letters" in text
    live = live_address(text)
    assert desk.get(live).status_code in {200, 204}
    failing_event(keeper)
    answer = desk.get(live)
    assert answer.status_code == 200
    assert "planted.keeper is told to fail" in answer.get_data(as_text=True)
    assert answer.headers["X-Live-Url"] != live


def test_the_catalog_tells_operators_who_reacts(desk: FlaskClient) -> None:
    text = page(desk, "/administration/catalog/BookingApproved")
    assert "planted.keeper" in text
    assert "heldUntil" in text
    assert "JSON Schema" in text
    page(desk, "/administration/catalog/NoSuchEvent", 404)


def test_new_events_are_noticed_however_many_hidden_ones_come_before_them(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    world.requested()
    world.deliver()
    sign_in(client, world.vendor_admin)
    live = live_address(page(client, "/administration/events"))
    # As if the drafts, which are the company's alone, were more than one look covers.
    monkeypatch.setattr("karokar.outbox.reading.search._CHUNKS", 1)
    for number in range(6):
        world.drafted(start=world.start + timedelta(days=9, hours=number), end=world.end + timedelta(days=9))
    world.deliver()
    asked = []
    while (answer := client.get(live)).headers.get("X-Live-Url"):
        assert answer.status_code == 204
        live = answer.headers["X-Live-Url"]
        assert live not in asked
        asked.append(live)
    assert answer.status_code == 204
    assert len(asked) > 1
    world.requested(start=world.start + timedelta(days=20), end=world.end + timedelta(days=20))
    world.deliver()
    assert client.get(live).status_code == 200
