"""What waits for the acting person, from every context, in one list."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import url_for
from markupsafe import Markup

from karokar.kernel import clock
from karokar.kernel.actor import Actor
from karokar.kernel.pages.waiting import Figure, Hit, Holds, WaitingItem
from karokar.kernel.ports import ports
from karokar.kernel.text.normalization import search_key
from karokar.web.shell.navigation import entries, is_open
from karokar.web.shell.snooze import Noted
from karokar.web.shell.words import Names, names_by_kind


@dataclass(frozen=True)
class WaitingGroup:
    """What waits, by when it must be done."""

    title: str
    tone: str
    items: list[Noted]


def list_waiting(actor: Actor) -> list[WaitingItem]:
    """Return everything that waits for this person, what is due first first, then what has waited longest."""
    items = _holding(
        [item for console in ports().consoles if console.waiting is not None for item in console.waiting(actor)]
    )
    far = clock.now() + timedelta(days=3650)
    return sorted(items, key=lambda item: (item.due or far, item.since))


def _holding(items: list[WaitingItem]) -> list[WaitingItem]:
    """Return the items without those of which another context says that they no longer wait."""
    asked: dict[Holds, set[UUID]] = {}
    for item in items:
        if item.holds_if and item.subject_id:
            asked.setdefault(item.holds_if, set()).add(item.subject_id)
    answers = ports().holds
    holding = {what: answers[what](ids) for what, ids in asked.items()}
    return [item for item in items if item.holds_if is None or item.subject_id in holding.get(item.holds_if, ())]


def list_parts() -> list[Markup]:
    """Return what contexts show on the acting person's home, in the order of contexts."""
    parts = (part for console in ports().consoles for part in console.home_parts)
    return [Markup(text) for part in parts if (text := part())]  # noqa: S704 - rendered by our own templates


def group_waiting(noted: list[Noted]) -> list[WaitingGroup]:
    """Return the items in the groups in which home shows them; empty groups are left out."""
    now = clock.now()
    soon = now + timedelta(hours=24)
    late = [one for one in noted if one.item.due is not None and one.item.due <= now]
    today = [one for one in noted if one.item.due is not None and now < one.item.due <= soon]
    later = [one for one in noted if one.item.due is None or one.item.due > soon]
    groups = [
        WaitingGroup("Overdue", "bad", late),
        WaitingGroup("Due within a day", "wait", today),
        WaitingGroup("Later, or whenever you can", "info", later),
    ]
    return [group for group in groups if group.items]


def list_figures(actor: Actor) -> list[Figure]:
    """Return how things stand for the acting person, in numbers, in the order of contexts."""
    return [figure for console in ports().consoles if console.figures is not None for figure in console.figures(actor)]


def names_of_waiting(noted: list[Noted]) -> Names:
    """Return the names of everything that the items are about, and of who is at them."""
    by_kind: dict[str, set[UUID]] = {}
    for one in noted:
        somebody = [("User", one.somebody.user_id)] if one.somebody else []
        for kind, thing_id in (*one.item.about, *somebody):
            by_kind.setdefault(kind, set()).add(thing_id)
    return names_by_kind(by_kind)


def find_hits(actor: Actor, text: str, limit: int = 20) -> list[Hit]:
    """Return what the search box finds: pages by name first, then what each context knows."""
    wanted = text.strip()
    name = search_key(wanted)
    pages = [
        Hit(kind="Page", title=entry.label, endpoint=entry.endpoint, values={})
        for entry in entries()
        if is_open(entry) and name in search_key(entry.label)
    ]
    if len(wanted) < 2:
        return pages[:limit]
    found = [hit for console in ports().consoles if console.search is not None for hit in console.search(actor, wanted)]
    return (pages + found)[:limit]


def hit_url(hit: Hit | WaitingItem | Figure) -> str:
    """Return the address to which a hit, a waiting item or a figure leads."""
    values: dict[str, Any] = dict(hit.values)
    return url_for(hit.endpoint, **values)
