"""The two documented journeys in a real browser: a vendor's vehicle from search to return, a company's own from
registration to close. Each person has a browser of their own.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from karokar.app import create_app
from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.outbox.drain import drain_all
from tests.browser import site
from tests.factories import fleet, people
from tests.factories.people import Company, Somebody


@dataclass
class Stage:
    """The application as it is served, and the browsers in front of it."""

    app: Flask
    url: str
    chromium: object

    def deliver(self) -> None:
        """Let every handler see what happened."""
        with self.app.app_context():
            drain_all()

    @contextlib.contextmanager
    def browser_of(self, who: Somebody) -> Iterator[Page]:
        """A browser in which this person has signed in through the form."""
        context = self.chromium.new_context(viewport={"width": 1366, "height": 900})
        context.set_default_timeout(15_000)
        tab = context.new_page()
        wrongs: list[str] = []
        tab.on("console", lambda message: wrongs.append(message.text) if message.type in {"error", "warning"} else None)
        tab.on("pageerror", lambda error: wrongs.append(str(error)))
        tab.goto(f"{self.url}/login")
        tab.get_by_label("E-mail address").fill(who.email)
        tab.get_by_label("Password", exact=True).fill(who.password)
        press(tab, "Sign in")
        expect(tab.get_by_role("heading", level=1)).to_be_visible()
        yield tab
        assert wrongs == []
        context.close()


@pytest.fixture
def stage(database_url, databases, chromium) -> Iterator[Stage]:
    """The application on a migrated database that holds nothing else, served on a free port."""
    app = create_app(replace(databases.config("sqlite"), database_url=database_url))
    with site.served(app) as url:
        yield Stage(app, url, chromium)
    with app.app_context():
        db.engine.dispose()


def press(tab: Page, label: str) -> None:
    tab.locator("main").get_by_role("button", name=label, exact=True).click()
    tab.wait_for_load_state("load")


def follow(tab: Page, label: str) -> None:
    tab.locator("main").get_by_role("link", name=label, exact=True).first.click()
    tab.wait_for_load_state("load")


def status(tab: Page, word: str) -> None:
    expect(tab.locator(".kk-head .kk-chip").first).to_have_text(word)


def local(at: datetime, zone: str) -> str:
    """A moment as a field for date and time takes it."""
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")


def zone_of(tab: Page) -> str:
    """The zone in which this browser's pages show times."""
    found = re.search(r"Times are shown in (\S+)", tab.locator("footer").inner_text())
    assert found
    return found[1]


def test_a_vendors_vehicle_goes_from_the_search_to_its_return(stage: Stage) -> None:
    with stage.app.app_context():
        vendor, company = people.make_vendor(), people.make_corporate(employees=2)
        vehicle_id = fleet.make_vehicle(vendor, make="Tata", model="Harrier")
        drain_all()
        db.session.remove()
    chosen, start = company.employees[0], clock.now() + timedelta(minutes=30)
    with stage.browser_of(company.admin) as buyer:
        booking = _request(buyer, stage, start)
        stage.deliver()
        with stage.browser_of(vendor.admin) as seller:
            seller.goto(stage.url)
            seller.get_by_role("link", name=re.compile("^Answer the request")).click()
            press(seller, "Approve")
            status(seller, "Approved")
            stage.deliver()
            buyer.goto(booking)
            follow(buyer, "Assign")
            buyer.get_by_label(chosen.name).check()
            press(buyer, "Assign")
            status(buyer, "Assigned")
            stage.deliver()
            _accept(stage, chosen)
            stage.deliver()
            seller.reload()
            expect(seller.locator("main")).to_contain_text(chosen.name)
            follow(seller, "Hand over")
            seller.get_by_label("Odometer (km)").fill("12080")
            seller.get_by_label("Fuel or charge (%)").fill("95")
            seller.get_by_label("Keys, also the spare one").check()
            press(seller, "Hand over")
            status(seller, "In use")
            stage.deliver()
            buyer.goto(booking)
            buyer.get_by_role("textbox", name="Message").fill("All is well, thank you.")
            press(buyer, "Send the message")
            stage.deliver()
            seller.reload()
            expect(seller.locator("#messages")).to_contain_text("All is well, thank you.")
            follow(seller, "Take back")
            seller.get_by_label("Odometer (km)").fill("12090")
            seller.get_by_label("Fuel or charge (%)").fill("90")
            press(seller, "Take back")
            status(seller, "Completed")
            stage.deliver()
            seller.goto(f"{stage.url}/fleet/{vehicle_id}")
            expect(seller.locator("main")).to_contain_text("12,090 km")
        buyer.reload()
        for told in ("approved the booking", "handed the vehicle over", "took the vehicle back"):
            expect(buyer.locator("#timeline")).to_contain_text(told)
        expect(buyer.get_by_role("link", name="Book on")).to_be_visible()


def _request(tab: Page, stage: Stage, start: datetime) -> str:
    """Find the vehicle by dates and ask for it; return the booking's address."""
    tab.goto(f"{stage.url}/availability/")
    zone = zone_of(tab)
    tab.get_by_label("From", exact=True).fill(local(start, zone))
    tab.get_by_label("To", exact=True).fill(local(start + timedelta(hours=6), zone))
    press(tab, "Find")
    expect(tab.get_by_role("region", name="Free vehicles")).to_contain_text("Tata Harrier")
    follow(tab, "Request")
    expect(tab.locator("main")).to_contain_text("The vehicle is free in this period")
    tab.get_by_label("Purpose").fill("Visit to the mill")
    press(tab, "Send the request")
    status(tab, "Requested")
    return tab.url


def _accept(stage: Stage, who: Somebody) -> None:
    """Accept from the list of what waits, as the mail's reader would."""
    with stage.browser_of(who) as tab:
        tab.goto(stage.url)
        tab.get_by_role("link", name="Accept or decline a vehicle", exact=True).click()
        press(tab, "Accept")
        status(tab, "Accepted")


def test_a_companys_own_vehicle_goes_from_its_registration_to_the_close(stage: Stage) -> None:
    with stage.app.app_context():
        company = people.make_corporate(employees=1)
        drain_all()
        db.session.remove()
    employee = company.employees[0]
    with stage.browser_of(company.admin) as admin:
        vehicle = _register(admin, stage)
        _verify(stage, company, vehicle)
        admin.goto(vehicle)
        press(admin, "Put on the road")
        status(admin, "Active")
        stage.deliver()
        admin.goto(f"{stage.url}/assignment/new?vehicle_id={vehicle.rsplit('/', 1)[-1]}")
        admin.get_by_label("Start").fill(local(clock.now() + timedelta(minutes=20), zone_of(admin)))
        admin.locator("select[name=employee_id]").select_option(str(employee.user_id))
        press(admin, "Assign")
        status(admin, "Waiting for answer")
        assignment = admin.url
        stage.deliver()
        _accept(stage, employee)
        with stage.browser_of(employee) as driver:
            driver.goto(assignment)
            follow(driver, "Hand over")
            driver.get_by_label("Odometer (km)").fill("520")
            driver.get_by_label("Fuel or charge (%)").fill("80")
            press(driver, "Hand over")
            status(driver, "In use")
        stage.deliver()
        admin.goto(assignment)
        follow(admin, "Close…")
        admin.get_by_label("Reason").select_option("NO_LONGER_NEEDED")
        press(admin, "Close the assignment")
        status(admin, "Closed")
        expect(admin.locator("main")).to_contain_text("The vehicle is no longer needed")
        stage.deliver()
        admin.reload()
        expect(admin.locator("#timeline")).to_contain_text("closed the assignment")


def _register(tab: Page, stage: Stage) -> str:
    tab.goto(f"{stage.url}/fleet/new")
    for label, text in (
        ("Make", "Maruti"), ("Model", "Ertiga"), ("Year", "2025"), ("Licence plate", "MH 12 KK 4711"), ("Seats", "7"),
        ("City", "Pune"), ("Odometer (km)", "500"),
    ):  # fmt: skip
        tab.get_by_label(label, exact=True).fill(text)
    tab.get_by_label("Category").select_option("MINIBUS")
    press(tab, "Register")
    status(tab, "Not active yet")
    return tab.url


def _verify(stage: Stage, company: Company, vehicle: str) -> None:
    """Have the vehicle's documents approved: that journey has a test of its own."""
    with stage.app.app_context():
        fleet.cover(company, UUID(vehicle.rsplit("/", 1)[-1]))
        drain_all()
        db.session.remove()
