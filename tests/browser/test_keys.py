"""Single keys on pages where somebody decides: they ask first, and lead to what is still empty."""

from tests.browser import site


def open_decision(watched, crawls, role, endpoint):
    page = crawls[role].pages[endpoint]
    watched.open(page.url)
    return watched.tab


def test_a_asks_before_it_approves_and_r_leads_to_the_reason(browse, crawls):
    watched = browse("vendor")
    tab = open_decision(watched, crawls, "vendor", "booking.decide")
    address = tab.url
    tab.keyboard.press("a")
    question = tab.locator("dialog[open]")
    assert question.locator("h2").inner_text().startswith("Approve B-")
    assert watched.violations() == []
    tab.keyboard.press("Escape")
    question.wait_for(state="detached")
    assert tab.url == address
    tab.keyboard.press("r")
    assert tab.evaluate("document.activeElement.name") == "reason"
    tab.keyboard.type("a")
    assert tab.locator("dialog[open]").count() == 0
    assert watched.wrongs == []


def test_what_is_filled_in_is_asked_about_before_it_is_sent(browse, crawls):
    watched = browse("vendor")
    tab = open_decision(watched, crawls, "vendor", "booking.decide")
    form = tab.locator("form[data-kk-key=r]")
    form.locator("select[name=reason]").select_option(index=1)
    tab.locator("h1").focus()
    tab.keyboard.press("r")
    question = tab.locator("dialog[open]")
    assert question.locator("h2").inner_text().startswith("Reject B-")
    question.get_by_text("Keep as it is").click()
    question.wait_for(state="detached")
    assert form.locator("select[name=reason]").input_value()


def test_reviewers_have_the_same_keys(browse, crawls):
    watched = browse("platform")
    tab = watched.tab
    watched.open("/administration/review")
    links = tab.locator("main a[href*='/verification/']").all()
    watched.open(links[0].get_attribute("href"))
    tab.keyboard.press("r")
    assert tab.evaluate("document.activeElement.name") == "reason"
    assert site.ROLES["platform"]


def test_the_help_names_the_keys(browse):
    watched = browse("vendor")
    watched.open("/keys")
    assert "Approve or reject, on decision pages; always asks first" in watched.tab.content()
