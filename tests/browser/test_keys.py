"""Single keys on pages where somebody decides: they ask first, and lead to what is still empty."""

import pytest


@pytest.fixture
def deciding(browse):
    """A vendor's administrator in front of a request."""
    watched = browse("vendor")
    watched.open("/booking/?status=REQUESTED")
    watched.open(watched.tab.locator("main tbody th a").first.get_attribute("href") + "/decide")
    return watched


def test_a_asks_before_it_approves(deciding):
    tab, address = deciding.tab, deciding.tab.url
    tab.keyboard.press("a")
    question = tab.locator("dialog[open]")
    assert question.locator("h2").inner_text().startswith("Approve B-")
    assert deciding.violations() == []
    tab.keyboard.press("Escape")
    question.wait_for(state="detached")
    assert tab.url == address
    assert deciding.wrongs == []


def test_r_leads_to_what_is_empty_and_asks_once_nothing_is(deciding):
    tab = deciding.tab
    form = tab.locator("form[data-kk-key=r]")
    tab.keyboard.press("r")
    assert tab.evaluate("document.activeElement.name") == "reason"
    form.locator("[name=reason]").select_option(index=1)
    tab.locator("h1").focus()
    tab.keyboard.press("r")
    assert tab.evaluate("document.activeElement.name") == "note"
    tab.keyboard.type("a cheaper one is free")
    assert tab.locator("dialog[open]").count() == 0
    tab.locator("h1").focus()
    tab.keyboard.press("r")
    question = tab.locator("dialog[open]")
    assert question.locator("h2").inner_text().startswith("Reject B-")
    assert "Reason: " in question.locator("p").inner_text()
    question.get_by_text("Keep as it is").click()
    question.wait_for(state="detached")
    assert form.locator("[name=note]").input_value() == "a cheaper one is free"


def test_reviewers_have_the_same_keys(browse):
    watched = browse("platform")
    tab = watched.tab
    watched.open("/verification/?status=PENDING")
    watched.open(tab.locator("main tbody th a").first.get_attribute("href"))
    tab.keyboard.press("r")
    assert tab.evaluate("document.activeElement.name") == "reason"
    assert tab.locator("dialog[open]").count() == 0
    tab.locator("form[data-kk-key=r] [name=reason]").select_option(index=1)
    tab.locator("h1").focus()
    tab.keyboard.press("r")
    assert tab.locator("dialog[open] h2").inner_text().startswith("Reject this ")


def test_the_help_names_the_keys(browse):
    watched = browse("vendor")
    watched.open("/keys")
    assert "Approve or reject, on decision pages; always asks first" in watched.tab.content()
