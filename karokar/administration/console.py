"""What administration offers to shared pages: the platform's own, and what waits for those who operate events."""

from datetime import timedelta
from uuid import UUID

from karokar.kernel import clock
from karokar.kernel.actor import Actor
from karokar.kernel.errors import NotFound
from karokar.kernel.pages.waiting import Deed, Figure, Hit, WaitingItem
from karokar.kernel.permissions import may, scope_of
from karokar.kernel.ports import Console, Entry
from karokar.outbox.monitoring.overview import failure_groups, list_pending
from karokar.outbox.operations.actions import digest_of_open
from karokar.outbox.reading.search import find_event, find_nth_newest

ALERT_WINDOW = timedelta(minutes=10)
MANY_REFUSALS = 50


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
            deed=Deed(
                label="Retry all",
                icon="refresh",
                endpoint="administration.retry_failures",
                fields={"expected": digest_of_open(group.handler, group.fingerprint)},
            ),
            detail=f"{group.blocked:,} wait behind them" if group.blocked else "",
        )
        for group in failure_groups()
        if group.dead
    ]


def _refused_sign_ins() -> list[Figure]:
    """Return an alert while sign-ins are refused so often that somebody is probably guessing."""
    since = find_nth_newest("UserLoginFailed", MANY_REFUSALS)
    if since is None or since < clock.now() - ALERT_WINDOW:
        return []
    return [
        Figure(
            label=f"Sign-ins refused within {ALERT_WINDOW.seconds // 60} minutes",
            value=f"{MANY_REFUSALS} or more",
            endpoint="administration.events",
            values={"type": "UserLoginFailed"},
            tone="bad",
            since=since,
        )
    ]


def list_figures_for(actor: Actor) -> list[Figure]:
    """Return how delivery stands, for whoever may operate events: dead letters, what has waited longest, and an alert
    while many sign-ins are refused.
    """
    if actor.user_id is None or not may("event.operate", actor):
        return []
    pending = list_pending()
    oldest = min((one.occurred_at for one in pending), default=None)
    is_late = oldest is not None and clock.now() - oldest > timedelta(minutes=1)
    dead = sum(group.dead for group in failure_groups())
    return [
        *_refused_sign_ins(),
        Figure(
            label="Dead letters",
            value=f"{dead:,}",
            endpoint="administration.dead_letters",
            values={},
            tone="bad" if dead else "",
        ),
        Figure(
            label="Events on their way",
            value=f"{len(pending):,}",
            endpoint="administration.overview",
            values={},
            tone="bad" if is_late else "",
            since=oldest,
        ),
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


CONSOLE = Console(
    navigation=(
        Entry(
            label="Reports",
            icon="chart-bar",
            endpoint="administration.reports",
            group="Organization",
            place=50,
            permission="report.read",
            key="r",
        ),
        Entry(
            label="Events",
            icon="activity",
            endpoint="administration.events",
            group="Organization",
            place=60,
            permission="event.read",
            key="e",
            types=("VENDOR", "CORPORATE"),
        ),
        Entry(
            label="Settings",
            icon="settings",
            endpoint="administration.settings",
            group="Organization",
            place=100,
            permission="setting.manage",
            key="s",
        ),
        Entry(
            label="Review queue",
            icon="clipboard-check",
            endpoint="administration.review",
            group="Platform",
            place=10,
            permission="verification.review",
            key="q",
        ),
        Entry(
            label="People",
            icon="users-group",
            endpoint="administration.people",
            group="Platform",
            place=30,
            permission="employee.manage",
            types=("PLATFORM",),
        ),
        Entry(
            label="Events console",
            icon="activity",
            endpoint="administration.overview",
            group="Platform",
            place=40,
            permission="event.operate",
            key="e",
        ),
        Entry(
            label="System health",
            icon="server",
            endpoint="administration.health",
            group="Platform",
            place=50,
            permission="event.operate",
        ),
    ),
    pages={"event": "administration.event"},
    producers={"administration": "Platform", "delivery": "Deliveries"},
    waiting=list_waiting_for,
    figures=list_figures_for,
    search=search,
)
