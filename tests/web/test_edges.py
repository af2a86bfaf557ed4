"""At the edges: foreign hosts, the ends of time, a database that is away, cookies and caches."""

import dataclasses

import pytest
from sqlalchemy.exc import OperationalError

from karokar.web.requests.hosts import is_ours
from tests.factories import people
from tests.factories.browsing import send

HTTPS = {"base_url": "https://karokar.example.com", "secure_cookies": True}


@pytest.fixture
def https_app(databases, config):
    with databases.fresh_app("sqlite", dataclasses.replace(config, **HTTPS)) as made:
        yield made


def over_https(app):
    class Browser(app.test_client_class):
        def open(self, *args, **kwargs):
            return super().open(*args, **{"base_url": HTTPS["base_url"], **kwargs})

    return Browser(app, app.response_class)


# Hosts ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/login", "/", "/nowhere", "/static/css/app.css", "/v1/events", "/organization"])
@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "evil.example:80", "localhost@evil.example", "[", ""]
)
def test_a_foreign_host_gets_no_page_no_link_and_no_redirect(app, path, host):
    answer = app.test_client().get(path, headers={"Host": host})
    assert answer.status_code == 421
    assert "Location" not in answer.headers
    assert "evil" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:5000", "LOCALHOST"])
def test_a_machine_goes_by_all_of_its_names(app, host):
    assert app.test_client().get("/login", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_asked_by_address(app, path):
    assert app.test_client().get(path, headers={"Host": "10.0.0.7:8000"}).status_code == 200


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("karokar.example.com", True), ("karokar.example.com:443", True), ("karokar.example.com:8443", False),
        ("localhost", False), ("karokar.example.com.evil.example", False), ("KaroKar.Example.com", True),
    ],
)  # fmt: skip
def test_behind_https_only_the_one_name_is_ours(https_app, host, ours):
    with https_app.test_request_context("/", base_url="https://karokar.example.com"):
        assert is_ours(host) is ours


# Cookies, caches, transport -------------------------------------------------------------------------------------------


def test_over_https_cookies_are_bound_to_this_host(https_app):
    client = over_https(https_app)
    admin = people.make_corporate().admin
    opened = client.get("/login")
    assert opened.headers["Set-Cookie"].startswith("__Host-session=")
    assert opened.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    answer = send(client, "/login", "/login", email=admin.email, password=people.PASSWORD)
    assert answer.status_code == 303
    answer = send(client, "/", "/theme", theme="dark")
    cookies = answer.headers.getlist("Set-Cookie")
    assert cookies
    for cookie in cookies:
        assert cookie.startswith("__Host-")
        assert "; Secure" in cookie
        assert "; HttpOnly" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
    assert 'data-bs-theme="dark"' in client.get("/").text


def test_everything_but_files_of_the_site_stays_in_no_cache(app, client):
    people.sign_in(client, people.make_corporate().admin)
    for path in (
        "/",
        "/organization/",
        "/identity/members",
        "/identity/members/export?format=csv",
        "/v1/events",
        "/nowhere",
    ):
        assert client.get(path).headers["Cache-Control"] == "private, no-store"


# The ends of time -----------------------------------------------------------------------------------------------------

ENDS = ("0001-01-01", "9999-12-31", "0000-00-00", "1899-12-31", "2200-01-01", "-1", "999999999")


@pytest.mark.parametrize("on", ENDS)
@pytest.mark.parametrize(
    "path",
    ["/administration/reports?from={on}&to={on}", "/availability/timeline?from={on}", "/availability/?start={on}T10:00&end={on}T11:00",
     "/booking/?starts_after={on}", "/booking/today?on={on}", "/audit/?since={on}", "/administration/events?since={on}T00:00:00Z", "/v1/events?since={on}T00:00:00Z",
     "/fleet/?as_of={on}T00:00"],
)  # fmt: skip
def test_no_date_in_an_address_is_too_early_or_too_late_for_an_answer(app, client, path, on):
    people.sign_in(client, people.platform_admin())
    assert client.get(path.format(on=on)).status_code < 500


@pytest.mark.parametrize("on", ENDS)
def test_a_document_is_valid_until_a_day_that_the_calendar_reaches(app, on):
    from werkzeug.datastructures import MultiDict

    from karokar.verification.forms import ApproveForm

    with app.test_request_context("/", method="POST"):
        form = ApproveForm(MultiDict({"expires_on": on}))
        form.expires_on.validate(form)
        assert form.expires_on.errors or form.expires_on.process_errors


# A database that is away ----------------------------------------------------------------------------------------------


@pytest.fixture
def unguarded(databases, config):
    """The application as in production: what fails becomes a page."""
    with databases.fresh_app("sqlite", dataclasses.replace(config, testing=False, environment="plain")) as made:
        yield made


def break_connections(monkeypatch, app, error: Exception) -> None:
    from karokar.kernel.db import db

    def fail(*_args, **_kwargs):
        raise error

    db.session.remove()
    db.engine.dispose()
    monkeypatch.setattr(db.engine.pool, "connect", fail)


@pytest.mark.parametrize("path", ["/", "/booking/", "/v1/events", "/identity/members"])
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("unable to open database file", "very busy"),
        ("no such table: user_sessions", "not ready"),
        ("database or disk is full", "Nothing can be saved"),
        ("disk I/O error", "Nothing can be saved"),
    ],
)
def test_a_database_that_is_away_full_or_empty_is_said_in_a_sentence(unguarded, monkeypatch, path, words, sentence):
    import sqlite3

    client = unguarded.test_client()
    people.sign_in(client, people.make_corporate().admin)
    break_connections(monkeypatch, unguarded, OperationalError("select 1", {}, sqlite3.OperationalError(words)))
    answer = client.get(path)
    assert answer.status_code == 503
    assert sentence in answer.text
    assert "sqlite" not in answer.text.lower()
    assert "Traceback" not in answer.text


def test_a_postgresql_that_does_not_answer_is_said_in_a_sentence(unguarded, monkeypatch):
    import psycopg

    client = unguarded.test_client()
    people.sign_in(client, people.make_corporate().admin)
    gone = psycopg.OperationalError("connection failed: connection refused")
    break_connections(monkeypatch, unguarded, OperationalError("select 1", {}, gone))
    assert client.get("/").status_code == 503


# Websites -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "JAVASCRIPT://x/%0aalert(1)", "data:text/html,x", "ftp://x.example", "//x.example", "x", "http://", "https://a@b.example", "http://[x"],
)  # fmt: skip
def test_a_website_is_http_or_https(client, address):
    people.sign_in(client, people.make_corporate().admin)
    answer = send(client, "/organization/edit", name="Meridian", website=address, time_zone="UTC", buffer_minutes="0")
    assert answer.status_code == 422
    assert "https://" in answer.text
