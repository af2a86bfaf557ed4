"""Every page that the application has, as each role, in light and dark, on a desk and on a phone."""

import pytest

from tests.browser import site

PARTS = 4
IN_THE_MIDDLE = {
    # Between a right password and the code: test_the_second_factor_is_asked_for_and_set_up opens them.
    "identity.enrol",
    "identity.second_factor",
}
NOT_PAGES = {
    # For machines.
    "web.healthz",
    "web.readyz",
    # Parts of pages that refresh themselves.
    "administration.events_since",
    "administration.overview_part",
    "notification.count",
    "organization.openings",
    "runs.progress",
    "timeline.poll",
    "verification.openings",
    # Downloads.
    "administration.export_report",
    "assignment.export_list",
    "audit.download",
    "booking.export_list",
    "booking.photo",
    "fleet.export",
    "fleet.import_example",
    "runs.file",
    "runs.import_errors",
    "runs.results",
    "timeline.download",
    "verification.document",
    # Leads on to the thing that it is about.
    "identity.person",
    "notification.show",
}


def pages_of(crawls, role, part):
    pages = sorted(crawls[role].pages.values(), key=lambda page: page.endpoint)
    return pages[part::PARTS] if role not in site.MORE_ROLES else pages


def test_no_link_leads_nowhere(crawls):
    assert [wrong for crawl in crawls.values() for wrong in crawl.broken] == []


def test_every_route_that_renders_a_page_is_visited(console, crawls):
    visited = {endpoint for crawl in crawls.values() for endpoint in crawl.pages}
    print(f"\n{len(visited)} pages, {sum(len(crawl.pages) for crawl in crawls.values())} with each role counted")
    pages = {endpoint for endpoint in site.answers_get(console) if endpoint not in NOT_PAGES}
    assert sorted(pages - visited - IN_THE_MIDDLE) == []
    assert sorted((IN_THE_MIDDLE | NOT_PAGES) - site.answers_get(console)) == [], "An exception without a page."


@pytest.mark.parametrize(
    ("role", "part"),
    [(role, part) for role in (site.DOOR, *site.ROLES) for part in range(PARTS)]
    + [(role, 0) for role in site.MORE_ROLES],
)
def test_pages_have_no_accessibility_violation_and_no_error(browse, crawls, role, part):
    watched = browse(role)
    wrongs: list[str] = []
    for page in pages_of(crawls, role, part):
        for width in (1366, 360):
            watched.tab.set_viewport_size({"width": width, "height": 900})
            if width == 1366:
                watched.open(page.url)
            for theme in ("light", "dark"):
                watched.tab.evaluate("theme => document.documentElement.dataset.bsTheme = theme", theme)
                where = f"{page.url} ({page.endpoint}, {role}, {theme}, {width})"
                wrongs += [f"{where}: {violation}" for violation in watched.violations()]
            if watched.tab.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1"):
                wrongs.append(f"{page.url} ({page.endpoint}, {role}): wider than {width} px")
        wrongs += [f"{page.url} ({page.endpoint}, {role}): {wrong}" for wrong in watched.wrongs]
        watched.wrongs.clear()
        wrongs += dialogs(watched, page)
    assert wrongs == [], "\n".join(wrongs)


def dialogs(watched, page) -> list[str]:
    """What axe finds in the page's dialogs and menus, each opened as a person would."""
    watched.tab.set_viewport_size({"width": 1366, "height": 900})
    watched.tab.evaluate("document.documentElement.dataset.bsTheme = 'light'")
    ids = watched.tab.evaluate("[...document.querySelectorAll('.kk-dialog[popover]')].map(node => node.id).slice(0, 4)")
    found = []
    for id_ in ids:
        watched.tab.evaluate("id => document.getElementById(id).showPopover()", id_)
        found += [f"{page.url} dialog {id_}: {violation}" for violation in watched.violations(f"[id='{id_}']")]
        watched.tab.evaluate("id => document.getElementById(id).hidePopover()", id_)
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/nothing-here", "/booking/00000000-0000-7000-8000-000000000000"])
def test_error_pages_are_pages_too(browse, path, theme):
    watched = browse("corporate", color_scheme=theme)
    watched.open(path)
    assert watched.violations() == []
    assert watched.tab.get_by_role("link", name="Go home").is_visible()
