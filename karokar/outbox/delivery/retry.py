"""Runs again what failed and is due, one delivery at a time, each attempt begun in writing; see `backlog` as well."""

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from karokar.events.contracts.codec import UnknownContract
from karokar.events.handlers import HANDLERS, Handler
from karokar.kernel.db import database_now, db, transaction
from karokar.kernel.errors import Busy
from karokar.kernel.log import get_logger
from karokar.kernel.processes.heartbeat import beat
from karokar.outbox.delivery import deferred, subscriptions
from karokar.outbox.delivery.backlog import work_off_backlog
from karokar.outbox.delivery.deferred import BEGUN_ATTEMPT
from karokar.outbox.delivery.dispatch_plan import ClaimLost, Reaction, envelope_of, types_of
from karokar.outbox.delivery.invoke import invoke
from karokar.outbox.delivery.isolated import again_while_passing
from karokar.outbox.models import PAUSED, UNKNOWN_CONTRACT, UNKNOWN_HANDLER, DeferredDelivery, Subscription, has_state
from karokar.outbox.store import Store, StoredEvent

AT_A_TIME = 50
LOST_ATTEMPTS = 3


def retry_due(store: Store) -> bool:
    """Run the deliveries that are due, the longest due first. Returns whether any came to an end.

    What was not tried yet runs together, where it can; the rest one delivery at a time.
    """
    due = _due()
    ended = False
    for number, shard, name in {(one.number, one.shard, one.name): None for one in due if one.is_untried}:
        ended |= work_off_backlog(store, number, HANDLERS[name], shard)
    for one in due:
        if not (ended and one.is_untried):
            beat()
            try:
                ended |= _retry(store, one.number, one.position, HANDLERS[one.name])
            except (Busy, OperationalError):
                raise
            except Exception:  # noqa: BLE001 - one that cannot even be begun holds up no other
                get_logger(__name__).exception("retry_failed", handler=one.name, position=one.position)
    return ended


def is_any_due() -> bool:
    """Whether a failed delivery's time has come."""
    session = db.session()
    session.rollback()
    first = session.scalar(
        select(DeferredDelivery.position)
        .where(has_state(DeferredDelivery, "retrying"), DeferredDelivery.due_at <= database_now(session))
        .limit(1)
    )
    session.rollback()
    return first is not None


class _Due(NamedTuple):
    """A delivery whose time has come."""

    number: int
    position: int
    shard: int
    is_untried: bool
    name: str


def _due() -> list[_Due]:
    names = select(Subscription.handler, Subscription.name).distinct().subquery()
    session = db.session()
    session.rollback()
    rows = session.execute(
        select(
            DeferredDelivery.handler,
            DeferredDelivery.position,
            DeferredDelivery.shard,
            DeferredDelivery.started == 0,
            names.c.name,
        )
        .join(names, names.c.handler == DeferredDelivery.handler)
        .where(
            has_state(DeferredDelivery, "retrying"),
            DeferredDelivery.due_at <= database_now(session),
            names.c.name.in_(HANDLERS),
        )
        .order_by(DeferredDelivery.due_at, DeferredDelivery.position)
        .limit(AT_A_TIME)
    )
    found = [_Due(*row) for row in rows]
    session.rollback()
    return found


def _retry(store: Store, number: int, position: int, handler: Handler) -> bool:
    """Run one due delivery; False where it was not for us, now."""
    event = store.read_at([position])[0]
    try:
        reaction = _begin(type(store), number, handler, event)
        if reaction is None:
            return True

        def run() -> None:
            with transaction() as session:
                row = _take(type(store), session, number, position)
                took = invoke(reaction)
                session.flush()
                store.append_handler(session.connection(), [position], number, took)
                deferred.finish(session, row)

        try:
            if not again_while_passing(run):
                _take_back(type(store), number, position)
                return False
        except ClaimLost:
            raise
        except Exception as error:  # noqa: BLE001 - a handler may fail in any way
            with transaction() as session:
                deferred.fail(session, _take(type(store), session, number, position), handler, event, error)
    except ClaimLost:
        return False
    return True


def _begin(store: type[Store], number: int, handler: Handler, event: StoredEvent) -> Reaction | None:
    """Write down that an attempt begins, and return what is to run; None where that ended the delivery's turn."""
    with transaction() as session:
        row = _take(store, session, number, event.position)
        if row.due_at is None or row.due_at > database_now(session):
            raise ClaimLost
        if row.started - row.failed >= LOST_ATTEMPTS:
            deferred.bury(session, row, handler, event, deferred.ENDED_THE_WORKER)
            return None
        reason = _reason_to_wait(session, number, handler, event)
        if reason is None:
            try:
                reaction = Reaction(number, handler, [envelope_of(event)])
            except UnknownContract:
                reason = UNKNOWN_CONTRACT
            except ValueError as error:  # The stored payload breaks its contract.
                row.started += 1
                deferred.fail(session, row, handler, event, error)
                return None
        if reason is not None:
            row.state, row.due_at, row.reason = "waiting", None, reason
            return None
        row.started += 1
        row.due_at = database_now(session) + BEGUN_ATTEMPT
        return reaction


def _reason_to_wait(session: Session, number: int, handler: Handler, event: StoredEvent) -> str | None:
    if event.event_type not in types_of(handler):
        return UNKNOWN_HANDLER
    return PAUSED if subscriptions.is_paused(session, number) else None


def _take(store: type[Store], session: Session, number: int, position: int) -> DeferredDelivery:
    """Take the delivery and its shard for this transaction. Raises ClaimLost where somebody else is at either."""
    shard = session.scalar(
        select(DeferredDelivery.shard).where(DeferredDelivery.handler == number, DeferredDelivery.position == position)
    )
    if shard is None or not store.lock(session.connection(), shard):
        raise ClaimLost
    row = session.get_one(DeferredDelivery, (number, position), populate_existing=True, with_for_update=True)
    is_reached = position <= store.progress_in(session.connection(), shard)
    if row.state != "retrying" or not is_reached:
        raise ClaimLost
    return row


def _take_back(store: type[Store], number: int, position: int) -> None:
    """Count an attempt that the database did not let run as none."""
    with transaction() as session:
        row = _take(store, session, number, position)
        row.started -= 1
        row.due_at = database_now(session) + timedelta(seconds=1)
