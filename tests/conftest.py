"""What every test may ask for: an application on a fresh, migrated database (SQLite or PostgreSQL), and a Redis.

    def test_a_sentence(app): …          the application on SQLite, inside its application context
    def test_a_sentence(pg_app): …       the same on PostgreSQL (left out by bin/test --quick)
    def test_a_sentence(any_app): …      both, one after the other
    client, pg_client, any_client        a test client of the same application
    database_url, pg_database_url        the database alone, for tests that start processes of their own
    redis_url                            an empty database of a real server

Servers start when first asked for, once per run. A database is a copy of a migrated template, made anew for each test;
workers of a parallel run each have their own, and their own Redis database.
"""

import dataclasses
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, sync_playwright

from karokar.config import Config
from tests.servers import keeper
from tests.servers.databases import Databases

POSTGRESQL_FIXTURES = {"pg_app", "pg_client", "pg_database_url", "pooled_bus", "postgresql"}

LONG_ONES_FIRST = (
    "tests/browser/test_slice", "tests/browser/test_pages", "tests/browser/", "tests/faults/", "tests/house/test_up",
    "tests/flows/", "tests/timeline/test_live", "tests/fleet/test_state_machines", "tests/booking/test_machine",
    "tests/architecture/",
)  # fmt: skip
"""What takes long runs first: at the end of a run, short tests are left, and no worker waits for another."""

# Tests never judge durations: a machine that is busy with something else must not fail a property.
settings.register_profile("karokar", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("karokar")


def pytest_configure(config: pytest.Config) -> None:
    del config
    keeper.begin_run()


def pytest_unconfigure(config: pytest.Config) -> None:
    del config
    keeper.end_run()


def pytest_terminal_summary(terminalreporter) -> None:
    """Say what tests counted with `record_property`, of all workers together."""
    counted: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        counted.update({name: number for name, number in report.user_properties if report.when == "call"})
    for name, number in counted.items():
        terminalreporter.write_line(f"{number} {name}")


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    for item in items:
        if POSTGRESQL_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("postgresql")
    yield
    # After everybody else, and leaving the order within a group as it was, shuffled or not.
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    path = str(item.path)
    return next((turn for turn, part in enumerate(LONG_ONES_FIRST) if part in path), len(LONG_ONES_FIRST))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings change no test."""
    for name in list(os.environ):
        if name.startswith(("KAROKAR_", "EVENT_BUS_", "FLASK_")) or name in {"DATABASE_URL", "REDIS_URL", "SECRET_KEY"}:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def worker_name() -> str:
    """A name that no other worker of this run has."""
    return os.environ.get("PYTEST_XDIST_WORKER", "gw0")


@pytest.fixture(scope="session")
def databases(worker_name: str) -> Iterator[Databases]:
    """This worker's databases and the applications on them."""
    held = Databases(worker_name)
    yield held
    held.close()


@pytest.fixture
def config(databases: Databases) -> Config:
    """The settings of `app`; `dataclasses.replace` makes others from them."""
    return databases.config("sqlite")


@pytest.fixture
def app(databases: Databases) -> Iterator[Flask]:
    """The application on a fresh SQLite database, inside its application context."""
    with databases.fresh_app("sqlite") as made:
        yield made


@pytest.fixture
def pg_app(databases: Databases) -> Iterator[Flask]:
    """The application on a fresh PostgreSQL database, inside its application context."""
    with databases.fresh_app("postgresql") as made:
        yield made


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def any_app(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Flask]:
    """The application on each database: what holds on one must hold on the other."""
    with databases.fresh_app(request.param) as made:
        yield made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without JavaScript, in front of `app`."""
    return app.test_client()


@pytest.fixture
def pg_client(pg_app: Flask) -> FlaskClient:
    """A browser without JavaScript, in front of `pg_app`."""
    return pg_app.test_client()


@pytest.fixture
def any_client(any_app: Flask) -> FlaskClient:
    """A browser without JavaScript, in front of `any_app`."""
    return any_app.test_client()


@pytest.fixture
def database_url(tmp_path: Path, databases: Databases) -> str:
    """A fresh, migrated SQLite database of this test alone."""
    path = tmp_path / "karokar.sqlite3"
    shutil.copy(databases.sqlite_template(), path)
    return f"sqlite:///{path}"


@pytest.fixture
def pg_database_url(databases: Databases) -> Iterator[str]:
    """A fresh, migrated PostgreSQL database of this test alone."""
    with databases.postgresql_copy() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def any_database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database of each kind, of this test alone."""
    name = {"sqlite": "database_url", "postgresql": "pg_database_url"}[request.param]
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture(scope="session")
def postgresql() -> str:
    """Address of the `postgres` database of this run's cluster, for tests that make databases of their own."""
    return keeper.server("postgresql")


@pytest.fixture
def redis_url(worker_name: str) -> str:
    """An empty database of this run's Valkey; no other worker of this run uses it."""
    import redis

    number = int(worker_name.removeprefix("gw")) + 1
    url = f"unix://{keeper.server('valkey')}?db={number}"
    with redis.Redis.from_url(url) as connection:
        connection.flushdb()
    return url


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A real browser; one per worker, because Playwright can be started only once in a process."""
    from tests.servers import chromium as program

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program.provide(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def app_with_redis(databases: Databases, redis_url: str) -> Iterator[Flask]:
    """The application on SQLite with workers as its dispatcher and a real Redis."""
    changed = dataclasses.replace(databases.config("sqlite"), redis_url=redis_url, event_bus_dispatcher="worker")
    with databases.fresh_app("sqlite", changed) as made:
        yield made
