"""The desk beside events: settings, system health, what waits for operators, and finding an event by its id."""

import dataclasses

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karokar.administration import actions
from karokar.administration.console import list_waiting_for, search
from karokar.administration.queries.settings import list_settings
from karokar.kernel.actor import Actor
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound, RuleBroken, StaleVersion
from karokar.kernel.ids import new_id
from karokar.outbox import wakeup
from karokar.outbox.delivery import canary
from karokar.outbox.delivery.drain import drain, drain_all
from karokar.outbox.models import EventRow
from karokar.outbox.monitoring import health
from karokar.outbox.monitoring.verify import verify_what_is_new
from karokar.outbox.processes.leases import Lease
from tests.factories import people
from tests.factories.events import record, requested
from tests.factories.handlers import Planted

LICENCE = "require_driving_licence"


def csrf(client: FlaskClient, path: str) -> str:
    text = client.get(path).get_data(as_text=True)
    return text.split('name="csrf_token" value="', 1)[1].split('"', 1)[0]


# --- settings ----------------------------------------------------------------------------------------------------------


def test_the_platform_turns_a_setting_on_and_everybody_hears_of_it(any_app: Flask) -> None:
    admin = people.platform_admin()
    with people.acting(admin):
        assert [(one.key, one.is_on, one.version) for one in list_settings()] == [(LICENCE, False, 0)]
        actions.change_setting(LICENCE, is_on=True, version=0)
        assert [(one.is_on, one.version) for one in list_settings()] == [(True, 1)]
        actions.change_setting(LICENCE, is_on=True, version=1)
    told = db.session.query(EventRow).filter_by(event_type="SettingChanged").all()
    assert [row.payload for row in told] == [
        {"organizationId": None, "key": LICENCE, "before": "false", "after": "true"}
    ]


def test_a_setting_that_somebody_else_changed_is_not_overwritten(any_app: Flask) -> None:
    with people.acting(people.platform_admin()):
        actions.change_setting(LICENCE, is_on=True, version=0)
        with pytest.raises(StaleVersion):
            actions.change_setting(LICENCE, is_on=False, version=0)
        with pytest.raises(RuleBroken, match="UNKNOWN_SETTING"):
            actions.change_setting("made_up", is_on=True)


def test_tenants_settle_their_own_affairs_elsewhere(app: Flask) -> None:
    vendor = people.make_vendor()
    with people.acting(vendor.admin), pytest.raises(NotFound):
        actions.change_setting(LICENCE, is_on=True)
    client = app.test_client()
    people.sign_in(client, vendor.admin)
    answer = client.get("/administration/settings")
    assert (answer.status_code, answer.location) == (303, "/organization/edit")


def test_the_settings_page_works_by_a_click(app: Flask) -> None:
    client = app.test_client()
    people.sign_in(client, people.platform_admin())
    path = "/administration/settings"
    data = {"csrf_token": csrf(client, path), "is_on": "yes", "version": "0"}
    answer = client.post(f"{path}/{LICENCE}", data=data, follow_redirects=True)
    assert "The setting is on." in answer.get_data(as_text=True)
    assert "Turn off" in answer.get_data(as_text=True)
    data = {"csrf_token": csrf(client, path), "is_on": "no", "version": "0"}
    assert client.post(f"{path}/{LICENCE}", data=data).status_code == 409


# --- health ------------------------------------------------------------------------------------------------------------


def status_of(name: str) -> str:
    db.session.rollback()
    return next(part.status for part in health.parts() if part.name == name)


def test_a_new_installation_says_what_does_not_run_yet(any_app: Flask) -> None:
    assert status_of("Database") == "ok"
    assert status_of("Scheduler") == "down"
    assert status_of("Path of events") == "off"
    assert status_of("Proof") == "off"


def test_parts_that_work_say_so(any_app: Flask) -> None:
    assert Lease("clock", 60).hold()
    assert status_of("Scheduler") == "ok"
    canary.send_canary()
    drain()
    assert status_of("Path of events") == "ok"
    verify_what_is_new()
    assert status_of("Proof") == "ok"


def test_a_redis_that_does_not_answer_is_told_with_what_it_means(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "_quiet_until", 0.0)  # and is forgotten with the test
    assert status_of("Queue") == "off"
    away = dataclasses.replace(
        app.config["KAROKAR"], event_bus_dispatcher="worker", redis_url="unix:///nowhere/redis.sock"
    )
    monkeypatch.setitem(app.config, "KAROKAR", away)
    assert status_of("Queue") == "degraded"


def test_a_redis_that_answers_is_told_with_what_waits(app_with_redis: Flask) -> None:
    assert status_of("Queue") == "ok"


def test_the_health_page_shows_every_part(app: Flask) -> None:
    client = app.test_client()
    people.sign_in(client, people.platform_admin())
    text = client.get("/administration/health").get_data(as_text=True)
    for name in ("Database", "Migrations", "Queue", "Scheduler", "Path of events", "Proof", "Storage", "Mail"):
        assert name in text
    assert "outbox.send_canary" in text
    people.sign_in(client, people.make_vendor().admin)
    assert client.get("/administration/health").status_code == 403


# --- what waits, and search --------------------------------------------------------------------------------------------


def test_dead_letters_wait_for_operators_alone(planted: Flask, operator: people.Somebody, keeper: Planted) -> None:
    admin, vendor = people.actor_of(operator), people.actor_of(people.make_vendor().admin)
    drain()
    keeper.is_broken = True
    record(requested())
    drain()
    assert list_waiting_for(admin) == []
    drain_all()
    db.session.rollback()
    (item,) = list_waiting_for(admin)
    assert item.title.startswith("1 of planted.keeper")
    assert list_waiting_for(vendor) == []
    assert list_waiting_for(Actor(name="Nobody")) == []


def test_an_event_is_found_by_its_id_by_whoever_may_see_it(planted: Flask, operator: people.Somebody) -> None:
    event_id = record(requested())
    admin, vendor = people.actor_of(operator), people.actor_of(people.make_vendor().admin)
    assert [hit.title for hit in search(admin, f" {event_id} ")] == ["BookingRequested"]
    assert search(vendor, str(event_id)) == []
    assert search(admin, str(new_id())) == []
    assert search(admin, "B-4K7-29F") == []
