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
    EventLog,
    EventRow,
    Handled,
    Progress,
    Subscription,
    Trouble,
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
            Trouble,
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
        .outerjoin(Trouble, and_(Trouble.position == EventLog.position, Trouble.handler == Subscription.handler))
        .where(EventLog.position.in_(wanted))
        .order_by(EventLog.position, Subscription.name)
    ).all()
    is_waiting = any(trouble is not None and trouble.state == "waiting" for _, _, _, _, trouble, _ in rows)
    blockers = _blockers(wanted) if is_waiting else {}
    found: dict[int, list[Delivery]] = {position: [] for position, *_rest in rows}
    for position, version, handled, subscription, trouble, far in rows:
        if subscription is not None:
            behind = 0 if handled is not None else position - (far or 0)
            blocker = blockers.get((subscription.handler, position))
            found[position].append(
                _delivery(subscription, position, version, handled, trouble, behind=behind, blocker=blocker)
            )
    return found


def _blockers(positions: Collection[int]) -> dict[tuple[int, int], int]:
    """Return, for each waiting delivery at these positions, the first open one before it of its handler and key."""
    waiting, earlier = aliased(Trouble), aliased(Trouble)
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
    trouble: Trouble | None,
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
            attempts=max(1, trouble.started if trouble else 1),
            delivered_at=trouble.since if trouble is not None else handled.at,
            microseconds=handled.us[place] if place < len(handled.us) else None,
            error=trouble.error if trouble else None,
        )
    if trouble is None or trouble.state == "done":
        why = "Not reached yet: it comes with the next batch." if behind > 0 else "It should have run: verify the log."
        return Delivery(handler=name, number=number, position=position, state="pending", attempts=0, why=why)
    state: State = trouble.state  # type: ignore[assignment] # The table's check allows no other.
    return Delivery(
        handler=name,
        number=number,
        position=position,
        state=state,
        attempts=trouble.started,
        error=trouble.error,
        fingerprint=trouble.fingerprint,
        due_at=trouble.due_at,
        since=trouble.since,
        blocked_by=blocker,
        why=_why(trouble, subscription, version, blocker),
    )


def _why(trouble: Trouble, subscription: Subscription, version: int, blocker: int | None) -> str:
    if trouble.state == "retrying":
        return f"Failed {_times(trouble.failed)}; runs again by itself."
    if trouble.state == "dead":
        return f"Gave up after {_times(trouble.failed)}; waits for a person."
    if trouble.state == "dismissed":
        return "A person decided that it stays undone."
    if subscription.paused_at is not None:
        return "The handler is paused."
    if blocker is not None:
        return "Waits behind an earlier event of the same key that this handler could not take."
    if subscription.name not in HANDLERS:
        return "No code here is called by the handler's name: it waits for the version that knows it."
    if trouble.reason in UNKNOWN:
        return f"This code does not know {subscription.event_type} version {version}: it waits for the one that does."
    return "Nothing holds it any more: it runs next."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
