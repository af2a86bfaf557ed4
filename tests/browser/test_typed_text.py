"""What people type never breaks a page: no word widens it, no name stops its script."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import String

from karokar.kernel.db import Base
from tests.browser import site
from tests.browser.conftest import Watched, settings
from tests.browser.grow import grow_table

WORD = "Unbreakable" * 4 + "!"
ADDRESS = "https://example.com/" + "a1b2c3d4" * 6
PHONE = 360
MARKS = {"typed", "name", "personal"}
"""How the models mark columns of text that people type."""
FREE = {"error", "note", "notes", "text", "description", "title", "label", "message", "file_name", "void_reason"}
"""Columns with these names hold sentences, marked or not."""
FORMED = {
    "code_hash", "email", "last_used_from", "link_nonce", "password_hash", "reset_nonce", "token_hash",
    "import_files.text", "user_sessions.address",
}  # fmt: skip
"""Marked columns, and columns named like free text, whose values have a form of their own: the pages would not open."""


def typed_columns() -> Iterator[tuple[str, str]]:
    """Yield every column that holds text that people type, by the models: every page that shows it shows this."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            is_free = bool(MARKS & set(column.info)) or column.name in FREE
            if isinstance(column.type, String) and is_free and not FORMED & {column.name, str(column)}:
                yield table.name, column.name


@pytest.fixture(scope="module")
def typed(filled, databases, tmp_path_factory) -> Iterator[tuple[Flask, str]]:
    """The example data with unbreakable text wherever people type, served; and a city named like a part of an object."""
    path = site.copy_of(filled, tmp_path_factory.mktemp("typed") / "typed.sqlite3")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        # What is kept as it was made can be of any length too: the guards step aside while it is filled.
        guards = connection.execute("select name, sql from sqlite_master where type = 'trigger'").fetchall()
        for guard, _sql in guards:
            connection.execute(f"drop trigger {guard}")
        for table, column in typed_columns():
            text = ADDRESS if column in {"address", "note", "text", "description"} else WORD
            connection.execute(f"update {table} set {column} = ? where {column} is not null", [text])
        for _guard, sql in guards:
            connection.execute(sql)
        connection.execute("update organizations set metadata = ?", [json.dumps({"address": ADDRESS, "region": WORD})])
        # So many cities that their list becomes searchable; each has its key, as every list of cities is grouped by it.
        connection.row_factory = sqlite3.Row
        grow_table(connection, "vehicles", 60)
        connection.execute("update vehicles set city = 'City ' || rowid, city_key = 'city ' || rowid")
        chosen = "select id from vehicles limit 3"
        connection.execute(
            f"update vehicles set city = 'hasOwnProperty', city_key = 'hasownproperty' where id in ({chosen})"
        )
        connection.commit()
    app = site.make_app(settings(databases), path)
    with site.served(app) as address:
        yield app, address


@pytest.fixture
def visit(typed, chromium) -> Iterator:
    """Open a tab of a phone as a role."""
    _app, address = typed
    contexts = []

    def make(role: str, **options) -> Watched:
        context = chromium.new_context(viewport={"width": PHONE, "height": 800}, reduced_motion="reduce", **options)
        contexts.append(context)
        watched = Watched(context.new_page(), address)
        watched.tab.on("console", lambda m: watched.wrongs.append(m.text) if m.type == "error" else None)
        watched.tab.on("pageerror", lambda error: watched.wrongs.append(str(error)))
        if role != site.DOOR:
            watched.open("/login")
            watched.tab.fill("[name=email]", site.ROLES[role])
            watched.tab.fill("[name=password]", site.PASSWORD)
            watched.tab.click("main button:not([type=button])")
            watched.tab.wait_for_url(lambda url: "/login" not in url)
        return watched

    yield make
    for context in contexts:
        context.close()


WIDE = """() => document.documentElement.scrollWidth > window.innerWidth
  ? [...document.querySelectorAll('body *')].filter(node => node.getBoundingClientRect().right > window.innerWidth + 1
      && !node.closest('.kk-scroll, .visually-hidden')).slice(0, 3).map(node => node.outerHTML.slice(0, 160))
    .concat(`${document.documentElement.scrollWidth} px`) : []"""


@pytest.mark.parametrize("role", [site.DOOR, *site.ROLES])
def test_no_word_makes_a_page_wider_than_a_phone(typed, visit, role):
    app, _address = typed
    watched = visit(role)
    wide = []
    for page in site.crawl(app, role, most_per_endpoint=3).pages.values():
        watched.open(page.url)
        found = watched.tab.evaluate(WIDE)
        if found:
            wide.append(f"{page.endpoint} {page.url}: {found}")
    assert wide == [], "\n".join(wide)
    assert watched.wrongs == []


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("vendor", f"/search?q={WORD}"),
        ("vendor", f"/fleet/?q={WORD}"),
        ("vendor", f"/fleet/?q={quote(ADDRESS, safe='')}"),
        ("vendor", f"/identity/members?q={WORD}"),
        ("vendor", f"/booking/?q={WORD}"),
        ("vendor", f"/availability/timeline?q={WORD}"),
        ("vendor", f"/fleet/who-had-it?plate={WORD[:20]}&at=2026-12-01T10:00"),
        ("corporate", f"/availability/?start=2027-02-01T09:00&end=2027-02-01T18:00&text={WORD}"),
        ("corporate", f"/assignment/?q={WORD}"),
        ("platform", f"/organization/?q={WORD}"),
        ("platform", f"/administration/people?q={WORD}"),
        ("platform", f"/administration/events?type={WORD}"),
        ("platform", f"/audit/?entity={WORD}&actor={WORD}"),
        ("platform", f"/{WORD}"),
    ],
)
def test_no_word_that_is_searched_for_makes_a_page_wider(visit, role, path):
    watched = visit(role)
    watched.open(path)
    assert watched.tab.evaluate(WIDE) == []


def test_a_city_named_like_a_part_of_an_object_stops_no_script(visit):
    watched = visit("corporate")
    watched.open("/availability/")
    city = watched.tab.locator("select[name=city][data-kk-select]")
    assert "hasOwnProperty" in city.inner_html()
    # What comes after the selects in the script works.
    watched.tab.keyboard.press("Control+k")
    watched.tab.wait_for_selector("dialog[open].kk-palette")
    watched.tab.keyboard.press("Escape")
    city.select_option("hasOwnProperty")
    watched.tab.locator("main form button:not([type=button])").first.click()
    watched.tab.wait_for_url("**city=hasOwnProperty**")
    assert watched.wrongs == []


def test_a_part_of_the_script_that_fails_harms_no_other(visit):
    watched = visit("corporate")
    broken = """Object.defineProperty(window, 'TomSelect', {set() {}, get() { return class { constructor(select) {
      select.classList.add('tomselected', 'ts-hidden-accessible'); window.kkPlanted = true; throw new Error('planted'); } }; }});
    Object.defineProperty(window, 'sessionStorage', {get() { throw new Error('no storage'); }});"""
    watched.tab.add_init_script(broken)
    watched.open("/account/profile")
    watched.tab.keyboard.press("Control+k")
    watched.tab.wait_for_selector("dialog[open].kk-palette")
    watched.tab.keyboard.press("Escape")
    watched.tab.wait_for_function("window.kkPlanted")
    assert watched.tab.locator("select[name=time_zone]").is_visible()
    assert any("planted" in wrong for wrong in watched.wrongs), watched.wrongs
