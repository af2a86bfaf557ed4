"""Deliveries that were given up and wait for a person."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Select, select

from karokar.events.contracts.names import names_matching
from karokar.kernel.db import db
from karokar.kernel.pages.paging import Page, paginate
from karokar.outbox.models import DeferredDelivery, EventRow, Subscription, has_state
from karokar.outbox.monitoring.overview import handler_names


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One delivery that was given up. `key` names it in a form."""

    handler: str
    number: int
    position: int
    event_id: UUID
    event_type: str
    aggregate_type: str
    aggregate_id: UUID
    occurred_at: datetime
    died_at: datetime
    attempts: int
    error: str
    fingerprint: str | None

    @property
    def key(self) -> str:
        """What names this delivery in a form."""
        return f"{self.number}-{self.position}"

    @property
    def headline(self) -> str:
        """The last line of the error."""
        lines = [line for line in self.error.strip().splitlines() if line.strip()]
        return lines[-1][:200] if lines else "No error was kept."


def list_dead_letters(
    *,
    handler: str | None = None,
    types: str | None = None,
    fingerprint: str | None = None,
    sort: str = "-died",
    cursor: str | None = None,
) -> Page[DeadLetter]:
    """Return a page of dead deliveries, the newest first."""
    names = handler_names()
    page = paginate(
        _statement(handler, types, fingerprint),
        sorts={"died": DeferredDelivery.since, "position": DeferredDelivery.position},
        tie=DeferredDelivery.position * 100_000 + DeferredDelivery.handler,
        sort=sort,
        cursor=cursor,
    )
    return page.map(lambda row: _dead_letter(row, names))


def all_dead_letters(
    *,
    handler: str | None = None,
    types: str | None = None,
    fingerprint: str | None = None,
    keys: tuple[str, ...] = (),
) -> Iterator[DeadLetter]:
    """Return the dead deliveries that match, the oldest first; with `keys` those alone."""
    names = handler_names()
    statement = _statement(handler, types, fingerprint).order_by(DeferredDelivery.position, DeferredDelivery.handler)
    for row in db.session.execute(statement).all():
        found = _dead_letter(row, names)
        if not keys or found.key in keys:
            yield found


def _statement(handler: str | None, types: str | None, fingerprint: str | None) -> Select[Any]:
    joined = select(DeferredDelivery, EventRow).join(EventRow, EventRow.id == DeferredDelivery.event_id)
    statement = cast("Select[Any]", joined.where(has_state(DeferredDelivery, "dead")))
    if handler is not None:
        numbers = select(Subscription.handler).where(Subscription.name == handler)
        statement = statement.where(DeferredDelivery.handler.in_(numbers))
    if types is not None:
        statement = statement.where(EventRow.event_type.in_(names_matching(types)))
    if fingerprint is not None:
        statement = statement.where(DeferredDelivery.fingerprint == fingerprint)
    return statement


def _dead_letter(row: Any, names: dict[int, str]) -> DeadLetter:
    deferred_row: DeferredDelivery = row[0]
    event: EventRow = row[1]
    return DeadLetter(
        handler=names.get(deferred_row.handler, f"handler {deferred_row.handler}"),
        number=deferred_row.handler,
        position=deferred_row.position,
        event_id=event.event_id,
        event_type=event.event_type,
        aggregate_type=event.aggregate_type,
        aggregate_id=event.aggregate_id,
        occurred_at=event.occurred_at,
        died_at=deferred_row.since,
        attempts=deferred_row.started,
        error=deferred_row.error or "",
        fingerprint=deferred_row.fingerprint,
    )
