"""A run's page while the run works and ends: it says so by itself."""

from playwright.sync_api import expect

from karokar.kernel.actor import acting_as
from karokar.runs import actions, worker
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
