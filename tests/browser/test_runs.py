"""A run's page while the run works and ends: it says so by itself."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from karokar.kernel import clock
from karokar.kernel.actor import acting_as
from karokar.kernel.errors import RuleBroken
from karokar.runs import actions, worker
from karokar.runs.kinds import KINDS, Item, Paced, row_kind
from tests.browser import conftest, rare, site


def test_the_way_to_stop_a_run_goes_when_it_has_ended(chromium, filled, databases, tmp_path):
    app = site.make_app(conftest.settings(databases), site.copy_of(filled, tmp_path / "own.sqlite3"))
    with site.served(app) as url, app.app_context():
        with acting_as(rare.member(app, "platform@karokar.example")):
            run_id = actions.start_run("delivery.retry", {"filters": {"q": "nothing matches this"}, "chosen": []})
        tab = chromium.new_context().new_page()
        try:
            tab.goto(f"{url}/login?next=/runs/{run_id}")
            tab.fill("[name=email]", "platform@karokar.example")
            tab.fill("[name=password]", site.PASSWORD)
            tab.click("main button:not([type=button])")
            tab.goto(f"{url}/runs/{run_id}")
            stop = tab.get_by_role("button", name="Stop…")
            expect(stop).to_be_visible()
            # A dialog that is open stays, whatever goes on behind it.
            stop.click()
            expect(tab.get_by_role("heading", name="Stop this run?")).to_be_visible()
            worker.work()
            tab.keyboard.press("Escape")
            expect(stop).to_have_count(0, timeout=20_000)
            expect(tab.locator(".kk-chip").first).to_have_text("Done")
            expect(tab.get_by_role("link", name="Results as CSV")).to_be_visible()
        finally:
            tab.context.close()


ROWS = 30
"""More than a page of them."""


@pytest.fixture
def counting() -> Iterator[str]:
    """A kind of run that does one row a slice; every third is refused."""

    def do(item: Item, _parameters: object) -> Paced:
        if item.data["number"] % 3 == 0:
            sentence = "Every third is refused."
            raise RuleBroken("EVERY_THIRD", sentence)
        return Paced("Counted", 60.0)

    row_kind(
        "test.counting",
        "Count",
        permission="event.operate",
        list_items=lambda _parameters: [Item(f"Thing {number}", {"number": number}) for number in range(1, ROWS + 1)],
        do=do,
    )
    yield "test.counting"
    del KINDS["test.counting"]


@contextlib.contextmanager
def signed_in(chromium, url: str) -> Iterator[Tab]:
    tab = chromium.new_context(base_url=url).new_page()
    try:
        tab.goto("/login")
        tab.fill("[name=email]", "platform@karokar.example")
        tab.fill("[name=password]", site.PASSWORD)
        tab.click("main button:not([type=button])")
        tab.wait_for_url(lambda address: "/login" not in address)
        yield tab
    finally:
        tab.context.close()


def test_the_rows_follow_while_the_run_goes_on(chromium, filled, databases, tmp_path, counting):
    app = site.make_app(conftest.settings(databases), site.copy_of(filled, tmp_path / "own.sqlite3"))
    with site.served(app) as url, app.app_context(), signed_in(chromium, url) as tab:
        with acting_as(rare.member(app, "platform@karokar.example")):
            run_id = actions.start_run(counting, {})
        tab.goto(f"/runs/{run_id}")
        rows = tab.get_by_role("region", name="Rows and their results").locator("tbody tr")
        expect(rows).to_have_count(0)

        def slices(count: int, after: int) -> None:
            for number in range(count):
                with clock.standing_at(clock.now() + timedelta(minutes=2 * (after + number + 1))):
                    worker.work()

        slices(1, after=0)
        expect(rows).to_have_count(25, timeout=20_000)
        expect(rows.nth(0)).to_contain_text("Counted")
        expect(rows.nth(1)).to_contain_text("To do")
        slices(2, after=1)
        expect(rows.nth(2)).to_contain_text("Every third is refused.", timeout=20_000)
        tab.get_by_label("Result", exact=True).select_option("FAILED")
        tab.get_by_role("button", name="Filter", exact=True).click()
        expect(rows).to_have_count(1)
        slices(3, after=3)
        expect(rows).to_have_count(2, timeout=20_000)
        tab.goto(f"/runs/{run_id}")
        tab.get_by_role("link", name="Next page").click()
        expect(rows).to_have_count(5)
        expect(rows.last).to_contain_text("To do")
        slices(ROWS, after=6)
        expect(rows.last).to_contain_text("refused", timeout=20_000)
        expect(rows).to_have_count(5)
