"""The console with its example data, served on a free port, and who may open which of its pages.

The list of pages is never written down: it is the application's own `url_map`, and the addresses are found by following
links as each role.
"""

import contextlib
import re
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule
from werkzeug.serving import make_server

from karokar.app import create_app
from karokar.config import Config
from karokar.kernel.db import db
from tests.browser.rare import add_rare_states, links
from tests.servers.databases import SeparateClient

PASSWORD = "karokar-demo"
ROLES = {
    "platform": "platform@karokar.example",
    "vendor": "vendor@karokar.example",
    "corporate": "corporate@karokar.example",
    "employee": "employee@karokar.example",
}
MORE_ROLES = {"vendor2": "vendor2@karokar.example", "corporate2": "corporate2@karokar.example"}
"""Others who may be shown a page that the first ones are not."""
DOOR = "door"
"""Who is not signed in."""

_LINK = re.compile(r'\s(?:href|formaction|data-kk-live)="(/[^"]*)"')
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
_TAG = re.compile(r"<([a-z0-9]+)((?:\s[^<>]*)?)>")
_KIND = re.compile(r'\s(class|role|type|style|aria-(?!labelledby|describedby|controls|label)[a-z]+)="([^"]*)"')


@dataclass
class Page:
    """One page that a role can open, found by a link."""

    role: str
    endpoint: str
    url: str
    kinds: frozenset[str] = frozenset()
    """Which kinds of elements it holds: names with classes, roles, types and states."""

    def __str__(self) -> str:
        """As a test's id."""
        return f"{self.role}:{self.endpoint}"


@dataclass
class Crawl:
    """What one role found: a page for each endpoint, and what did not answer as it should."""

    pages: dict[str, Page] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def load_example_data(config: Config, path: Path) -> None:
    """Fill a migrated SQLite file with the example data and with what is rare, all events delivered."""
    app = create_app(replace(config, database_url=f"sqlite:///{path}", demo=True, demo_password=PASSWORD))
    result = app.test_cli_runner().invoke(args=["demo", "load"])
    assert result.exit_code == 0, result.output
    with app.app_context():
        from karokar.outbox.delivery.drain import drain_all

        drain_all()
        add_rare_states(app)
        db.session.remove()
        db.engine.dispose()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def copy_of(template: Path, path: Path) -> Path:
    """A copy of the filled file that a test may write to."""
    shutil.copy(template, path)
    return path


def make_app(config: Config, path: Path) -> Flask:
    """The application on a filled file; an export of more than a few rows is a run.

    Whoever follows every link downloads more in a minute than a person may.
    """
    changed = {
        "database_url": f"sqlite:///{path}",
        "demo": True,
        "environment": "demo",
        "export_rows_at_once": 5,
        "limits": {"exports-person": 1000},
    }
    app = create_app(replace(config, **changed))
    app.test_client_class = SeparateClient
    return app


@contextlib.contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve the application on a free port of this machine; yields its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sign_in(client: FlaskClient, role: str) -> None:
    """Sign in as the role's example account."""
    token = _TOKEN.search(client.get("/login").text)
    assert token, "The sign-in page holds no form."
    data = {"email": (ROLES | MORE_ROLES)[role], "password": PASSWORD, "csrf_token": unescape(token[1])}
    answer = client.post("/login", data=data)
    assert answer.status_code == 303, answer.text[:2000]


def answers_get(app: Flask) -> set[str]:
    """The endpoints that answer GET, static files and what is made for programs aside."""
    return {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ())
        and rule.endpoint != "static"
        and not rule.rule.startswith(("/v1/", "/metrics"))
    }


def crawl(app: Flask, role: str, *, most_per_endpoint: int = 30) -> Crawl:
    """Follow every link that the role is shown, some addresses for each endpoint."""
    client = app.test_client()
    if role != DOOR:
        sign_in(client, role)
    found = Crawl()
    plain = [rule.rule for rule in app.url_map.iter_rules() if not rule.arguments and _opens_for(app, rule, role)]
    mailed = list(links(app).values()) if role == DOOR else []
    waiting = [(url, "") for url in ("/", *plain, *mailed)]
    met = {url for url, _ in waiting}
    seen: set[str] = set()
    visits: Counter[str] = Counter()
    while waiting:
        url, linked_from = waiting.pop(0)
        endpoint = endpoint_of(app, url)
        if endpoint is None or endpoint == "static" or _shape(url) in seen or visits[endpoint] >= most_per_endpoint:
            continue
        seen.add(_shape(url))
        visits[endpoint] += 1
        try:
            answer = client.get(url, buffered=True)
        except Exception as error:
            found.broken.append(
                f"{role}: {type(error).__name__}: {str(error)[:300]} at {url}, linked from {linked_from}"
            )
            continue
        if answer.status_code >= 500 or (answer.status_code >= 400 and linked_from):
            found.broken.append(f"{role}: {answer.status_code} at {url}, linked from {linked_from or 'the map'}")
        if answer.status_code in {302, 303}:
            waiting.append((answer.location, url))
        if answer.status_code != 200 or answer.mimetype != "text/html":
            continue
        text = answer.text
        if "<html" in text and endpoint not in found.pages:
            found.pages[endpoint] = Page(role, endpoint, url, _kinds_of(text))
        leads_to = dict.fromkeys(unescape(link).split("#")[0] for link in _LINK.findall(text))
        waiting += [(link, url) for link in leads_to if link not in met]
        met.update(leads_to)
    return found


def _kinds_of(html: str) -> frozenset[str]:
    return frozenset(
        " ".join([name, *sorted(f"{word}={value}" for word, value in _KIND.findall(attributes))])
        for name, attributes in _TAG.findall(html)
    )


def _opens_for(app: Flask, rule: Rule, role: str) -> bool:
    if "GET" not in (rule.methods or ()) or rule.endpoint == "static" or rule.rule.startswith(("/v1/", "/metrics")):
        return False
    return role != DOOR or getattr(app.view_functions[rule.endpoint], "__access__", None) == "public"


def endpoint_of(app: Flask, url: str) -> str | None:
    """The endpoint that answers GET at an address; None where none does."""
    try:
        endpoint, _values = app.url_map.bind("localhost").match(urlsplit(url).path, method="GET")
    except HTTPException:
        return None
    return str(endpoint)


def _shape(url: str) -> str:
    """Addresses that differ only in the values of their query are alike."""
    parts = urlsplit(url)
    names = sorted({part.split("=")[0] for part in parts.query.split("&") if part})
    return f"{parts.path}?{','.join(names)}"
