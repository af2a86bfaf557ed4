"""The main job, as people do it, against everything that `bin/up` starts: a booking from the search to the return.

Four people in four browsers; each step is done with the page's own controls, and what others are told is looked for
where they would look: timeline, inbox, kept mail, audit log, calendar.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from karokar.kernel import clock
from karokar.kernel.settings import DEFAULT_DEMO_PASSWORD
from tests.house.console import Console
from tests.servers.databases import create_empty, drop

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

PLATE = "KA 02 HC 7754"
PATIENCE_MS = 20_000


@pytest.fixture(params=["embedded", pytest.param("outside", marks=pytest.mark.postgresql)])
def console(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Console]:
    """`bin/up` with SQLite and its own Valkey, and with PostgreSQL and a Redis that runs elsewhere."""
    settings = {}
    if request.param == "outside":
        request.getfixturevalue("postgresql")
        settings = {"DATABASE_URL": create_empty("slice"), "REDIS_URL": request.getfixturevalue("redis_url")}
    started = Console(tmp_path / "data", said=tmp_path / "said", **settings)
    try:
        assert started.is_ready(), started.said
        yield started
    finally:
        started.close()
        if settings:
            drop("slice")


@pytest.fixture
def sign_in(console: Console, chromium: Browser) -> Iterator[Callable[[str], Tab]]:
    contexts = []

    def open_browser(who: str) -> Tab:
        context = chromium.new_context(
            base_url=f"http://127.0.0.1:{console.port}", viewport={"width": 1366, "height": 900}
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        tab = context.new_page()
        tab.goto("/login")
        tab.get_by_label("E-mail address").fill(f"{who}@karokar.example")
        tab.get_by_label("Password").fill(DEFAULT_DEMO_PASSWORD)
        tab.get_by_role("button", name="Sign in").click()
        tab.wait_for_url(lambda url: urlsplit(url).path == "/")
        return tab

    yield open_browser
    for context in contexts:
        context.close()


def local(moment: datetime) -> str:
    """A moment as a form field takes it, in the example's time zone."""
    return (moment + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%dT%H:%M")


def search(tab: Tab, start: datetime, end: datetime) -> None:
    tab.goto("/availability/")
    tab.get_by_label("From").fill(local(start))
    tab.get_by_label("To", exact=True).fill(local(end))
    tab.get_by_role("button", name="Find").click()


def is_told(tab: Tab, page: str, words: str) -> None:
    """Look at a page again and again until it says so: who waits for mail does the same."""
    found = tab.get_by_role("main").get_by_text(words).first
    for _ in range(40):
        tab.goto(page)
        if found.is_visible():
            break
        tab.wait_for_timeout(250)
    expect(found).to_be_visible()


def test_a_booking_goes_from_the_search_to_the_return(sign_in: Callable[[str], Tab]):
    corporate, vendor, employee = sign_in("corporate"), sign_in("vendor"), sign_in("employee")
    start = clock.now().replace(second=0, microsecond=0) + timedelta(minutes=30)
    end = start + timedelta(hours=4)

    search(corporate, start, end)
    corporate.get_by_role("row").filter(has_text=PLATE).get_by_role("link", name="Request").click()
    corporate.get_by_label("Purpose").fill("Samples to the exhibition")
    corporate.get_by_role("button", name="Keep as a draft").click()
    expect(corporate.get_by_role("main")).to_contain_text("Draft")
    corporate.get_by_role("button", name="Send the request").click()
    expect(corporate.get_by_role("main")).to_contain_text("The request was sent")
    page = urlsplit(corporate.url).path
    booking_id = page.rsplit("/", 1)[-1]
    reference = re.search(r"B-\w{3}-\w{3}", corporate.get_by_role("heading", level=1).inner_text()).group()

    timeline = vendor.context.new_page()
    timeline.goto(f"/timeline/Booking/{booking_id}")
    expect(timeline.get_by_role("main")).to_contain_text("requested")
    expect(timeline.get_by_role("main")).not_to_contain_text("Samples to the exhibition")
    expect(timeline.get_by_role("main")).not_to_contain_text("Asha Khan")

    is_told(vendor, "/notification/", reference)
    vendor.goto(page)
    vendor.get_by_role("link", name="Decide").click()
    vendor.get_by_role("button", name="Approve").first.click()
    expect(vendor.get_by_role("main")).to_contain_text("Approved")
    # What is new is announced, and appears when it is asked for: rows never move under the pointer.
    timeline.get_by_role("button", name=re.compile("new")).click()
    expect(timeline.get_by_role("main")).to_contain_text("approved the booking")

    is_told(corporate, "/notification/", f"{reference}")
    is_told(corporate, "/notification/mail", reference)
    search(corporate, start, end)
    expect(corporate.get_by_role("table").first).not_to_contain_text(PLATE)
    is_told(corporate, "/audit/", reference)

    corporate.goto(f"{page}/assign")
    corporate.get_by_label("Ravi Iyer").check()
    corporate.get_by_role("button", name="Assign").click()
    is_told(employee, "/assignment/", PLATE)
    employee.goto("/")
    # What is due first comes first: the vehicle that is to be collected in half an hour.
    employee.get_by_role("main").get_by_role("link", name="Accept or decline a vehicle").first.click()
    expect(employee.get_by_role("main")).to_contain_text(PLATE)
    employee.get_by_role("button", name="Accept").first.click()
    expect(employee.get_by_role("main")).to_contain_text("Accepted")

    is_told(vendor, page, "Ravi Iyer")
    vendor.goto(f"{page}/activate")
    vendor.get_by_label("Odometer").fill("27650")
    vendor.get_by_label("Fuel").fill("90")
    vendor.get_by_role("button", name=re.compile("hand", re.IGNORECASE)).last.click()
    expect(vendor.get_by_role("main")).to_contain_text("In use")
    corporate.goto(f"{page}/complete")
    corporate.get_by_label("Odometer").fill("27690")
    corporate.get_by_label("Fuel").fill("70")
    corporate.get_by_role("button", name=re.compile("return|back", re.IGNORECASE)).last.click()
    expect(corporate.get_by_role("main")).to_contain_text("Completed")

    timeline.reload()
    for words in ("requested the booking", "approved the booking", "handed the vehicle over", "took the vehicle back"):
        expect(timeline.get_by_role("main").get_by_text(words).first).to_be_visible(timeout=PATIENCE_MS)
