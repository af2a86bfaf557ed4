"""From an empty database to the first vendor at work, in a real browser."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyotp
import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from karokar.app import create_app
from karokar.identity import queries as identity
from karokar.kernel.db import db
from karokar.outbox.delivery.drain import drain_all
from tests.browser import site
from tests.factories import people

PASSWORD = "seven green kettles sing"

pytestmark = pytest.mark.browser


@pytest.fixture
def empty(database_url, databases) -> Iterator[Flask]:
    """The application on a migrated database that holds nothing else."""
    app = create_app(replace(databases.config("sqlite"), database_url=database_url))
    yield app
    with app.app_context():
        db.engine.dispose()


def deliver(app: Flask) -> None:
    with app.app_context():
        drain_all()


def open_link(tab: Page, url: str, link: str) -> None:
    """Open a link as the mail has it, on the port on which this test serves."""
    tab.goto(url + link.replace("http://localhost", "", 1))


def send(tab: Page, label: str) -> None:
    tab.get_by_role("button", name=label, exact=True).click()
    tab.wait_for_load_state("load")


def test_a_company_applies_is_verified_and_approved_and_signs_in_as_the_new_vendor(empty, chromium, tmp_path):
    document = tmp_path / "registration.pdf"
    document.write_bytes(people.PDF)
    with site.served(empty) as url:
        platform, company = chromium.new_context().new_page(), chromium.new_context().new_page()
        for tab in (platform, company):
            tab.set_default_timeout(10_000)
        _bootstrap(empty, platform, url)
        _apply(company, url)
        deliver(empty)
        _join(empty, company, url)
        _hand_in(company, document)
        deliver(empty)
        _review(platform, url)
        deliver(empty)
        company.goto(f"{url}/organization/own")
        expect(company.locator(".kk-head .kk-chip")).to_have_text("Active")
        company.get_by_role("button", name="Your account and display").click()
        company.get_by_role("button", name="Sign out").click()
        _sign_in(company, url, "vera@harbour.example")
        company.goto(f"{url}/fleet/new")
        expect(company.get_by_role("heading", level=1)).to_contain_text("vehicle")


def _bootstrap(app: Flask, tab: Page, url: str) -> None:
    """The first administrator comes from the command line; there is no password that everybody knows."""
    made = app.test_cli_runner().invoke(
        args=["identity", "create-platform-admin", "--email", "pat@karokar.example", "--first-name", "Pat",
              "--last-name", "Form", "--link"]
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    open_link(tab, url, made.output.split(": ", maxsplit=1)[1].strip())
    _choose_password(tab)
    _sign_in(tab, url, "pat@karokar.example")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Set up the second factor")
    secret = tab.locator("code").first.inner_text()
    tab.get_by_label("Code that the app shows").fill(pyotp.TOTP(secret).now())
    send(tab, "Turn on and sign in")
    expect(tab.locator(".kk-codes li")).to_have_count(10)
    tab.get_by_role("link", name="I have kept them, go on").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Needs you")


def _choose_password(tab: Page) -> None:
    tab.get_by_label("Choose a password").fill(PASSWORD)
    tab.get_by_label("The password again").fill(PASSWORD)
    send(tab, "Join")


def _sign_in(tab: Page, url: str, email: str) -> None:
    tab.goto(f"{url}/login")
    tab.get_by_label("E-mail address").fill(email)
    tab.get_by_label("Password", exact=True).fill(PASSWORD)
    send(tab, "Sign in")


def _apply(tab: Page, url: str) -> None:
    tab.goto(f"{url}/login")
    tab.get_by_role("link", name="Apply with your company").click()
    tab.get_by_label("Rent out vehicles of our fleet").check()
    tab.get_by_label("Company", exact=True).fill("Harbour Cars")
    tab.get_by_label("Tax number").fill("DE 123 456 789")
    zone = tab.get_by_placeholder("Choose your time zone")
    zone.click()
    zone.press_sequentially("Berlin")
    tab.locator(".ts-dropdown").get_by_role("option", name="Europe/Berlin").click()
    expect(tab.locator("[name=time_zone]")).to_have_value("Europe/Berlin")
    tab.get_by_label("Your first name").fill("Vera")
    tab.get_by_label("Your last name").fill("Lind")
    tab.get_by_label("Your e-mail address").fill("Vera@Harbour.example")
    tab.get_by_label("Your phone").fill("+49 40 555 0100")
    send(tab, "Apply")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Look into your mail")


def _join(app: Flask, tab: Page, url: str) -> None:
    with app.app_context():
        person = identity.find_person_by_email("vera@harbour.example")
        assert person is not None
        from karokar.identity.models import Membership

        membership = db.session.query(Membership).filter_by(user_id=person.id).one()
        link = identity.sign_in_link("invitation", membership.id)
        db.session.rollback()
    open_link(tab, url, link)
    _choose_password(tab)
    _sign_in(tab, url, "vera@harbour.example")
    open_link(tab, url, link)
    expect(tab.get_by_role("heading", level=1)).to_have_text("This invitation works no more")


def _hand_in(tab: Page, document: Path) -> None:
    tab.goto(tab.url.split("/invitation")[0] + "/organization/own")
    expect(tab.locator("#checklist")).to_contain_text("Hand in the company registration")
    tab.get_by_role("link", name="Hand in the company registration").click()
    tab.get_by_label("Files", exact=True).set_input_files(document)
    send(tab, "Hand in")
    expect(tab.locator(".kk-head .kk-chip")).to_have_text("Waiting for review")


def _review(tab: Page, url: str) -> None:
    tab.goto(f"{url}/administration/review")
    rows = tab.locator("tbody tr")
    expect(rows).to_have_count(2)
    application = rows.filter(has_text="Application").get_by_role("link").get_attribute("href")
    tab.goto(f"{url}{application}")
    expect(tab.locator("main")).to_contain_text("as soon as its registration is verified")
    tab.go_back()
    tab.locator("tbody tr").filter(has_text="Company registration").get_by_role("link").click()
    expect(tab.locator("iframe")).to_be_visible()
    expect(tab.locator("main")).to_contain_text("DE 123 456 789")
    tab.locator("form[action$='/approve']").get_by_role("button", name="Approve").click()
    tab.wait_for_url("**/administration/review")
    tab.goto(f"{url}{application}")
    tab.locator("[popovertarget=confirm-approve]").first.click()
    tab.locator("#confirm-approve").get_by_role("button", name="Approve").click()
    tab.wait_for_url("**/administration/review")
    expect(tab.locator("main")).to_contain_text("Nothing waits for review")
