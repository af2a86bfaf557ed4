"""What a page may cost: bytes at the first load, and SQL statements whatever the number of rows."""

import gzip
import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from karokar.kernel.db import db
from tests.browser import site
from tests.browser.conftest import settings
from tests.browser.grow import grow
from tests.servers import keeper

MOST_BYTES = 120 * 1024
MOST_STATEMENTS = 15
MORE_STATEMENTS = {
    "web.home": 19,  # the first steps, until they are done
    "booking.today": 18,  # own vehicles beside booked ones
    "booking.new": 21,  # whether it is free is asked of all who can know, with the reason where it is not
    "booking.edit": 16,
    "booking.decide": 17,  # the same, and the fleet's turnaround times
    "audit.index": 18,  # the notes that records refer to, how the verification stands, and which links open
    "timeline.show": 16,  # the names of all that happened, and which of it opens
    "administration.health": 18,  # clock jobs that fail, lost files, the audit log's verification
}
"""Pages that ask for more, with what for."""
NOW_AND_THEN = {
    "booking.decide": 1,  # the rivals' organizations are named in one statement, and without rivals in none
}
"""Pages with a statement that they need only where there is something to name, and how many such they have."""
OF_ONE_EVENT = {"administration.event", "administration.causes"}
REPORTS = {"administration.reports"}
_LINKED = re.compile(r'<(?:link rel="(?:stylesheet|icon)"[^>]*href|script src|link rel="icon" href)="([^"]+)"')
_SPRITE = re.compile(r'<use href="([^"#]+)#')
_HREF = re.compile(r'href="(/administration/events/[^"]+)"')
_LATER = re.compile(r'data-story-later="([^"]+)"')
_LAZY = re.compile(r'data-select-(?:js|css)="([^"]+)"')


def test_the_first_load_of_every_page_is_light(console, crawls):
    sizes: dict[str, int] = {}
    files: dict[str, int] = {}
    for role, crawl in crawls.items():
        client = signed_in(console, role)
        for page in crawl.pages.values():
            sizes[str(page)] = weigh(client, page.url, files)
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


def weigh(client: FlaskClient, url: str, files: dict[str, int]) -> int:
    """The compressed bytes of a page and of everything that it loads; what files weigh is remembered in `files`."""
    packed = {"Accept-Encoding": "gzip"}
    page = client.get(url, headers=packed)
    text = gzip.decompress(page.data).decode() if page.headers.get("Content-Encoding") == "gzip" else page.text
    parts = set(_LINKED.findall(text)) | set(_SPRITE.findall(text)) | set(_LATER.findall(text))
    if "data-kk-select" in text:
        parts |= set(_LAZY.findall(text))
    size = len(page.data)
    for part in map(unescape, parts):
        if part not in files:
            weight = len(client.get(part, headers=packed).data)
            if not part.startswith("/static/"):
                size += weight
                continue
            files[part] = weight
        size += files[part]
    return size


def count_statements(app: Flask, client: FlaskClient) -> Callable[[str], list[int]]:
    """Count the SQL statements of a page, and of each part that is asked for once it is there."""
    with app.app_context():
        engine = db.engine
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA", "SAVEPOINT", "RELEASE")):
            seen.append(statement)

    def ask(url: str) -> list[int]:
        event.listen(engine, "before_cursor_execute", note)
        try:
            counts = []
            waiting = [url]
            while waiting:
                seen.clear()
                answer = client.get(waiting.pop())
                assert answer.status_code == 200, f"{answer.status_code} at {url}"
                counts.append(len(seen))
                waiting += [unescape(part) for part in _LATER.findall(answer.text)]
            return counts
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return ask


def in_all(clients: list[FlaskClient], page: site.Page) -> str:
    """A page like this one that every copy has: the crawl found those of events that it caused itself by signing in."""
    app = clients[0].application
    waiting = ["/administration/events"]
    while waiting:
        url = waiting.pop(0)
        answers = [client.get(url) for client in clients]
        if {answer.status_code for answer in answers} != {200}:
            continue
        if site.endpoint_of(app, url) == page.endpoint:
            return url
        links = [unescape(link) for link in _HREF.findall(answers[0].text)]
        waiting += [link for link in links if site.endpoint_of(app, link) in OF_ONE_EVENT]
    message = f"no {page.endpoint} is in every copy"
    raise AssertionError(message)


@pytest.fixture(scope="module")
def small_and_large(filled, databases) -> tuple[Flask, Flask]:
    """The console with about ten rows of everything, and with a thousand."""
    apps = []
    for wanted in (10, 1000):
        path = keeper.run_directory() / f"grown-{wanted}.sqlite3"
        with keeper.once(f"grown-{wanted}") as done:
            if not done.exists():
                grow(site.copy_of(filled, path), wanted)
                done.touch()
        apps.append(site.make_app(settings(databases), path))
    return apps[0], apps[1]


@pytest.mark.parametrize("role", [site.DOOR, *site.ROLES])
def test_a_page_asks_the_database_little_and_as_often_with_many_rows(small_and_large, crawls, role):
    clients = [signed_in(app, role) for app in small_and_large]
    small, large = (count_statements(app, client) for app, client in zip(small_and_large, clients, strict=True))
    wrongs = []
    most = ("", 0)
    for page in sorted(crawls[role].pages.values(), key=str):
        try:
            url = in_all(clients, page) if page.endpoint in OF_ONE_EVENT else page.url
            few, many = small(url), large(url)
        except AssertionError as error:
            wrongs.append(f"{page}: {error}")
            continue
        most = max(most, (page.endpoint, max(many)), key=lambda item: item[1])
        allowed = MORE_STATEMENTS.get(page.endpoint, MOST_STATEMENTS)
        if max(*few, *many) > allowed:
            wrongs.append(f"{page}: {few} statements with ten rows, {many} with a thousand; at most {allowed}")
        if any(more > fewer + NOW_AND_THEN.get(page.endpoint, 0) for fewer, more in zip(few, many, strict=True)):
            wrongs.append(f"{page}: {few} statements with ten rows, {many} with a thousand")
    print(f"\n{role}: most statements {most[1]} at {most[0]}")
    assert wrongs == [], "\n".join(wrongs)
