"""The navigation: what contexts offer in their consoles, by permission, in groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from flask import request, url_for

from karokar.kernel.actor import current_actor
from karokar.kernel.permissions import scope_of
from karokar.kernel.ports import Entry, ports

HOME = Entry(label="Home", icon="home", endpoint="web.home", group="", place=0, key="h")


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
    """Whether the acting person may open this page."""
    actor = current_actor()
    if entry.types and actor.organization_type not in entry.types:
        return False
    if entry.permission is None:
        return True
    scope = scope_of(entry.permission)
    return scope is not None and (not entry.scopes or scope in entry.scopes)


def navigation() -> list[LinkGroup]:
    """Return the navigation of the acting person."""
    listed = entries()
    endpoints = {entry.endpoint for entry in listed}
    return [
        LinkGroup(
            label,
            [
                Link(entry.label, entry.icon, url_for(entry.endpoint), _is_current(entry, endpoints), entry.key)
                for entry in group
            ],
        )
        for label, group in groupby((entry for entry in listed if is_open(entry)), key=lambda entry: entry.group)
    ]


def entries() -> list[Entry]:
    """Return every entry, whoever may open it, in order."""
    return [HOME, *ports().entries]


def _is_current(entry: Entry, listed: set[str]) -> bool:
    here = request.endpoint or ""
    if here == entry.endpoint:
        return True
    context = entry.endpoint.split(".")[0]
    is_main = entry.endpoint == f"{context}.index"
    return is_main and here.split(".")[0] == context and here not in listed
