"""Odd requests to every route, as everybody: what must never come back, whatever was sent.

An answer is wrong when it is a failure (5xx), shows a stack trace or the database's own words, repeats markup that was sent
unescaped, or holds the id of something that is another tenant's alone.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from karokar.kernel.ids import new_id
from tests.access.test_routes import SIGNS_OUT, TOKEN, Viewer, browser_of, routes
from tests.access.world import PLAIN

MARK = "kk9z"
XSS = (
    f"<{MARK} onload=alert(1)>", f'"><{MARK}>', f"'><{MARK}>", f"</script><{MARK}>", f"</textarea><{MARK}>",
    f"</title><{MARK}>", f"<!--<{MARK}>-->", f'{MARK}" onmouseover="alert(1)', f"javascript:alert('{MARK}')",
    f"{{{{ {MARK} * 7 }}}}", f"{{% {MARK} %}}", f"${{{MARK}}}", f"<svg/onload={MARK}()>", f"\N{FULLWIDTH LESS-THAN SIGN}{MARK}>",
)  # fmt: skip
ODD = (
    "", " ", "0", "-1", "1e308", "999999999999999999999999", "NaN", "٣", "true", "null", "[]", "{}", "%00", "a\0b", "\ud83d\ude00",
    "\u202eabc", "Zoë", "x" * 300, "x" * 5000, "' OR 1=1 --", "'; DROP TABLE users; --", "%", "_", "\\", "../../etc/passwd",
    "..%2f..%2f", "0001-01-01", "9999-12-31T23:59", "9999-12-31T23:59:59-14:00", "2026-02-30", "24:61", "$(id)", "`id`",
    "=1+1", "@SUM(1)", "\r\nX-Injected: yes", "//evil.example", "https://evil.example/", "\N{KELVIN SIGN}", "ﬃ", "I\u0307",
)  # fmt: skip
PUBLIC = {"organization_id", "vehicle_id"}
"""What the marketplace shows to others: who offers which vehicle."""
COMMON = (
    "q", "status", "kind", "sort", "cursor", "after", "before", "start", "end", "from", "to", "at", "as_of", "on", "vehicle_id",
    "organization_id", "user_id", "next", "format", "limit", "order", "type", "since", "until", "part", "view", "version", "page",
    "name", "reason", "note", "email", "password", "code", "confirm", "ids", "filters", "do", "item", "then", "form_key", "acting_for",
)  # fmt: skip
LEAKS = re.compile(
    r"Traceback \(most recent|sqlalchemy\.|sqlite3\.|psycopg\.|werkzeug\.exceptions|\[SQL:|jinja2\.exceptions|File \"/"
)
_FIELD = re.compile(r'<(?:input|select|textarea)[^>]*\sname="([^"]+)"')
_HIDDEN = re.compile(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"')


@dataclass
class Finding:
    """One answer that must not be, and how to get it again."""

    viewer: str
    method: str
    path: str
    sent: dict[str, str]
    what: str

    def __str__(self) -> str:
        return f"{self.viewer}: {self.method} {self.path} {self.sent!r:.300} → {self.what}"


@dataclass
class Fuzzer:
    """Sends odd requests with the numbers of one seed; the same seed sends the same."""

    app: Flask
    seed: int
    findings: list[Finding] = field(default_factory=list)
    sent: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._fields: dict[str, list[str]] = {}

    def run(self, viewers: list[Viewer], *, rounds: int = 1) -> None:
        """Send each route, as each viewer, so many requests."""
        for viewer in viewers:
            client = browser_of(self.app, viewer)
            every = [pair for pair in routes(self.app) if pair[0].endpoint not in {*SIGNS_OUT, "static"}] * rounds
            self.random.shuffle(every)
            for rule, method in every:
                if self._send(client, viewer, rule, method) == 401 and viewer.somebody is not None:
                    client = browser_of(self.app, viewer)

    def _send(self, client: FlaskClient, viewer: Viewer, rule: Rule, method: str) -> int:
        path = self._path(viewer, rule)
        query = {self.random.choice(COMMON): self._value(viewer) for _ in range(self.random.randrange(4))}
        data = self._form(client, viewer, path) if method != "GET" else {}
        headers = {"Accept": self.random.choice(("text/html", "application/json"))}
        if self.random.random() < 0.2:
            headers["HX-Request"] = "true"
        self.sent += 1
        sent = {**query, **data}
        try:
            answer = client.open(
                path, method=method, query_string=query, headers=headers, data=data if method != "GET" else None
            )
            status, text, kind = answer.status_code, answer.get_data(as_text=True), answer.mimetype
            answer.close()
        except UnicodeError:
            return 0  # The client itself cannot send it.
        except Exception as error:
            self._find(viewer, method, path, sent, f"{type(error).__name__}: {error}"[:300])
            return 500
        for what in _wrong(viewer, status, text, kind, f"{path} {sent}"):
            self._find(viewer, method, path, sent, what)
        return status

    def _find(self, viewer: Viewer, method: str, path: str, sent: dict[str, str], what: str) -> None:
        self.findings.append(Finding(viewer.name, method, path, sent, what))

    def _path(self, viewer: Viewer, rule: Rule) -> str:
        chosen: dict[str, Any] = {}
        for name in rule.arguments:
            ids = [each[name] for each in (viewer.own, viewer.foreign) if name in each]
            chosen[name] = PLAIN.get(name) or self.random.choice([*ids, *ids, new_id()])
        with self.app.test_request_context():
            return str(rule.build(chosen, append_unknown=False)[1])  # type: ignore[index]

    def _value(self, viewer: Viewer) -> str:
        kind = self.random.random()
        if kind < 0.35:
            return self.random.choice(XSS)
        if kind < 0.8:
            return self.random.choice(ODD)
        ids = [*viewer.own.values(), *viewer.foreign.values()] or [new_id()]
        return str(self.random.choice(ids))

    def _form(self, client: FlaskClient, viewer: Viewer, path: str) -> dict[str, str]:
        """Return the form of the same address filled in oddly, with what makes the console look at it at all."""
        if path not in self._fields:
            try:
                with client.get(path) as page:
                    text = (
                        page.get_data(as_text=True) if page.status_code == 200 and page.mimetype == "text/html" else ""
                    )
            except Exception:
                text = ""
            self._fields[path] = sorted({*_FIELD.findall(text)}) or list(self.random.sample(COMMON, 6))
        names = [name for name in self._fields[path] if self.random.random() < 0.8]
        who = viewer.somebody.organization_id if viewer.somebody else ""
        data = {name: self._value(viewer) for name in names if name not in {"csrf_token", "acting_for", "form_key"}}
        return {**data, "csrf_token": TOKEN, "acting_for": str(who)}


def _wrong(viewer: Viewer, status: int, text: str, kind: str, sent: str) -> Iterator[str]:
    if status >= 500:
        yield f"status {status}: {text[:200]}"
    if LEAKS.search(text):
        yield f"an inside view: {LEAKS.search(text)}"
    if kind == "text/html":
        page = _Page()
        page.feed(text)
        yield from page.found
    for name, id_ in viewer.foreign.items():
        if name not in PUBLIC and str(id_) not in sent and _is_anothers_alone(viewer, id_) and str(id_) in text:
            yield f"the {name} of another tenant"


def _is_anothers_alone(viewer: Viewer, id_: UUID) -> bool:
    return id_ not in viewer.own.values() and viewer.name != "platform"


class _Page(HTMLParser):
    """A page as a browser reads it: what was sent must be text in it, never an element, a handler or a script's address."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if MARK in tag or tag == "svg/onload":
            self.found.append(f"the element <{tag}> that was sent")
        for name, value in attrs:
            if name.startswith("on") or MARK in name:
                self.found.append(f"the attribute {name} in <{tag}>")
            if name in {"href", "src", "action", "formaction"} and (value or "").strip().lower().startswith(
                "javascript:"
            ):
                self.found.append(f"a script's address in <{tag}>")
