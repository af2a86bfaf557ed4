"""What is narrow on the fleet's timeline: bookings of any length, at both edges of a day, a week and a month.

A link of the table is wide enough for a finger, or the booking is reached by the list under its vehicle's name.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page as Tab

from karokar.kernel.db import db
from karokar.web.lists.grid import Grid
from tests.browser import site
from tests.browser.conftest import Watched
from tests.factories import booking as make
from tests.factories.booking import hours

BERLIN = ZoneInfo("Europe/Berlin")
LENGTHS = (0.25, 0.5, 1, 3, 6, 12, 24)
SPANS = {
    "day": Grid.of("day", date(2027, 1, 19), BERLIN),
    "week": Grid.of("week", date(2026, 12, 7), BERLIN),
    "shortest month": Grid.of("month", date(2027, 2, 15), BERLIN),
    "longest month": Grid.of("month", date(2027, 10, 1), BERLIN),
}
BEYOND = hours(2)
WIDEST_FINGER = 24

_LINKS = """table => [...table.querySelectorAll('td a, details a')].map(link => ({
  url: new URL(link.href).pathname, isInTable: !!link.closest('td'), width: link.getBoundingClientRect().width}))"""


def at_the_edges(start: datetime, end: datetime, length: timedelta) -> list[tuple[datetime, datetime]]:
    """Of each length: one that began before, one right after it, one that ends later, and a request beside them."""
    return [(start - BEYOND, start + length), (start + length, start + 2 * length), (end - length, end + BEYOND)]


@pytest.fixture(scope="module")
def planned(databases, tmp_path_factory) -> Iterator[tuple[site.Flask, dict[str, set[str]], str]]:
    """The console of a vendor whose fleet has such bookings; the addresses that each span leads to; a session."""
    with databases.fresh_app("sqlite") as app:
        world = make.make_world()
        found: dict[str, set[str]] = {}
        for length in LENGTHS:
            vehicle = make.vehicle(world.vendor)
            for name, grid in SPANS.items():
                if hours(length) * 3 > grid.end - grid.start:
                    continue
                for start, end in at_the_edges(grid.start, grid.end, hours(length)):
                    booking = world.approved(vehicle_id=vehicle, start=start, end=end)
                    found.setdefault(name, set()).add(f"/booking/{booking.id}")
        for name, grid in SPANS.items():
            for start, end in at_the_edges(grid.start, grid.end, hours(0.25)):
                asked = world.requested(start=start, end=end)
                found[name].add(f"/booking/{asked.id}")
        beside = make.vehicle(world.vendor)
        start = datetime(2027, 6, 15, 12, tzinfo=BERLIN)
        held = [
            world.approved(vehicle_id=beside, start=start + hours(n / 4), end=start + hours((n + 1) / 4))
            for n in (0, 1)
        ]
        asked = world.requested(vehicle_id=beside, start=start + hours(1), end=start + hours(30))
        found["around a request"] = {f"/booking/{one.id}" for one in held}
        decide = f"/booking/{asked.id}/decide"
        world.deliver()
        client = app.test_client()
        make.sign_in(client, world.vendor_admin)
        cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
        assert cookie is not None
        db.session.remove()
        with site.served(app) as address:
            yield address, found | {"decide": {decide}}, cookie.value


@pytest.fixture
def tab(chromium, planned) -> Iterator[Tab]:
    address, _found, session = planned
    context = chromium.new_context(base_url=address, reduced_motion="reduce")
    context.add_cookies([{"name": "session", "value": session, "url": address}])
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("width", [360, 1366])
@pytest.mark.parametrize("name", SPANS)
def test_whatever_its_length_a_booking_at_an_edge_can_be_met_with_a_finger(tab, planned, name, width):
    address, found, _session = planned
    tab.set_viewport_size({"width": width, "height": 900})
    grid = SPANS[name]
    watched = Watched(tab, address)
    watched.open(f"/availability/timeline?span={grid.span}&on={grid.first}")
    assert watched.violations() == []
    links = tab.locator(".kk-plan").evaluate(_LINKS)
    assert {link["url"] for link in links if link["url"].startswith("/booking/")} == found[name]
    assert [
        link for link in links if link["isInTable"] and 0 < link["width"] < WIDEST_FINGER and "/booking/" in link["url"]
    ] == []
    tab.evaluate("document.querySelectorAll('.kk-plan details').forEach(list => { list.open = true })")
    assert watched.violations() == []
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")


def test_a_booking_too_narrow_to_be_a_link_is_reached_by_the_keyboard(tab, planned):
    address, found, _session = planned
    grid = SPANS["longest month"]
    tab.goto(f"{address}/availability/timeline?span=month&on={grid.first}")
    summary = tab.locator(".kk-plan summary").first
    summary.focus()
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    reached = tab.evaluate("document.activeElement.getAttribute('href')")
    assert reached in found["longest month"]
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**{reached}")


@pytest.mark.parametrize("width", [360, 1366])
def test_short_bookings_around_a_request_are_reached_beside_the_strip(tab, planned, width):
    address, found, _session = planned
    tab.set_viewport_size({"width": width, "height": 900})
    watched = Watched(tab, address)
    watched.open(next(iter(found["decide"])))
    assert watched.violations() == []
    for url in found["around a request"]:
        assert tab.locator(f'main a[href="{url}"]:not(.kk-plan a)').count() > 0
        assert tab.locator(f'.kk-plan a[href="{url}"]').count() == 0
