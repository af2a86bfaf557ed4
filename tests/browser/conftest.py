"""A real Chromium in front of the console with its example data."""

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext
from playwright.sync_api import Page as Tab

from karokar.config import PROJECT, Config
from tests.browser import site
from tests.servers import keeper
from tests.servers.databases import Databases

AXE = (PROJECT / "tests" / "browser" / "vendor" / "axe.min.js").read_text()
COLOURS = ["color-contrast", "link-in-text-block"]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def settings(databases: Databases) -> Config:
    """Settings that all workers of a run share, so that documents uploaded with the example data are there for all."""
    data = keeper.run_directory() / "example-data"
    data.mkdir(exist_ok=True)
    return replace(databases.config("sqlite"), data=data)


@pytest.fixture(scope="session")
def filled(databases) -> Path:
    """A SQLite file with the example data, made once per run."""
    path = keeper.run_directory() / "example.sqlite3"
    with keeper.once("example-data") as done:
        if not done.exists():
            shutil.copy(databases.sqlite_template(), path)
            site.load_example_data(settings(databases), path)
            done.touch()
    return path


@pytest.fixture(scope="session")
def console(filled, databases) -> Flask:
    """The application on a copy of the example data, for tests that read: one copy for all workers of a run, so that
    what one found or opened is there for the others.
    """
    path = keeper.run_directory() / "console.sqlite3"
    with keeper.once("console") as done:
        if not done.exists():
            site.copy_of(filled, path)
            done.touch()
    return site.make_app(settings(databases), path)


@pytest.fixture(scope="session")
def address(console) -> Iterator[str]:
    """Where the application is served."""
    with site.served(console) as url:
        yield url


@pytest.fixture(scope="session")
def crawls(console, worker_name) -> dict[str, site.Crawl]:
    """What each role can open, and who is not signed in. Workers share the work: half of them begin at the other end."""
    roles = [site.DOOR, *site.ROLES, *site.MORE_ROLES]
    is_odd = int(worker_name.removeprefix("gw")) % 2
    found = {role: _crawl_once(console, role) for role in (reversed(roles) if is_odd else roles)}
    visited = {endpoint for role in (site.DOOR, *site.ROLES) for endpoint in found[role].pages}
    for role in site.MORE_ROLES:
        crawl = found[role]
        crawl.pages = {endpoint: page for endpoint, page in crawl.pages.items() if endpoint not in visited}
        visited |= set(crawl.pages)
    return {role: found[role] for role in roles}


def _crawl_once(console: Flask, role: str) -> site.Crawl:
    with keeper.once(f"crawl-{role}") as done:
        if not done.exists():
            draft = done.with_suffix(".draft")
            draft.write_bytes(pickle.dumps(site.crawl(console, role)))
            draft.rename(done)
        return pickle.loads(done.read_bytes())  # noqa: S301 -- written above


@dataclass
class Watched:
    """A tab that remembers everything that went wrong in it."""

    tab: Tab
    address: str
    wrongs: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Load a page and wait until it is quiet."""
        self.tab.goto(self.address + path)
        self.tab.wait_for_load_state("load")
        # The timeline on a thing's page comes right after the page.
        self.tab.wait_for_selector("[data-story-later]", state="detached")

    def violations(self, selector: str | None = None, *, only_colours: bool = False) -> list[str]:
        """What axe-core finds on the page as it is now, by all rules or by those that look at colours."""
        if not self.tab.evaluate("!!window.axe"):
            self.tab.evaluate(AXE)
        options = {"runOnly": COLOURS if only_colours else TAGS, "resultTypes": ["violations"]}
        found = self.tab.evaluate(
            "([selector, options]) => axe.run(selector ? document.querySelector(selector) : document, options)",
            [selector, options],
        )
        return [
            f"{violation['id']} ({violation['impact']}) at {' | '.join(map(str, node['target']))}: {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"][:3]
        ]


@pytest.fixture(scope="session")
def signed_in_states(chromium, address) -> dict[str, str]:
    """The cookies of each role, signed in once per run through the real form."""
    with keeper.once("signed-in") as done:
        if not done.exists():
            emails = site.ROLES | site.MORE_ROLES
            done.write_text(json.dumps({role: _sign_in(chromium, address, email) for role, email in emails.items()}))
        states: dict[str, str] = json.loads(done.read_text())
        return states


def _sign_in(chromium: Browser, address: str, email: str) -> str:
    context = chromium.new_context()
    tab = context.new_page()
    tab.goto(f"{address}/login")
    tab.fill("[name=email]", email)
    tab.fill("[name=password]", site.PASSWORD)
    tab.click("main button:not([type=button])")
    tab.wait_for_url(lambda url: "/login" not in url)
    state = json.dumps(context.storage_state())
    context.close()
    return state


@pytest.fixture
def browse(chromium, address, signed_in_states) -> Iterator[Callable[..., Watched]]:
    """Open a tab as a role (or as `site.DOOR`): what goes wrong in it is kept in `wrongs`."""
    contexts: list[BrowserContext] = []

    def make(role: str, **options) -> Watched:
        state = json.loads(signed_in_states[role]) if role != site.DOOR else None
        context = chromium.new_context(
            storage_state=state, viewport={"width": 1366, "height": 900}, reduced_motion="reduce", **options
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        watched = Watched(context.new_page(), address)
        watched.tab.on("console", lambda m: watched.wrongs.append(m.text) if m.type in {"error", "warning"} else None)
        watched.tab.on("pageerror", lambda error: watched.wrongs.append(str(error)))
        watched.tab.on("requestfailed", lambda r: watched.wrongs.append(f"failed: {r.url}") if _matters(r) else None)
        return watched

    yield make
    for context in contexts:
        context.close()


def _matters(request) -> bool:
    # A page that is left while something loads is no failure.
    return "ERR_ABORTED" not in (request.failure or "")


def pytest_collection_modifyitems(items) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
