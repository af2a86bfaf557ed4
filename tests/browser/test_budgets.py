"""What a page may cost: bytes at the first load, and SQL statements whatever the number of rows."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from karokar.kernel.db import db
from tests.browser import site
from tests.browser.conftest import settings
from tests.browser.grow import grow

MOST_BYTES = 120 * 1024
MOST_STATEMENTS = 15
# Over the budget of 15 so far: pages that show a thing with its story beside it. Each number may only go down.
CEILINGS = {
    "administration.review": 36,
    "assignment.show": 22,
    "availability.conflict": 22,
    "booking.decide": 18,
    "booking.show": 27,
    "fleet.show": 29,
    "fleet.window": 20,
    "identity.member": 23,
    "identity.profile": 18,
    "identity.sessions": 19,
    "organization.own": 30,
    "organization.review": 26,
    "organization.show": 30,
    "timeline.show": 24,
    "verification.show": 28,
    "web.home": 40,
}
# Asks once more for some of the rows that wait: the only pages so far whose statements grow with their rows.
GROWING = {"web.home", "administration.review"}
REPORTS = {"administration.reports"}
_LINKED = re.compile(r'<(?:link rel="(?:stylesheet|icon)"[^>]*href|script src|link rel="icon" href)="([^"]+)"')
_SPRITE = re.compile(r'<use href="([^"#]+)#')
_LAZY = re.compile(r'data-select-(?:js|css)="([^"]+)"')


def test_the_first_load_of_every_page_is_light(console, crawls):
    sizes: dict[str, int] = {}
    for role, crawl in crawls.items():
        client = signed_in(console, role)
        for page in crawl.pages.values():
            sizes[str(page)] = weigh(client, page.url)
    heavy = {name: size for name, size in sizes.items() if size > MOST_BYTES and name.split(":")[1] not in REPORTS}
    worst = max(sizes, key=sizes.__getitem__)
    print(
        f"\nheaviest first load: {worst}, {sizes[worst] / 1024:.0f} KB; median {sorted(sizes.values())[len(sizes) // 2] / 1024:.0f} KB"
    )
    assert heavy == {}


def signed_in(app: Flask, role: str) -> FlaskClient:
    client = app.test_client()
    if role != site.DOOR:
        site.sign_in(client, role)
    return client


def weigh(client: FlaskClient, url: str) -> int:
    """The compressed bytes of a page and of everything that it loads."""
    packed = {"Accept-Encoding": "gzip"}
    page = client.get(url, headers=packed)
    text = client.get(url).text
    parts = set(_LINKED.findall(text)) | set(_SPRITE.findall(text))
    if "data-kk-select" in text:
        parts |= set(_LAZY.findall(text))
    return len(page.data) + sum(len(client.get(unescape(part), headers=packed).data) for part in parts)


def count_statements(app: Flask, client: FlaskClient) -> Callable[[str], int]:
    """Count the SQL statements of one request."""
    with app.app_context():
        engine = db.engine
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA", "SAVEPOINT", "RELEASE")):
            seen.append(statement)

    def ask(url: str) -> int:
        event.listen(engine, "before_cursor_execute", note)
        try:
            seen.clear()
            answer = client.get(url)
            if answer.status_code == 404:
                # What the crawl itself caused (a sign-in's event) is not in these copies.
                return 0
            assert answer.status_code == 200, f"{answer.status_code} at {url}"
            return len(seen)
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return ask


@pytest.fixture(scope="module")
def small_and_large(filled, databases, tmp_path_factory) -> tuple[Flask, Flask]:
    """The console with about ten rows of everything, and with a thousand."""
    folder: Path = tmp_path_factory.mktemp("grown")
    apps = []
    for wanted in (10, 1000):
        path = site.copy_of(filled, folder / f"{wanted}.sqlite3")
        counts = grow(path, wanted)
        short = {name: count for name, count in counts.items() if 0 < count < wanted}
        print(f"\n{wanted} rows wanted; fewer in: {short}")
        apps.append(site.make_app(settings(databases), path))
    return apps[0], apps[1]


@pytest.mark.parametrize("role", [site.DOOR, *site.ROLES])
def test_a_page_asks_the_database_little_and_as_often_with_many_rows(small_and_large, crawls, role):
    small, large = (count_statements(app, signed_in(app, role)) for app in small_and_large)
    wrongs = []
    most = ("", 0)
    for page in sorted(crawls[role].pages.values(), key=str):
        try:
            few, many = small(page.url), large(page.url)
        except AssertionError as error:
            wrongs.append(f"{page}: {error}")
            continue
        most = max(most, (page.endpoint, many), key=lambda item: item[1])
        if many > CEILINGS.get(page.endpoint, MOST_STATEMENTS):
            wrongs.append(f"{page}: {many} statements")
        if many > few and page.endpoint not in GROWING:
            wrongs.append(f"{page}: {few} statements with ten rows, {many} with a thousand")
    print(f"\n{role}: most statements {most[1]} at {most[0]}")
    assert wrongs == [], "\n".join(wrongs)
