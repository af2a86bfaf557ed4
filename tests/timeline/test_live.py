"""The live timeline in a real browser: what another process did appears by itself, and a lost connection loses nothing."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect

from karokar.app import create_app
from karokar.config import PROJECT, Config
from karokar.kernel.db import db
from karokar.outbox.delivery.drain import drain_all
from tests.browser import site
from tests.factories import people

pytestmark = pytest.mark.browser

ELSEWHERE = """
import sys
from uuid import UUID
from karokar.app import create_app
from karokar.kernel.actor import Actor, acting_as
from karokar.notification.actions import choose
from karokar.outbox.delivery.drain import drain_all
from karokar.outbox.store import open_store

user, organization, kinds, is_on, is_delivered = sys.argv[1:]
app = create_app()
with app.app_context(), acting_as(Actor(user_id=UUID(user), organization_id=UUID(organization))):
    for kind in kinds.split(","):
        choose({(kind, "EMAIL"): is_on == "on"})
    while is_delivered == "delivered":
        drain_all()
        # What somebody else has begun is left to them for a second; here it has to be done before the test goes on.
        with open_store() as store:
            if store.oldest_waiting() is None:
                break
"""


@dataclass
class Desk:
    """A company's administrator at the timeline of their organization, and what others do meanwhile."""

    tab: Page
    context: BrowserContext
    url: str
    environ: dict[str, str]
    user_id: UUID
    organization_id: UUID

    def elsewhere(self, *kinds: str, on: bool = False, is_delivered: bool = True) -> None:
        """Let another process change something of the organization."""
        command = [
            sys.executable, "-c", ELSEWHERE, str(self.user_id), str(self.organization_id), ",".join(kinds),
            "on" if on else "off", "delivered" if is_delivered else "waiting",
        ]  # fmt: skip
        subprocess.run(command, check=True, env=self.environ, cwd=PROJECT, timeout=60)

    def titles(self) -> list[str]:
        """The sentences that the timeline shows, newest first."""
        return self.tab.locator(".kk-event-title").all_inner_texts()


def environ_of(config: Config, database: str) -> dict[str, str]:
    """The settings of this test's application, for another process."""
    import os

    return {
        **os.environ,
        "KAROKAR_DATA": str(config.data),
        "DATABASE_URL": database,
        "SECRET_KEY": config.secret_key,
        "KAROKAR_TESTING": "true",
        "KAROKAR_ENVIRONMENT": "test",
        "EVENT_BUS_DISPATCHER": "none",
    }


@pytest.fixture
def desk(config: Config, database_url: str, tmp_path: Path, chromium: Browser) -> Iterator[Desk]:
    app: Flask = create_app(replace(config, database_url=database_url))
    with app.app_context():
        company = people.make_corporate()
        drain_all()
        db.session.remove()
    with site.served(app) as address:
        context = chromium.new_context()
        tab = context.new_page()
        tab.goto(f"{address}/login")
        tab.fill("input[name=email]", company.admin.email)
        tab.fill("input[name=password]", company.admin.password)
        tab.press("input[name=password]", "Enter")
        tab.wait_for_url(lambda url: "/login" not in url)
        tab.goto(f"{address}/timeline/Organization/{company.id}")
        yield Desk(tab, context, address, environ_of(config, database_url), company.admin.user_id, company.id)
        context.close()
    with app.app_context():
        db.engine.dispose()


def test_what_another_process_did_is_announced_and_shown_when_asked_for(desk: Desk):
    before = desk.titles()
    desk.elsewhere("VEHICLES", "DELIVERIES")
    button = desk.tab.get_by_role("button", name="2 new")
    expect(button).to_be_visible(timeout=20_000)
    assert desk.titles() == before, "no row moves before somebody asks"
    button.click()
    expect(desk.tab.locator(".kk-event")).to_have_count(len(before) + 2)
    assert desk.titles()[2:] == before
    assert all("changed which messages they get" in title for title in desk.titles()[:2])
    expect(desk.tab.locator(".kk-new")).to_be_hidden()
    assert desk.tab.evaluate("document.activeElement.dataset.event") is not None


def test_a_lost_connection_loses_nothing_and_repeats_nothing(desk: Desk):
    before = desk.titles()
    desk.context.set_offline(True)
    with desk.tab.expect_event("requestfailed", timeout=20_000):
        desk.elsewhere("VEHICLES")
    desk.elsewhere("DELIVERIES")
    desk.context.set_offline(False)
    button = desk.tab.get_by_role("button", name="2 new")
    expect(button).to_be_visible(timeout=20_000)
    button.click()
    expect(desk.tab.locator(".kk-event")).to_have_count(len(before) + 2)
    ids = desk.tab.locator("[data-event]").evaluate_all("rows => rows.map(row => row.dataset.event)")
    assert len(ids) == len(set(ids))


def test_reactions_that_are_not_done_yet_go_on_in_place(desk: Desk):
    desk.elsewhere("VEHICLES", is_delivered=False)
    # Sequenced, but not delivered: the log is there, the reactions are not.
    desk.tab.reload()
    waiting = desk.tab.locator(".kk-event", has_text="changed which messages they get").first
    expect(waiting.locator("summary", has_text="not done")).to_be_visible()
    desk.elsewhere("DELIVERIES")
    expect(waiting.locator("summary", has_text="not done")).to_be_hidden(timeout=20_000)
    expect(waiting.locator("summary", has_text="done")).to_be_visible()


def test_without_a_script_the_same_page_shows_what_is_new_after_a_reload(desk: Desk):
    tab = desk.context.browser.new_context(  # type: ignore[union-attr]
        java_script_enabled=False, storage_state=desk.context.storage_state()
    ).new_page()
    tab.goto(desk.tab.url)
    count = tab.locator(".kk-event").count()
    desk.elsewhere("VEHICLES")
    tab.reload()
    assert tab.locator(".kk-event").count() == count + 1


def test_on_a_things_own_page_it_comes_by_itself_and_is_live(desk: Desk):
    before = desk.titles()
    desk.tab.goto(f"{desk.url}/organization/own")
    expect(desk.tab.locator(".kk-event")).to_have_count(len(before))
    assert desk.titles() == before
    desk.elsewhere("VEHICLES")
    desk.tab.get_by_role("button", name="1 new").click(timeout=20_000)
    expect(desk.tab.locator(".kk-event")).to_have_count(len(before) + 1)


def test_where_it_does_not_come_a_link_leads_to_it(desk: Desk):
    before = desk.titles()
    desk.tab.route("**/timeline/**part=newest", lambda route: route.abort())
    with desk.tab.expect_event("requestfailed"):
        desk.tab.goto(f"{desk.url}/organization/own")
    desk.tab.get_by_role("link", name="Show what happened").click()
    expect(desk.tab.locator(".kk-event")).to_have_count(len(before))
