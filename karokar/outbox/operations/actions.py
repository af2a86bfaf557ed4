"""What people decide about deliveries. Each decision is an event of its own, and needs `event.operate`.

Raise PermissionDenied for whoever does not hold it; a command is the system's own and holds all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from karokar.events.bus import publish
from karokar.events.delivery import DeliveryDismissed, DeliveryRetried, HandlerPaused, HandlerResumed
from karokar.kernel import clock
from karokar.kernel.db import action, database_now, db, primitive
from karokar.kernel.errors import NotFound, RuleBroken, StateConflict
from karokar.kernel.pages.shown import digest_of
from karokar.kernel.permissions import check
from karokar.kernel.text.notes import new_note
from karokar.outbox.delivery import deferred
from karokar.outbox.models import OPEN_STATES, DeferredDelivery, EventLog, EventRow, Subscription
from karokar.outbox.operations.permissions import EVENT_OPERATE

FAILED = ("retrying", "dead")
"""States of deliveries that failed and are not at an end."""
FEW_KEYS = 50
"""Up to so many keys are looked up one by one; for more, one pass over what waits is cheaper."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which deliveries are meant; None leaves a part open. `states` are those of `troubles`."""

    handler: str | None = None
    event_id: UUID | None = None
    event_type: str | None = None
    aggregate_type: str | None = None
    aggregate_id: UUID | None = None
    fingerprint: str | None = None
    position: int | None = None
    up_to: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    states: tuple[str, ...] = ("dead",)

    def in_words(self) -> dict[str, str]:
        """Return what was asked for, as an event can tell it."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: ", ".join(value) if isinstance(value, tuple) else str(primitive(value))
            for name, value in given.items()
            if value is not None
        }

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions on `troubles`. Raises NotFound for a handler that nobody knows."""
        found: list[ColumnElement[bool]] = [DeferredDelivery.state.in_(self.states)]
        if self.handler is not None:
            found.append(DeferredDelivery.handler == number_of(self.handler))
        if self.fingerprint is not None:
            found.append(DeferredDelivery.fingerprint == self.fingerprint)
        if self.position is not None:
            found.append(DeferredDelivery.position == self.position)
        if self.up_to is not None:
            found.append(DeferredDelivery.position <= self.up_to)
        events = [
            column == value
            for column, value in (
                (EventRow.event_id, self.event_id),
                (EventRow.event_type, self.event_type),
                (EventRow.aggregate_type, self.aggregate_type),
                (EventRow.aggregate_id, self.aggregate_id),
            )
            if value is not None
        ]
        events += [EventRow.occurred_at >= self.since] if self.since is not None else []
        events += [EventRow.occurred_at < self.until] if self.until is not None else []
        if events:
            found.append(DeferredDelivery.event_id.in_(select(EventRow.id).where(*events)))
        return found


@action
def retry_deliveries(selection: Selection, *, shown: str | None = None) -> int:
    """Let failed or dead deliveries run again, with all their attempts; returns how many.

    What waits behind them follows by itself. Raises NotFound for a handler that nobody knows, and StateConflict where
    they are not exactly those that were `shown` (see `digest_of_open`); then nothing is done.
    """
    check(EVENT_OPERATE)
    session = db.session()
    due = {"state": "retrying", "due_at": database_now(session), "started": 0, "failed": 0}
    retried = len(_update(session, selection, due, shown))
    if retried:
        publish(
            DeliveryRetried(
                handler=selection.handler,
                event_id=selection.event_id,
                count=retried,
                selection=selection.in_words(),
            )
        )
    return retried


@action
def dismiss_deliveries(selection: Selection, reason: str, *, shown: str | None = None) -> int:
    """Decide that deliveries stay undone, so that what waits behind them goes on; returns how many.

    Raises RuleBroken without a reason, NotFound for a handler that nobody knows, and StateConflict where they are not
    exactly those that were `shown` (see `digest_of_open`); then nothing is done.
    """
    check(EVENT_OPERATE)
    if not reason.strip():
        raise RuleBroken("REASON_MISSING", "Say why these deliveries stay undone.", fields={"reason": "Say why."})
    session = db.session()
    ended = _update(session, selection, {"state": "dismissed", "due_at": None}, shown)
    dismissed = len(ended)
    keys = {(one.handler, one.shard, one.stream) for one in ended}
    if len(keys) <= FEW_KEYS:
        for key in keys:
            deferred.release_next(session, *key)
    else:
        for number in {one.handler for one in ended}:
            deferred.release_all(session, number)
    if dismissed:
        publish(
            DeliveryDismissed(
                handler=selection.handler,
                event_id=selection.event_id,
                count=dismissed,
                note_id=new_note(reason),
                selection=selection.in_words(),
            )
        )
    return dismissed


@action
def pause_handler(name: str, reason: str = "") -> None:
    """Let a handler's deliveries wait until it is resumed. Raises NotFound for one that nobody knows."""
    check(EVENT_OPERATE)
    rows = _subscriptions(name)
    if any(row.paused_at is None for row in rows):
        for row in rows:
            row.paused_at = clock.now()
        publish(HandlerPaused(handler=name, note_id=new_note(reason)))


@action
def resume_handler(name: str) -> None:
    """Let a paused handler go on with what waited. Raises NotFound for one that nobody knows."""
    check(EVENT_OPERATE)
    rows = _subscriptions(name)
    if any(row.paused_at is not None for row in rows):
        for row in rows:
            row.paused_at = None
        session = db.session()
        session.flush()
        deferred.release_all(session, rows[0].handler)
        publish(HandlerResumed(handler=name))


@action
def unsubscribe_handler(name: str) -> int:
    """End a handler's subscriptions for good, for one whose code is gone; returns how many deliveries it leaves undone.

    Raises NotFound for one that nobody knows.
    """
    check(EVENT_OPERATE)
    newest = db.session.scalar(select(func.coalesce(func.max(EventLog.position), 0)))
    for row in _subscriptions(name):
        row.until_position = newest if row.until_position is None else row.until_position
    db.session.flush()
    return dismiss_deliveries(Selection(handler=name, states=OPEN_STATES), "The handler was unsubscribed.")


def number_of(name: str) -> int:
    """Return the number under which a handler is stored. Raises NotFound for one that nobody knows."""
    return _subscriptions(name)[0].handler


def _subscriptions(name: str) -> Sequence[Subscription]:
    rows = db.session.scalars(select(Subscription).where(Subscription.name == name)).all()
    if not rows:
        raise NotFound("handler")
    return rows


def digest_of_open(handler: str, fingerprint: str) -> str:
    """Return what names the open failures of one kind, as a page shows them. Raises NotFound for an unknown handler."""
    kind = Selection(handler=handler, fingerprint=fingerprint, states=FAILED)
    return _digest(
        db.session.execute(select(DeferredDelivery.handler, DeferredDelivery.position).where(*kind.conditions())).all()
    )


def _digest(rows: Sequence[Any]) -> str:
    return digest_of([row.handler, row.position] for row in rows)


def _update(session: Session, selection: Selection, values: dict[str, object], shown: str | None) -> Sequence[Any]:
    """Change the selected deliveries in one statement and return them. Raises StateConflict for others than shown."""
    changed = session.execute(
        update(DeferredDelivery)
        .where(*selection.conditions())
        .values(**values)
        .returning(DeferredDelivery.handler, DeferredDelivery.position, DeferredDelivery.shard, DeferredDelivery.stream)
        .execution_options(synchronize_session=False)
    ).all()
    session.expire_all()
    if shown is not None and _digest(changed) != shown:
        raise StateConflict(
            "FAILURES_CHANGED",
            f"These failures have changed since you saw them: now there are {len(changed):,}. Nothing was done. Check "
            "them again, then decide.",
        )
    return changed
