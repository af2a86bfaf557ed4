"""Pictures of the main screens of each role: light and dark on a desk, and on a phone. Run by bin/screenshots."""

import argparse
import logging
import shutil
import threading
import time
from pathlib import Path

from playwright.sync_api import BrowserContext, sync_playwright

from karokar.config import PROJECT
from karokar.outbox.processes import relay
from tests.browser import site
from tests.servers import chromium, keeper
from tests.servers.databases import Databases

SCREENS = {
    site.DOOR: ("identity.login", "organization.apply"),
    "platform": (
        "web.home", "administration.review", "organization.index", "organization.show", "verification.show", "administration.events",
        "administration.event", "administration.overview", "administration.health", "administration.reports", "audit.index",
    ),
    "vendor": (
        "web.home", "booking.today", "booking.index", "booking.decide", "booking.show", "availability.timeline", "fleet.index",
        "fleet.show", "fleet.maintenance", "fleet.documents", "availability.conflicts", "administration.reports", "identity.members",
    ),
    "corporate": (
        "web.home", "availability.index", "booking.new", "booking.index", "booking.show", "booking.assign", "assignment.index",
        "verification.index", "notification.index", "identity.member",
    ),
    "employee": ("web.home", "assignment.index", "assignment.show", "identity.profile", "notification.preferences"),
}  # fmt: skip
SETTLES_SECONDS = 8.0
"""How long what the example data set off is given to be delivered, sealed and counted."""
VARIANTS = (("light", 1366, 900), ("dark", 1366, 900), ("phone", 390, 844))


def main() -> None:
    """Fill a database with the example data, open every main screen, and write a picture of each."""
    parser = argparse.ArgumentParser(prog="bin/screenshots", description="Pictures of the main screens of each role.")
    parser.add_argument("folder", nargs="?", type=Path, default=PROJECT / "docs" / "screenshots")
    parser.add_argument("roles", nargs="*", metavar="role", help=f"some of {', '.join(SCREENS)}; by default all")
    options = parser.parse_args()
    if unknown := set(options.roles) - SCREENS.keys():
        parser.error(f"no such role: {', '.join(sorted(unknown))}")
    target = options.folder
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # The names of the pictures are enough.
    keeper.begin_run()
    databases = Databases("pictures")
    try:
        path = site.copy_of(databases.sqlite_template(), keeper.run_directory() / "pictures.sqlite3")
        site.load_example_data(databases.config("sqlite"), path)
        # Events are delivered while the pictures are taken, as they would be.
        app = site.make_app(databases.config("sqlite"), path)
        stop = threading.Event()
        relaying = threading.Thread(target=relay.run, args=(app, stop), daemon=True)
        with site.served(app) as address, sync_playwright() as playwright:
            relaying.start()
            time.sleep(SETTLES_SECONDS)
            browser = playwright.chromium.launch(executable_path=chromium.provide(), args=["--no-sandbox"])
            if not options.roles:
                shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True, exist_ok=True)
            for role, endpoints in SCREENS.items():
                if options.roles and role not in options.roles:
                    continue
                pages = site.crawl(app, role).pages
                urls = {endpoint: pages[endpoint].url for endpoint in endpoints if endpoint in pages}
                for missing in set(endpoints) - set(urls):
                    print(f"{role} has no page {missing}")
                for variant, width, height in VARIANTS:
                    context = browser.new_context(
                        viewport={"width": width, "height": height},
                        color_scheme="dark" if variant == "dark" else "light",
                    )
                    take(context, address, role=role, urls=urls, target=target, variant=variant)
                    context.close()
            browser.close()
            stop.set()
            relaying.join()
    finally:
        databases.close()
        keeper.end_run()


def take(context: BrowserContext, address: str, *, role: str, urls: dict[str, str], target: Path, variant: str) -> None:
    """Sign in and photograph each screen."""
    tab = context.new_page()
    if role != site.DOOR:
        tab.goto(f"{address}/login")
        tab.fill("[name=email]", site.ROLES[role])
        tab.fill("[name=password]", site.PASSWORD)
        tab.click("main button:not([type=button])")
        tab.wait_for_url(lambda url: "/login" not in url)
    for endpoint, url in urls.items():
        tab.goto(address + url)
        tab.wait_for_load_state("networkidle")
        name = f"{role}-{endpoint.replace('.', '-')}-{variant}.png"
        tab.screenshot(path=target / name)
        print(target / name)


if __name__ == "__main__":
    main()
