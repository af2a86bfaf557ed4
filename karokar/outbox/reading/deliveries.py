"""How the delivery of events stands: per event and handler, and why it is not done yet. For the platform."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import aliased

from karokar.events.handlers import HANDLERS
from karokar.kernel.db import db
from karokar.outbox.models import (
    OPEN_STATES,
    UNKNOWN,
    DeferredDelivery,
    EventLog,
    EventRow,
    Handled,
    Progress,
    Subscription,
    has_state,
)

State = Literal["handled", "pending", "retrying", "waiting", "dead", "dismissed"]


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One event on its way to one handler.

    `handler` is the handler's name, `number` the one it is stored under. `attempts` counts those begun. `why` says, for
    what is not done, what it waits for; `blocked_by` is the position of the earlier event that holds it back.
    """

    handler: str
    number: int
    position: int
    state: State
    attempts: int
    delivered_at: datetime | None = None
    microseconds: int | None = None
    error: str | None = None
    fingerprint: str | None = None
    due_at: datetime | None = None
    since: datetime | None = None
    blocked_by: int | None = None
    why: str = ""


def deliveries(positions: Iterable[int]) -> dict[int, list[Delivery]]:
    """Return, for each event at these positions, how its delivery to each subscribed handler stands."""
    wanted = sorted(set(positions))
    if not wanted:
        return {}
    # How far its shard came matters only for an event that was not reached: one that was has its row in `handled`.
    reached = select(func.max(Progress.position)).where(Progress.shard == EventRow.shard).scalar_subquery()
    rows = db.session.execute(
        select(
            EventLog.position,
            EventRow.version,
            Handled,
            Subscription,
            DeferredDelivery,
            case((Handled.position.is_(None), reached), else_=None).label("reached"),
        )
        .select_from(EventLog)
        .join(EventRow, EventRow.id == EventLog.event_id)
        .outerjoin(Handled, Handled.position == EventLog.position)
        .outerjoin(
            Subscription,
            and_(
                Subscription.event_type == EventRow.event_type,
                Subscription.since_position < EventLog.position,
                or_(Subscription.until_position.is_(None), Subscription.until_position >= EventLog.position),
            ),
        )
        .outerjoin(
            DeferredDelivery,
            and_(DeferredDelivery.position == EventLog.position, DeferredDelivery.handler == Subscription.handler),
        )
        .where(EventLog.position.in_(wanted))
        .order_by(EventLog.position, Subscription.name)
    ).all()
    is_waiting = any(
        deferred_row is not None and deferred_row.state == "waiting" for _, _, _, _, deferred_row, _ in rows
    )
    blockers = _blockers(wanted) if is_waiting else {}
    found: dict[int, list[Delivery]] = {position: [] for position, *_rest in rows}
    for position, version, handled, subscription, deferred_row, far in rows:
        if subscription is not None:
            behind = 0 if handled is not None else position - (far or 0)
            blocker = blockers.get((subscription.handler, position))
            found[position].append(
                _delivery(subscription, position, version, handled, deferred_row, behind=behind, blocker=blocker)
            )
    return found


def _blockers(positions: Collection[int]) -> dict[tuple[int, int], int]:
    """Return, for each waiting delivery at these positions, the first open one before it of its handler and key."""
    waiting, earlier = aliased(DeferredDelivery), aliased(DeferredDelivery)
    rows = db.session.execute(
        select(waiting.handler, waiting.position, func.min(earlier.position))
        .join(
            earlier,
            and_(
                earlier.shard == waiting.shard,
                earlier.handler == waiting.handler,
                earlier.stream == waiting.stream,
                earlier.position < waiting.position,
                has_state(earlier, *OPEN_STATES),
            ),
        )
        .where(waiting.position.in_(positions), has_state(waiting, "waiting"))
        .group_by(waiting.handler, waiting.position)
    )
    return {(int(number), int(position)): int(first) for number, position, first in rows}


def _delivery(
    subscription: Subscription,
    position: int,
    version: int,
    handled: Handled | None,
    deferred_row: DeferredDelivery | None,
    *,
    behind: int,
    blocker: int | None,
) -> Delivery:
    name, number = subscription.name, subscription.handler
    if handled is not None and number in handled.handlers:
        place = handled.handlers.index(number)
        return Delivery(
            handler=name,
            number=number,
            position=position,
            state="handled",
            attempts=max(1, deferred_row.started if deferred_row else 1),
            delivered_at=deferred_row.since if deferred_row is not None else handled.at,
            microseconds=handled.us[place] if place < len(handled.us) else None,
            error=deferred_row.error if deferred_row else None,
        )
    if deferred_row is None or deferred_row.state == "done":
        why = "Not reached yet: it comes with the next batch." if behind > 0 else "It should have run: verify the log."
        return Delivery(handler=name, number=number, position=position, state="pending", attempts=0, why=why)
    state: State = deferred_row.state  # type: ignore[assignment] # The table's check allows no other.
    return Delivery(
        handler=name,
        number=number,
        position=position,
        state=state,
        attempts=deferred_row.started,
        error=deferred_row.error,
        fingerprint=deferred_row.fingerprint,
        due_at=deferred_row.due_at,
        since=deferred_row.since,
        blocked_by=blocker,
        why=_why(deferred_row, subscription, version, blocker),
    )


def _why(deferred_row: DeferredDelivery, subscription: Subscription, version: int, blocker: int | None) -> str:
    if deferred_row.state == "retrying":
        return f"Failed {_times(deferred_row.failed)}; runs again by itself."
    if deferred_row.state == "dead":
        return f"Gave up after {_times(deferred_row.failed)}; waits for a person."
    if deferred_row.state == "dismissed":
        return "A person decided that it stays undone."
    if subscription.paused_at is not None:
        return "The handler is paused."
    if blocker is not None:
        return "Waits behind an earlier event of the same key that this handler could not take."
    if subscription.name not in HANDLERS:
        return "No code here is called by the handler's name: it waits for the version that knows it."
    if deferred_row.reason in UNKNOWN:
        return f"This code does not know {subscription.event_type} version {version}: it waits for the one that does."
    return "Nothing holds it any more: it runs next."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
