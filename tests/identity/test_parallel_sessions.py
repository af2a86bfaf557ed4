"""How many sessions one person can have at the same time."""

import dataclasses
import threading

import pytest
from flask import Flask

from karokar.identity import actions
from karokar.identity import queries as identity
from karokar.identity.models import UserSession
from karokar.kernel.actor import Actor, acting_as
from karokar.kernel.db import db
from karokar.web.requests.limits import limiter
from tests.factories import people
from tests.identity.test_sign_in import events, is_in, sign_in

pytestmark = pytest.mark.usefixtures("_two_sessions")


@pytest.fixture
def _two_sessions(app, monkeypatch):
    limiter.reset()
    monkeypatch.setitem(app.config, "KAROKAR", dataclasses.replace(app.config["KAROKAR"], max_sessions=2))


def test_one_sign_in_too_many_ends_the_session_used_longest_ago(app, client):
    vendor = people.make_vendor()
    browsers = [app.test_client() for _ in range(3)]
    for browser in browsers:
        assert sign_in(browser, vendor.admin.email).status_code == 303
    assert [is_in(browser) for browser in browsers] == [False, True, True]
    assert len(identity.list_sessions(vendor.admin.user_id)) == 2
    assert events("SessionsEnded") == 1


def test_the_sessions_of_other_people_do_not_count(app, client):
    vendor, other = people.make_vendor(), people.make_vendor()
    first, second, third = (app.test_client() for _ in range(3))
    for browser, email in ((first, vendor.admin.email), (second, other.admin.email), (third, other.admin.email)):
        sign_in(browser, email)
    assert is_in(first)
    assert is_in(second)
    assert is_in(third)


def test_a_lower_limit_counts_from_the_next_sign_in(app, client, monkeypatch):
    vendor = people.make_vendor()
    browsers = [app.test_client() for _ in range(3)]
    for browser in browsers[:2]:
        sign_in(browser, vendor.admin.email)
    monkeypatch.setitem(app.config, "KAROKAR", dataclasses.replace(app.config["KAROKAR"], max_sessions=1))
    sign_in(browsers[2], vendor.admin.email)
    assert [is_in(browser) for browser in browsers] == [False, False, True]


def test_sign_ins_at_the_same_moment_do_not_pass_the_limit(app: Flask):
    vendor = people.make_vendor()
    mark = identity.check_password(vendor.admin.email, people.PASSWORD).mark
    db.session.rollback()
    start = threading.Barrier(4)

    def enter():
        with app.app_context(), acting_as(Actor(name="Nobody yet")):
            start.wait()
            actions.open_session(vendor.admin.user_id, mark=mark, device="A phone", address="127.0.0.1")
            db.session.remove()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    db.session.rollback()
    assert db.session.query(UserSession).count() == 4
    assert len(identity.list_sessions(vendor.admin.user_id)) == 2
