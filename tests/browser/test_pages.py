"""Every page that the application has, as each role, in light and dark, on a desk and on a phone.

Every page is opened as every role. As the first role that can open it, it is looked at in all four combinations; as a
further one, whose page holds a kind of element that no earlier one's has, in two. Every rule is asked in either theme
and at either width; where a look differs from others in its colours alone, only the rules about colours are asked.
"""

import pytest

from tests.browser import site

PARTS = 4
FIRST_LOOKS = (
    (1366, "light", "every rule"),
    (1366, "dark", "colours"),
    (360, "dark", "every rule"),
    (360, "light", "colours"),
)
FURTHER_LOOKS = ((1366, "dark", "every rule"), (360, "light", "every rule"))
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
    "assignment.photo",
    "availability.export_conflicts",
    "audit.download",
    "booking.export_list",
    "booking.photo",
    "fleet.export",
    "fleet.import_example",
    "identity.export_members",
    "organization.export_list",
    "runs.file",
    "runs.import_errors",
    "runs.results",
    "timeline.download",
    "verification.document",
    # Leads on to the thing that it is about.
    "identity.person",
    "notification.show",
}

SMALL_DESKTOP = 1280
TABLES_AS_WIDE_AS_NEEDED = {"availability.timeline"}
"""A grid of days, which moves to the side under its rows' names."""
_CUT_TABLES = """() => [...document.querySelectorAll('main .kk-scroll')]
  .filter(box => box.scrollWidth > box.clientWidth + 1).map(box => `${box.ariaLabel}: ${box.scrollWidth} in ${box.clientWidth}`)"""


def pages_of(crawls, role, part):
    pages = sorted(crawls[role].pages.values(), key=lambda page: page.endpoint)
    return pages[part::PARTS] if role not in site.MORE_ROLES else pages


def looks_at(crawls, page):
    earlier = []
    for role, crawl in crawls.items():
        if role == page.role:
            break
        if page.endpoint in crawl.pages:
            earlier.append(crawl.pages[page.endpoint].kinds)
    if not earlier:
        return FIRST_LOOKS
    return FURTHER_LOOKS if page.kinds - frozenset().union(*earlier) else ()


def test_no_link_leads_nowhere(crawls):
    assert [wrong for crawl in crawls.values() for wrong in crawl.broken] == []


def test_every_route_that_renders_a_page_is_visited(console, crawls, record_property):
    visited = {endpoint for crawl in crawls.values() for endpoint in crawl.pages}
    record_property("routes that render a page", len(visited))
    pages = {endpoint for endpoint in site.answers_get(console) if endpoint not in NOT_PAGES}
    assert sorted(pages - visited - IN_THE_MIDDLE) == []
    assert sorted((IN_THE_MIDDLE | NOT_PAGES) - site.answers_get(console)) == [], "An exception without a page."


@pytest.mark.parametrize(
    ("role", "part"),
    [(role, part) for role in (site.DOOR, *site.ROLES) for part in range(PARTS)]
    + [(role, 0) for role in site.MORE_ROLES],
)
def test_pages_have_no_accessibility_violation_and_no_error(browse, crawls, role, part, record_property):
    watched = browse(role)
    wrongs: list[str] = []
    pages = pages_of(crawls, role, part)
    shown, counted = 1366, 0
    for page in pages:
        watched.open(page.url)
        wrongs += too_wide(watched, page, shown)
        # From the width of the page before: changing it lays out everything anew.
        looks = sorted(looks_at(crawls, page), key=lambda look: look[0] != shown)
        for width, theme, rules in looks:
            if width != shown:
                watched.tab.set_viewport_size({"width": width, "height": 900})
                shown = width
                wrongs += too_wide(watched, page, shown)
            watched.tab.evaluate("theme => document.documentElement.dataset.bsTheme = theme", theme)
            where = f"{page.url} ({page.endpoint}, {role}, {theme}, {width})"
            wrongs += [f"{where}: {violation}" for violation in watched.violations(only_colours=rules == "colours")]
        if looks:
            wrongs += dialogs(watched, page)
        wrongs += [f"{page.url} ({page.endpoint}, {role}): {wrong}" for wrong in watched.wrongs]
        watched.wrongs.clear()
        counted += len(looks)
    record_property("pages opened, each role counted", len(pages))
    record_property("looks at pages by axe-core", counted)
    assert wrongs == [], "\n".join(wrongs)


@pytest.mark.parametrize("role", [*site.ROLES, *site.MORE_ROLES])
def test_no_table_is_cut_off_on_a_small_desktop(browse, crawls, role):
    watched = browse(role)
    watched.tab.set_viewport_size({"width": SMALL_DESKTOP, "height": 900})
    cut = []
    for page in crawls[role].pages.values():
        if page.endpoint in TABLES_AS_WIDE_AS_NEEDED:
            continue
        watched.open(page.url)
        cut += [f"{page.url} ({page.endpoint}, {role}): {label}" for label in watched.tab.evaluate(_CUT_TABLES)]
    assert cut == [], "\n".join(cut)


def too_wide(watched, page, width):
    """Whether one has to scroll to the side, as a list of what is wrong."""
    is_wide = watched.tab.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1")
    return [f"{page} at {page.url}: wider than {width} px"] if is_wide else []


def dialogs(watched, page) -> list[str]:
    """What axe finds in the page's dialogs and menus, each opened as a person would."""
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
