"""What the engine answers to home and the search box: what waits for those who operate events, and events by id."""

from uuid import UUID

from karokar.kernel.actor import Actor
from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import may, scope_of
from karokar.kernel.waiting import Hit, WaitingItem
from karokar.outbox.search import find_event
from karokar.outbox.state import failure_groups


def list_waiting_for(actor: Actor) -> list[WaitingItem]:
    """Return kinds of failure with dead letters, for whoever may operate events."""
    if actor.user_id is None or not may("event.operate", actor):
        return []
    return [
        WaitingItem(
            kind="Dead letters",
            title=f"{group.dead:,} of {group.handler}: {group.headline}",
            since=group.first_at,
            endpoint="administration.failure",
            values={"name": group.handler, "fingerprint": group.fingerprint},
            detail=f"{group.blocked:,} wait behind them" if group.blocked else "",
        )
        for group in failure_groups()
        if group.dead
    ]


def search(actor: Actor, text: str) -> list[Hit]:
    """Return the event with this id, where the actor may see it."""
    try:
        wanted = UUID(text.strip())
    except ValueError:
        return []
    if actor.user_id is None or scope_of("event.read", actor) is None:
        return []
    try:
        found = find_event(wanted, actor)
    except NotFound:
        return []
    return [
        Hit(
            kind="Event",
            title=found.event_type,
            endpoint="administration.event",
            values={"event_id": str(found.event_id)},
            detail=f"{found.occurred_at:%Y-%m-%d %H:%M} UTC",
        )
    ]
