"""Names in flash messages, refusals and other finished sentences: one that runs from right to left scrambles none."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from karokar.fleet import actions as fleet
from karokar.fleet.models import Vehicle
from karokar.kernel import clock
from karokar.kernel.db import db, transaction
from karokar.kernel.text.normalization import names_apart
from karokar.organization.models import Organization
from tests.factories import booking as make
from tests.factories import people
from tests.identity.test_sign_in import post
from tests.web.test_names_apart import mixed

ARABIC, HEBREW = "شركة النور", "חברת האור"


@pytest.fixture(params=[ARABIC, HEBREW])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def world(app: Flask, name: str) -> make.World:
    """A marketplace in which the organizations and vehicles have names from right to left."""
    world = make.make_world()
    with transaction():
        db.session.execute(update(Organization).values(name=name))
        db.session.execute(update(Vehicle).values(make=name, model=name))
    return world


def test_a_name_in_a_flash_message_is_isolated(client: FlaskClient, name: str) -> None:
    people.sign_in(client, people.make_corporate().admin)
    answer = post(client, "/identity/roles/new", name=name, **{"may.vehicle.read": "own"})
    assert answer.status_code == 303
    path = answer.headers["Location"]
    with client.session_transaction() as session:
        said = session["_flashes"]
    assert name in str(said)
    assert mixed(client, path) == []


def test_names_in_what_keeps_a_vehicle_from_being_handed_over_are_isolated(
    client: FlaskClient, world: make.World, name: str
) -> None:
    made = world.accepted()
    with world.acting(world.vendor_admin):
        fleet.suspend_vehicle(world.vehicle, reason="DAMAGE")
    with transaction():
        db.session.execute(update(Organization).where(Organization.id == world.company).values(status="SUSPENDED"))
    world.deliver()
    assignment = make.assignment_of(made.id)
    pages = {
        f"/booking/{made.id}": (world.vendor_admin, world.company_admin, world.employee),
        f"/booking/{made.id}/sheet": (world.vendor_admin, world.company_admin, world.employee),
        f"/assignment/{assignment.id}": (world.company_admin, world.employee),
    }
    for path, readers in pages.items():
        for who in readers:
            with clock.standing_at(make.NOON):
                make.sign_in(client, who)
                assert f"<bdi>{name} {name}</bdi>" in client.get(path).text, (path, who.name)
                assert mixed(client, path) == [], who.name


def test_names_in_what_keeps_a_request_from_being_approved_are_isolated(
    client: FlaskClient, world: make.World, name: str
) -> None:
    made = world.requested()
    with world.acting(world.vendor_admin):
        fleet.suspend_vehicle(world.vehicle, reason="DAMAGE")
    world.deliver()
    make.sign_in(client, world.vendor_admin)
    path = f"/booking/{made.id}/decide"
    with clock.standing_at(make.NOON):
        assert f"<bdi>{name} {name}</bdi> · " in client.get(path).text
        assert mixed(client, path) == []


def test_names_that_follow_each_other_keep_their_order() -> None:
    said = names_apart(f"{ARABIC}, {HEBREW} (B-KK 7) · {ARABIC} 3: <b>")
    assert said == (f"<bdi>{ARABIC}</bdi>, <bdi>{HEBREW}</bdi> (B-KK 7) · <bdi>{ARABIC}</bdi> 3: &lt;b&gt;")


def test_a_sentence_without_such_names_is_left_as_it_is() -> None:
    for sentence in ("Škoda · KK-A 1 is off the road.", "Saved.", ""):
        assert names_apart(sentence) == sentence
    assert names_apart(None) is None
