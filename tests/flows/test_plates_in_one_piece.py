"""A licence plate is never broken over two lines: wherever a page shows one, it is marked to stay in one piece."""

import re

from flask import Flask
from flask.testing import FlaskClient

from karokar.fleet import actions as fleet
from karokar.kernel import clock
from tests.factories import booking as make
from tests.factories.booking import NOON, hours

PLATE = "KA-01 MJ 4471"
APART = re.compile(
    r"<(title|option|button|summary)\b.*?</\1>|<span class=\"visually-hidden\">.*?</span>|<[^>]*>", re.DOTALL
)
IN_ONE_PIECE = re.compile(rf'class="kk-nowrap"[^>]*>(<bdi>)?{re.escape(PLATE)}')


def broken(html: str) -> list[str]:
    """Where a page shows the plate so that it may break: what is around it."""
    shown = IN_ONE_PIECE.sub("in one piece", html)
    text = APART.sub(" ", shown)
    return re.findall(rf".{{0,40}}{re.escape(PLATE)}.{{0,40}}", re.sub(r"\s+", " ", text))


def test_no_page_breaks_a_plate(app: Flask, client: FlaskClient) -> None:
    world = make.make_world()
    for vehicle in (world.vehicle, world.own_vehicle):
        make.change("vehicles", vehicle, license_plate=PLATE, plate_key="KA01MJ4471")
    made = world.accepted()
    asked = world.requested(start=world.end + hours(24), end=world.end + hours(30))
    direct = world.direct(start=world.end + hours(48), end=world.end + hours(50))
    world.deliver()
    assignment = make.assignment_of(made.id)
    pages = [
        (world.vendor_admin, [
            "/", "/fleet", f"/fleet/{world.vehicle}", "/booking", f"/booking/{made.id}", "/booking/today",
            f"/booking/{asked.id}/decide", f"/booking/{made.id}/sheet", "/availability/timeline",
            f"/fleet/{world.vehicle}/suspend", f"/booking/{made.id}/cancel",
        ]),
        (world.company_admin, [
            "/", "/fleet", f"/fleet/{world.own_vehicle}", "/booking", f"/booking/{made.id}", "/assignment",
            f"/assignment/{direct.id}", "/booking/today", f"/booking/{made.id}/assign",
        ]),
        (world.employee, ["/", f"/assignment/{assignment.id}", f"/assignment/{assignment.id}/decline", "/assignment"]),
    ]  # fmt: skip
    found = {}
    shown = 0
    with clock.standing_at(NOON):
        for who, urls in pages:
            make.sign_in(client, who)
            for url in urls:
                page = client.get(url, follow_redirects=True)
                assert page.status_code == 200, url
                shown += PLATE in page.text
                if wrong := broken(page.text.split("data-story-later")[0]):
                    found[who.name, url] = wrong
    assert found == {}
    assert shown > 15


def test_no_warning_breaks_a_plate(app: Flask, client: FlaskClient) -> None:
    world = make.make_world()
    make.change("vehicles", world.vehicle, license_plate=PLATE, plate_key="KA01MJ4471")
    made = world.accepted()
    with world.acting(world.vendor_admin):
        fleet.suspend_vehicle(world.vehicle, reason="DAMAGE")
    world.deliver()
    with clock.standing_at(NOON):
        for who in (world.vendor_admin, world.company_admin, world.employee):
            make.sign_in(client, who)
            address = (
                f"/assignment/{make.assignment_of(made.id).id}" if who is world.employee else f"/booking/{made.id}"
            )
            page = client.get(address)
            assert "is off the road" in page.text
            assert broken(page.text.split("data-story-later")[0]) == []
            assert broken(client.get(f"/timeline/Booking/{made.id}?part=newest").text) == []
