"""Markup typed into every text field, looked at in a browser: it is shown as typed, and no script of it ever runs."""

import re
from dataclasses import replace
from html import unescape

import pytest

from tests.browser import site
from tests.servers import keeper

pytestmark = pytest.mark.browser

CORPUS = (
    '"><img src=kk9z onerror="window.kk9z=1">',
    "</textarea><script>window.kk9z=1</script>",
    "'-window.kk9z=1-'",
    "<svg/onload=window.kk9z=1>",
    "javascript:window.kk9z=1",
)
_FORM = re.compile(r'<form method="post"([^>]*)>(.*?)</form>', re.DOTALL)
_TAG = re.compile(r"<(input|textarea|select)\b([^>]*)>(.*?)(?=<(?:input|textarea|select|button)\b|$)", re.DOTALL)
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
NOT_SENT = ("/logout", "/account/password", "/account/second-factor", "/login")


def filled_in(body: str, payload: str) -> dict[str, str]:
    """The fields of a form as they stand, the typed text ones with the payload."""
    data: dict[str, str] = {}
    for tag, head, rest in _TAG.findall(body):
        given = {name: unescape(value) for name, value in _ATTRIBUTE.findall(head)}
        name, kind = given.get("name"), given.get("type", "text")
        if not name or kind in {"submit", "file"} or (kind in {"checkbox", "radio"} and " checked" not in head):
            continue
        if tag == "select":
            options = re.findall(r'<option[^>]*value="([^"]+)"', rest)
            data[name] = unescape(options[0]) if options else ""
        elif tag == "textarea" or kind in {"text", "search", "tel", "url"}:
            data[name] = payload
        else:
            data[name] = given.get("value", "")
    return data


@pytest.fixture(scope="module")
def typed(filled, databases, tmp_path_factory):
    """The example with the corpus typed into every form that a role's pages offer; what was sent, by page."""
    path = site.copy_of(filled, tmp_path_factory.mktemp("xss") / "console.sqlite3")
    config = replace(databases.config("sqlite"), data=keeper.run_directory() / "example-data")
    app = site.make_app(config, path)
    sent: dict[str, list[str]] = {}
    pages: dict[str, list[str]] = {}
    for role in site.ROLES:
        client = app.test_client()
        site.sign_in(client, role)
        pages[role] = sorted(page.url for page in site.crawl(app, role).pages.values())
        for number, page in enumerate(pages[role]):
            for at, (head, body) in enumerate(_FORM.findall(client.get(page).text)):
                action = unescape((re.search(r'action="([^"]*)"', head) or ["", page])[1]) or page
                if action.startswith(NOT_SENT):
                    continue
                answer = client.post(action, data=filled_in(body, CORPUS[(number + at) % len(CORPUS)]))
                assert answer.status_code < 500, (role, action)
                sent.setdefault(role, []).append(action)
    return app, sent, pages


@pytest.mark.parametrize("role", site.ROLES)
def test_no_script_that_was_typed_runs_on_any_page(typed, chromium, role):
    app, sent, pages = typed
    assert len(sent[role]) > 3
    ran: list[str] = []
    with site.served(app) as address:
        context = chromium.new_context()
        client = app.test_client()
        site.sign_in(client, role)
        cookie = client.get_cookie("session")
        assert cookie is not None
        context.add_cookies([{"name": "session", "value": cookie.value, "url": address}])
        tab = context.new_page()
        tab.on("dialog", lambda dialog: (ran.append(f"dialog on {tab.url}"), dialog.dismiss()))
        # Even what the content policy would stop must not be there: it is looked for as an element.
        for page in pages[role]:
            if "/export" in page or "/file" in page:
                continue
            tab.goto(address + page)
            found = tab.evaluate(
                "() => [window.kk9z, document.querySelectorAll('img[src=kk9z], svg[onload], [onerror]').length,"
                " [...document.querySelectorAll('script:not([src])')].filter(s => s.textContent.includes('kk9z')).length,"
                " [...document.querySelectorAll('a[href^=\"javascript:\" i]')].length]"
            )
            if found != [None, 0, 0, 0]:
                ran.append(f"{page}: {found}")
        context.close()
    assert not ran
