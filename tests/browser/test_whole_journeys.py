"""The main journey of the three roles, from the search to the accepted assignment: by keyboard alone, and without scripts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab
from sqlalchemy import select

from karokar.assignment.models import Assignment
from karokar.booking.models import Booking
from karokar.identity.models import Membership, User
from karokar.kernel.db import db
from karokar.outbox.delivery.drain import drain_all
from tests.browser import site
from tests.browser.conftest import settings

MOST_TABS = 160

_FOCUS = """() => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;
  const box = node.getBoundingClientRect();
  const label = node.labels?.length ? node.labels[0].innerText : "";
  const at = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 12));
  return {
    name: (node.getAttribute("aria-label") || label || node.innerText || node.value || "").trim(),
    inMain: !!node.closest("main"),
    isRadio: node.type === "radio",
    isSeen: box.bottom > 0 && box.top < innerHeight && (!at || node.contains(at) || at.contains(node) || node.closest("label, .form-check")?.contains(at)),
    // The parts of a date field mark themselves inside it.
    isMarked: ["date", "datetime-local", "time"].includes(node.type) || getComputedStyle(node).outlineStyle !== "none" || getComputedStyle(node).boxShadow !== "none",
  };
}"""


class Keyboard:
    """Somebody who has no mouse."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    def sign_in(self, email: str) -> None:
        """Fill in the sign-in form from where the page puts the focus."""
        assert self.tab.evaluate("document.activeElement.name") == "email", "The first field has the focus."
        self.tab.keyboard.type(email)
        self.tab.keyboard.press("Tab")
        self.tab.keyboard.type(site.PASSWORD)
        self._enter()

    def press(self, name: str) -> None:
        """Tab to the link or button of the page that is called so, and press Enter."""
        self._go(lambda focus: focus["name"].startswith(name))
        self._enter()

    def choose_first(self) -> str:
        """Tab to the page's first radio button, choose it, and return its label."""
        focus = self._go(lambda focus: focus["isRadio"])
        self.tab.keyboard.press("Space")
        return str(focus["name"])

    def _go(self, is_it: Callable[[dict], bool]) -> dict:
        met = []
        for _ in range(MOST_TABS):
            self.tab.keyboard.press("Tab")
            focus = self.tab.evaluate(_FOCUS)
            if focus is None:
                continue
            met.append(focus["name"])
            assert focus["isSeen"], f"{focus['name']} has the focus but is hidden at {self.tab.url}."
            assert focus["isMarked"], f"{focus['name']} has the focus and does not show it at {self.tab.url}."
            if focus["inMain"] and is_it(focus):
                return focus
        pytest.fail(f"The keyboard met only {met} at {self.tab.url}.")

    def _enter(self) -> None:
        with self.tab.expect_navigation():
            self.tab.keyboard.press("Enter")


class Plain:
    """Somebody whose browser runs no scripts."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    def sign_in(self, email: str) -> None:
        """Fill in the sign-in form."""
        self.tab.fill("[name=email]", email)
        self.tab.fill("[name=password]", site.PASSWORD)
        self.press("Sign in")

    def press(self, name: str) -> None:
        """Click the link or button of the page that is called so."""
        main = self.tab.locator("main")
        main.get_by_role("button", name=name).or_(main.get_by_role("link", name=name)).first.click()
        self.tab.wait_for_load_state()

    def choose_first(self) -> str:
        """Choose the first radio button that can be chosen."""
        radio = self.tab.locator("main input[type=radio]:enabled").first
        radio.check()
        return self.tab.locator(f"label[for='{radio.get_attribute('id')}']").inner_text()


@dataclass
class Stage:
    """A console of its own, in which the journey may change things."""

    app: Flask
    address: str
    browser: Browser

    def enter(self, hand: type, email: str, path: str) -> Keyboard | Plain:
        """Sign in as somebody, in a browser of theirs, and open a page."""
        context = self.browser.new_context(
            viewport={"width": 1366, "height": 900}, java_script_enabled=hand is Keyboard
        )
        context.set_default_timeout(20_000)
        tab = context.new_page()
        tab.goto(f"{self.address}/login?next={path}")
        person = hand(tab)
        person.sign_in(email)
        return person

    def deliver(self) -> None:
        """Let every event be reacted to."""
        with self.app.app_context():
            drain_all()


@pytest.fixture
def stage(filled, databases, tmp_path, chromium) -> Iterator[Stage]:
    app = site.make_app(settings(databases), site.copy_of(filled, tmp_path / "journey.sqlite3"))
    with site.served(app) as address:
        yield Stage(app, address, chromium)


def admin_of(organization_id) -> str:
    statement = select(User.email).join(Membership, Membership.user_id == User.id)
    return db.session.scalars(
        statement.where(Membership.organization_id == organization_id, User.email.like("vendor%"))
    ).first()


@pytest.mark.parametrize("hand", [Keyboard, Plain], ids=["by keyboard", "without scripts"])
def test_a_vehicle_is_found_requested_approved_assigned_and_accepted(stage, hand):
    company = stage.enter(hand, site.ROLES["corporate"], "/availability/")
    company.press("Find")
    company.press("Request")
    company.press("Send the request")
    stage.deliver()
    page = company.tab.url
    with stage.app.app_context():
        booking = db.session.scalars(select(Booking).order_by(Booking.id.desc()).limit(1)).one()
        assert booking.status == "REQUESTED"
        reference, vendor = booking.reference, admin_of(booking.vendor_organization_id)

    owner = stage.enter(hand, vendor, "/")
    owner.press(f"Answer the request {reference}")
    owner.press("Approve")
    stage.deliver()

    company.tab.goto(page)
    company.press("Assign")
    name = company.choose_first()
    company.press("Assign")
    stage.deliver()
    with stage.app.app_context():
        assignment = db.session.scalars(select(Assignment).order_by(Assignment.id.desc()).limit(1)).one()
        driver = db.session.get_one(User, assignment.employee_id)
        assert driver.name == name.removesuffix(" (chosen now)")
        email, assignment_id = driver.email, assignment.id

    driver = stage.enter(hand, email, f"/assignment/{assignment_id}")
    driver.press("Accept")
    stage.deliver()
    with stage.app.app_context():
        assert db.session.get_one(Assignment, assignment_id).status == "ACCEPTED"
