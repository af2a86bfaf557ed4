"""No page shows a link that leads nowhere for the person who sees it."""

import re
from collections import deque
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karokar.assignment import actions as assignments
from karokar.booking import actions as bookings
from karokar.fleet import actions as fleet
from karokar.kernel import clock
from tests.factories import booking as make
from tests.factories.booking import NOON, World, hours

_HREF = re.compile(r'href="(/[^"#]*)')
_LEFT_OUT = re.compile(
    r"^/(static|logout|sign-out|identity/logout|events/stream)|export|[?&]cursor=|[?&]sort=|[?&]as_of="
)
"""Files, and the same page in another order or at another moment."""
MOST = 500
"""So many pages are opened for each person, one of each kind of address first."""


@pytest.fixture
def world(app: Flask) -> World:
    """Bookings in every state, on vehicles that are on the road, off it, and gone."""
    world = make.make_world()
    gone, off = make.vehicle(world.vendor), make.vehicle(world.vendor)
    rejected = world.requested(vehicle_id=gone, start=NOON + hours(20), end=NOON + hours(30))
    with world.acting(world.vendor_admin):
        bookings.reject_booking(rejected.id, "OTHER", "Sold.", offered_vehicle_id=off)
    cancelled = world.approved(vehicle_id=gone, start=NOON + hours(50), end=NOON + hours(60))
    with world.acting(world.company_admin):
        bookings.cancel_booking(cancelled.id, "PLANS_CHANGED", "Later.")
    world.approved(vehicle_id=off)
    with world.acting(world.vendor_admin):
        fleet.retire_vehicle(gone, reason="Sold")
        fleet.suspend_vehicle(off, reason="OTHER", note="Being repaired.")
    declined = world.assigned(world.employee, vehicle_id=make.vehicle(world.vendor))
    with world.acting(world.employee):
        assignments.reject_assignment(make.assignment_of(declined.id).id, "On leave")
    world.accepted(world.colleague)
    world.requested(vehicle_id=make.vehicle(world.vendor))
    world.drafted(vehicle_id=make.vehicle(world.vendor))
    world.direct(world.employee, start=NOON + hours(1), end=NOON + hours(9))
    with world.acting(world.vendor_admin):
        fleet.schedule_maintenance(
            world.vehicle, kind="INSPECTION", description="", start=NOON + hours(300), end=NOON + hours(310)
        )
    world.deliver()
    return world


def _kind_of(address: str) -> str:
    return re.sub(r"=[^&]*", "=", re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", address))


@pytest.mark.parametrize("who", ["vendor_admin", "company_admin", "employee", "colleague"])
def test_every_link_on_every_page_leads_somewhere(world: World, client: FlaskClient, who: str) -> None:
    with clock.standing_at(NOON):
        make.sign_in(client, getattr(world, who))
        waiting, seen, dead = deque([("/", "")]), {"/"}, []
        kinds: dict[str, int] = {}
        opened = 0
        while waiting and opened < MOST:
            address, origin = waiting.popleft()
            answer = client.get(address)
            opened += 1
            if answer.status_code >= 400:
                dead.append(f"{answer.status_code} {address} (on {origin})")
            if answer.status_code != 200 or answer.mimetype != "text/html":
                continue
            for found in map(unescape, _HREF.findall(answer.get_data(as_text=True))):
                kind = _kind_of(found)
                if found in seen or _LEFT_OUT.search(found) or kinds.get(kind, 0) >= 6:
                    continue
                seen.add(found)
                kinds[kind] = kinds.get(kind, 0) + 1
                waiting.append((found, address))
    assert opened > 15
    assert not dead, "\n".join(dead)


def test_back_to_the_search_keeps_what_narrowed_it(world: World, client: FlaskClient) -> None:
    with clock.standing_at(NOON):
        make.sign_in(client, world.company_admin)
        search = "/availability/?start=2026-12-01T09:00&end=2026-12-01T18:00&category=COMPACT&seats=4&text=Octavia"
        found = re.search(r'href="(/booking/new[^"]+)"', client.get(search).text)
        assert found
        page = client.get(unescape(found[1])).text
        back = re.search(r'href="([^"]+)">Back to the search', page)
        assert back
        for kept in ("category=COMPACT", "seats=4", "text=Octavia", "start=2026-12-01T09", "end=2026-12-01T18"):
            assert kept in unescape(back[1]).replace("%3A", ":"), kept
        assert client.get(unescape(back[1])).status_code == 200


def test_that_a_vehicle_is_free_is_said_with_the_period_it_was_looked_up_for(world: World, client: FlaskClient) -> None:
    with clock.standing_at(NOON):
        make.sign_in(client, world.company_admin)
        page = client.get(
            f"/booking/new?vehicle_id={world.vehicle}&start=2026-12-01T08:00:00Z&end=2026-12-01T17:00:00Z"
        )
    said = re.search(r"The vehicle is free: .*", re.sub(r"<[^>]+>", "", page.text))
    assert said
    assert "1 Dec 2026, 09:00 CET to 1 Dec 2026, 18:00 CET" in said[0]
