"""The one list of what the navigation offers, by permission.

An entry appears when its page exists and the person may use it. `key` is what follows `g` on the keyboard. A context
adds its page here in one line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import current_app, request, url_for

from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.permissions import scope_of


@dataclass(frozen=True)
class Entry:
    """A page of the navigation, for whoever holds `permission` (None: everybody signed in).

    `types` narrows it to organizations of these types, `scopes` to those who hold the permission that far.
    """

    label: str
    icon: str
    endpoint: str
    permission: str | None = None
    key: str = ""
    types: tuple[str, ...] = ()
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True)
class Group:
    """Pages that belong together."""

    label: str
    entries: tuple[Entry, ...]


_WIDER = (Scope.ALL, Scope.OWN, Scope.PARTY, Scope.MARKET)

NAVIGATION = (
    Group("", (Entry("Home", "home", "web.home", key="h"),)),
    Group(
        "Work",
        (
            Entry("Find a vehicle", "search", "availability.index", "booking.create", "f"),
            Entry("Today", "calendar-check", "booking.today", "booking.read", "y", scopes=_WIDER),
            Entry("Bookings", "calendar-event", "booking.index", "booking.read", "b"),
            Entry("Assignments", "steering-wheel", "assignment.index", "assignment.read", "a"),
            Entry("Fleet timeline", "timeline", "availability.timeline", "vehicle.read", "t", scopes=_WIDER),
            Entry("Vehicles", "car", "fleet.index", "vehicle.read", "v"),
            Entry("Maintenance", "tool", "fleet.maintenance", "maintenance.schedule", "w"),
            Entry("Vehicle documents", "file-check", "fleet.documents", "vehicle.update", "p"),
            Entry("Who had it?", "history", "fleet.who_had", "vehicle.read", scopes=_WIDER),
            Entry("Conflicts", "alert-triangle", "availability.conflicts", "conflict.read", "c"),
        ),
    ),
    Group(
        "Organization",
        (
            Entry("Documents", "shield-check", "verification.index", "verification.read", "d"),
            Entry(
                "Organization", "building", "organization.own", "organization.read", "o", types=("VENDOR", "CORPORATE")
            ),
            Entry("Members", "users", "identity.members", "employee.manage", "m"),
            Entry("Roles", "key", "identity.roles", "role.manage"),
            Entry("Reports", "chart-bar", "administration.reports", "report.read", "r"),
            Entry("Events", "activity", "administration.events", "event.read", "e", types=("VENDOR", "CORPORATE")),
            Entry("Runs", "player-play", "runs.index", key="u"),
            Entry("Mail", "mail", "notification.mail", "mail.read", scopes=(Scope.ALL, Scope.OWN)),
            Entry("Audit log", "fingerprint", "audit.index", "audit.read", "l"),
            Entry("Settings", "settings", "administration.settings", "setting.manage", "s"),
        ),
    ),
    Group(
        "Platform",
        (
            Entry("Review queue", "clipboard-check", "administration.review", "verification.review", "q"),
            Entry("Organizations", "building-community", "organization.index", "organization.approve"),
            Entry("People", "users-group", "administration.people", "employee.manage", types=("PLATFORM",)),
            Entry("Events console", "activity", "administration.overview", "event.operate", "e"),
            Entry("System health", "server", "administration.health", "event.operate"),
        ),
    ),
)


@dataclass(frozen=True)
class Link:
    """An entry as the page shows it."""

    label: str
    icon: str
    url: str
    is_current: bool
    key: str


@dataclass(frozen=True)
class LinkGroup:
    """A group as the page shows it."""

    label: str
    links: Sequence[Link]


def is_open(entry: Entry) -> bool:
    """Whether the acting person may open this page, and it exists."""
    if entry.endpoint not in current_app.view_functions:
        return False
    actor = current_actor()
    if entry.types and actor.organization_type not in entry.types:
        return False
    if entry.permission is None:
        return True
    scope = scope_of(entry.permission)
    return scope is not None and (not entry.scopes or scope in entry.scopes)


def navigation() -> list[LinkGroup]:
    """Return the navigation of the acting person."""
    groups = []
    for group in NAVIGATION:
        links = [
            Link(entry.label, entry.icon, url_for(entry.endpoint), _is_current(entry), entry.key)
            for entry in group.entries
            if is_open(entry)
        ]
        if links:
            groups.append(LinkGroup(group.label, links))
    return groups


def _is_current(entry: Entry) -> bool:
    here = request.endpoint or ""
    if here == entry.endpoint:
        return True
    listed = {other.endpoint for group in NAVIGATION for other in group.entries}
    context = entry.endpoint.split(".")[0]
    is_main = entry.endpoint == f"{context}.index"
    return is_main and here.split(".")[0] == context and here not in listed
