"""Open every page as every role on a large database, and say which are slow, and by what.

    DATABASE_URL=… KAROKAR_DATA=… .venv/bin/python -m bench.pages              # after bench.generate; see there
    … -m bench.pages --roles vendor --slow 100 --only /booking/ --plans

Pages are found by following links as the example's people. Lists are opened as well with each order both ways, searches,
periods, in their middle and at their end. Each address is opened two or three times; what counts is the shortest time after the first, at the
server, without the network. `--plans` prints the plan of the longest statement of each slow page (PostgreSQL).
"""

import argparse
import base64
import json
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event
from werkzeug.exceptions import HTTPException

from karokar.app import create_app
from karokar.config import load_config
from karokar.kernel.db import db

PASSWORD = "karokar-demo"  # noqa: S105 - the example's
ROLES = ("platform", "vendor", "corporate", "employee")
EACH_VALUE = {"sort", "status", "view", "tab", "kind", "type", "span", "zoom", "scale", "what", "format", "state"}
"""Parameters of which each value is an address of its own; of others one is like the other."""
MOST_ALIKE = 3
SLOW = 100
"""From how many milliseconds on an address is opened once more: on a busy machine the shortest time is the page's own."""
WORDS = {"q": ("KA 01", "zz 00012", "B-222", "no such thing", "a"), "plate": ("KA 01 ZZ 00001",)}
PERIOD = {"from": "2026-01-01", "to": "2026-12-31"}

_LINK = re.compile(r'\s(?:href|hx-get|data-kk-live|data-[a-z-]+)="(/[^"]*)"')
_NAME = re.compile(r'<(?:input|select)[^>]*\sname="([a-z_]+)"')
_FORM = re.compile(r'<form method="get"[^>]*?(?:action="([^"]*)")?[^>]*>(.*?)</form>', re.DOTALL)
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass
class Opened:
    """An address that was opened twice."""

    role: str
    url: str
    status: int = 0
    first: float = 0.0
    second: float = 0.0
    size: int = 0
    statements: list[tuple[float, str, Any]] = field(default_factory=list)


class Statements:
    """What the database was asked since the last `take`, and how long each answer took."""

    def __init__(self) -> None:
        self._taken: list[tuple[float, str, Any]] = []
        event.listen(Engine, "before_cursor_execute", self._begin)
        event.listen(Engine, "after_cursor_execute", self._end)

    def take(self) -> list[tuple[float, str, Any]]:
        taken, self._taken = self._taken, []
        return taken

    def _begin(self, _connection: Any, _cursor: Any, _text: str, _values: Any, context: Any, _many: bool) -> None:
        context.began = time.perf_counter()

    def _end(self, _connection: Any, _cursor: Any, said: str, values: Any, context: Any, _many: bool) -> None:
        self._taken.append(((time.perf_counter() - context.began) * 1000, said, values))


def sign_in(client: FlaskClient, role: str) -> None:
    """Sign in as the example's person."""
    token = _TOKEN.search(client.get("/login").text)
    assert token
    data = {"email": f"{role}@karokar.example", "password": PASSWORD, "csrf_token": unescape(token[1])}
    answer = client.post("/login", data=data)
    assert answer.status_code == 303, answer.text[:2000]


def walk(app: Flask, role: str, statements: Statements, only: str, most: int) -> list[Opened]:
    """Open what the role can reach."""
    client = app.test_client()
    sign_in(client, role)
    plain = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if not rule.arguments and "GET" in (rule.methods or ()) and rule.endpoint != "static"
    ]
    waiting = ["/", *plain]
    met, alike, opened = set(waiting), Counter[Any](), []
    while waiting:
        url = waiting.pop(0)
        kind = kind_of(app, url)
        if kind is None or alike[kind] >= most:
            continue
        alike[kind] += 1
        is_wanted = only in url
        page = open_twice(client, role, url, statements, once=not is_wanted)
        if is_wanted:
            opened.append(page[0])
        found = [*links_in(page[1], url), *variants(page[1], url)]
        waiting += [link for link in dict.fromkeys(found) if link not in met]
        met.update(found)
    return opened


def kind_of(app: Flask, url: str) -> Any:
    """What an address has in common with those like it; None for what is no page of ours."""
    parts = urlsplit(url)
    try:
        endpoint, _values = app.url_map.bind("localhost").match(parts.path, method="GET")
    except HTTPException:
        return None
    if endpoint == "static":
        return None
    query = sorted(parse_qsl(parts.query, keep_blank_values=True))
    return endpoint, tuple((name, value if name in EACH_VALUE else "") for name, value in query)


def open_twice(client: FlaskClient, role: str, url: str, statements: Statements, *, once: bool) -> tuple[Opened, str]:
    """Open an address; returns what it took and, for a page, its HTML."""
    page = Opened(role, url)
    html = ""
    for turn in ("first",) if once else ("first", "second", "third"):
        if turn == "third" and page.second < SLOW:
            break
        statements.take()
        began = time.perf_counter()
        try:
            answer = client.get(url, buffered=True)
        except Exception as error:  # noqa: BLE001 - told of, and the walk goes on
            page.status, html = 599, f"{type(error).__name__}: {error}"
            print(f"{role} {url}: {html[:300]}")
            return page, ""
        took = (time.perf_counter() - began) * 1000
        page.status, page.size = answer.status_code, len(answer.data)
        if turn == "first":
            page.first = took
        elif turn == "second" or took < page.second:
            page.second, page.statements = took, statements.take()
        if answer.status_code in {302, 303}:
            html = f'<a href="{answer.location}">'
        elif answer.mimetype == "text/html":
            html = answer.text
        answer.close()
    return page, html


def links_in(html: str, _url: str) -> list[str]:
    return [unescape(link).split("#")[0] for link in _LINK.findall(html)]


def variants(html: str, url: str) -> list[str]:
    """Other ways to open a list: searches and periods of its form, its middle, its end."""
    found = []
    path = urlsplit(url).path
    if not urlsplit(url).query:
        for action, form in _FORM.findall(html):
            names = set(_NAME.findall(form))
            target = urlsplit(unescape(action)).path or path
            for name in names & set(WORDS):
                found += [f"{target}?{urlencode({name: word})}" for word in WORDS[name]]
            if names >= set(PERIOD):
                found += [f"{target}?{urlencode({'from': PERIOD['from']})}", f"{target}?{urlencode(PERIOD)}"]
    for link in links_in(html, url):
        query = dict(parse_qsl(urlsplit(link).query))
        if "cursor" in query and urlsplit(link).path == path:
            found += [f"{path}?{urlencode({**query, 'cursor': made})}" for made in other_places(query["cursor"])]
    return found


def other_places(cursor: str) -> list[str]:
    """Cursors of the middle and of the last page of an order by time, made from one of the first page."""
    try:
        content = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        name, is_down, _is_backward, (mark, _value), tie = content
    except (ValueError, TypeError):
        return []
    if mark != "t":
        return []
    last = "1990-01-01T00:00:00+00:00" if is_down else "2100-01-01T00:00:00+00:00"
    made = [
        [name, is_down, False, ["t", "2026-01-15T00:00:00+00:00"], tie],
        [name, is_down, True, ["t", last], tie],
    ]
    return [base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in made]


def plan_of(said: str, values: Any) -> str:
    with db.engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {said}", values)
        return "\n".join(row[0] for row in cursor.fetchall())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--roles", default=",".join(ROLES))
    parser.add_argument("--slow", type=float, default=300, help="milliseconds from which an address is told")
    parser.add_argument("--only", default="", help="a part of the addresses to be measured")
    parser.add_argument("--alike", type=int, default=MOST_ALIKE, help="how many addresses that are alike are opened")
    parser.add_argument("--plans", action="store_true")
    asked = parser.parse_args()
    app = create_app(load_config())
    statements = Statements()
    for role in asked.roles.split(","):
        opened = walk(app, role, statements, asked.only, asked.alike)
        slow = sorted((page for page in opened if page.second >= asked.slow), key=lambda page: -page.second)
        print(
            f"{role}: {len(opened)} addresses, {len(slow)} over {asked.slow:.0f} ms, "
            f"broken: {[page.url for page in opened if page.status >= 500]}"
        )
        for page in slow:
            longest = sorted(page.statements, key=lambda one: -one[0])[:2]
            asking = sum(one[0] for one in page.statements)
            print(
                f"  {page.second:8.0f} ms (first {page.first:.0f}; database {asking:.0f} in {len(page.statements)}; "
                f"{page.size / 1024:.0f} KB) {page.status} {page.url}"
            )
            for took, said, values in longest:
                print(f"           {took:8.0f} ms {' '.join(said.split())[:220]}")
                if asked.plans and took > asked.slow / 2:
                    with app.app_context():
                        print(said, values)
                        print(plan_of(said, values))
    print(f"largest size of this process: {peak():,} KB")


def peak() -> int:
    """The most memory that this process has used, in KB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
