"""What people do about things that wait for them on home: put one aside until later, or say that they are at it.

Both are notes beside the thing, not changes of it: nobody is kept from acting, and a note ends by itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import delete, false, or_, select, true, union_all, update

from karokar.kernel import clock
from karokar.kernel.actor import Actor, current_actor
from karokar.kernel.database.rows import insert_if_new
from karokar.kernel.db import action, db
from karokar.kernel.errors import StateConflict
from karokar.kernel.pages.waiting import WaitingItem
from karokar.web.models import AtIt, PutAside
from karokar.web.shell.times import viewer_zone

AT_IT_FOR = timedelta(minutes=30)
MORNING = 8
"""The hour at which what was put aside comes back."""
DAYS = {"day": 1, "week": 7}
KEPT_FOR = timedelta(days=7)


@dataclass(frozen=True)
class Somebody:
    """Who is at it, and until when that is believed."""

    user_id: UUID
    until: datetime
    is_self: bool


@dataclass(frozen=True)
class Noted:
    """Something that waits, with what people noted beside it; `aside_until` is None where it was not put aside."""

    item: WaitingItem
    key: str
    somebody: Somebody | None
    aside_until: datetime | None

    @property
    def mark(self) -> str:
        """What names it within a page."""
        return sha256(self.key.encode()).hexdigest()[:12]


def key_of(item: WaitingItem) -> str:
    """Return what names a waiting thing on home, the same each time and for all who share it."""
    return f"{item.endpoint}?{urlencode(sorted(item.values.items()))}#{item.kind}"[:300]


def is_due(item: WaitingItem) -> bool:
    """Whether a thing may not wait any longer: it stands on the list, and is not put aside."""
    return item.due is not None and item.due <= clock.now()


def note(items: Sequence[WaitingItem], actor: Actor) -> list[Noted]:
    """Return the items with the acting person's notes, and with who of their organization is at which."""
    if not items or actor.organization_id is None:
        return [Noted(item, key_of(item), None, None) for item in items]
    now = clock.now()
    aside: dict[str, datetime] = {}
    at_it: dict[str, Somebody] = {}
    ours = select(AtIt.item, AtIt.until, AtIt.user_id, true().label("is_at_it")).where(
        AtIt.organization_id == actor.organization_id, AtIt.until > now
    )
    mine = select(PutAside.item, PutAside.until, PutAside.user_id, false()).where(
        PutAside.organization_id == actor.organization_id, PutAside.user_id == actor.user_id
    )
    for key, until, user_id, is_at_it in db.session.execute(union_all(ours, mine)):
        if is_at_it:
            at_it[key] = Somebody(user_id, until, user_id == actor.user_id)
        else:
            aside[key] = until
    keys = [(item, key_of(item)) for item in items]
    return [Noted(item, key, at_it.get(key), _until(aside.get(key), item, now)) for item, key in keys]


def _until(until: datetime | None, item: WaitingItem, now: datetime) -> datetime | None:
    """What is due comes back when it is, whatever somebody chose."""
    if until is None or until <= now or is_due(item):
        return None
    return until if item.due is None else min(until, item.due)


@action
def put_aside(item: WaitingItem, how_long: str) -> datetime:
    """Take a thing off the acting person's list until a morning, "day" or "week". Returns when it comes back.

    Raises StateConflict for what is due already.
    """
    if is_due(item):
        raise StateConflict("DUE_ALREADY", "It is due, so it can't be put aside: it stays until it is done.")
    actor = current_actor()
    morning = clock.now().astimezone(viewer_zone()).replace(hour=MORNING, minute=0, second=0, microsecond=0)
    until = morning + timedelta(days=DAYS.get(how_long, 1))
    kept = {"organization_id": actor.organization_id, "user_id": actor.user_id, "item": key_of(item)}
    if not insert_if_new(PutAside, {**kept, "until": until}):
        db.session.execute(update(PutAside).filter_by(**kept).values(until=until))
    _forget()
    return until if item.due is None else min(until, item.due)


@action
def bring_back(item: WaitingItem) -> None:
    """Let a thing stand on the acting person's list again."""
    actor = current_actor()
    kept = {"organization_id": actor.organization_id, "user_id": actor.user_id, "item": key_of(item)}
    db.session.execute(delete(PutAside).filter_by(**kept))


@action
def be_at_it(item: WaitingItem) -> None:
    """Tell the organization that the acting person is at a thing, for half an hour.

    Raises StateConflict where somebody else is.
    """
    actor, now = current_actor(), clock.now()
    kept = {"organization_id": actor.organization_id, "item": key_of(item)}
    mine = {"user_id": actor.user_id, "until": now + AT_IT_FOR}
    if not insert_if_new(AtIt, {**kept, **mine}):
        is_free = or_(AtIt.user_id == actor.user_id, AtIt.until <= now)
        taken: Any = db.session.execute(update(AtIt).filter_by(**kept).where(is_free).values(**mine))
        if not taken.rowcount:
            sentence = "Somebody else was quicker and is at it already. Look at home again."
            raise StateConflict("SOMEBODY_IS_AT_IT", sentence)
    _forget()


@action
def let_go(item: WaitingItem) -> None:
    """Tell the organization that the acting person is at a thing no more."""
    actor = current_actor()
    kept = {"organization_id": actor.organization_id, "user_id": actor.user_id, "item": key_of(item)}
    db.session.execute(delete(AtIt).filter_by(**kept))


def split(noted: Iterable[Noted]) -> tuple[list[Noted], list[Noted]]:
    """Return what stands on the list, and what was put aside."""
    found: tuple[list[Noted], list[Noted]] = ([], [])
    for one in noted:
        found[one.aside_until is not None].append(one)
    return found


def _forget() -> None:
    """Remove the organization's notes that ended long ago: things come and go, and nobody removes them one by one."""
    actor, long_ago = current_actor(), clock.now() - KEPT_FOR
    for class_ in (PutAside, AtIt):
        db.session.execute(
            delete(class_).where(class_.organization_id == actor.organization_id, class_.until < long_ago)
        )
