"""Counts what people take of what all share, against the limits of `karokar.kernel.fairness.limits`.

    quotas.ask(RUNS_OF_PERSON, actor.user_id, used=lambda: count_open_runs(...))     # what there is at once
    quotas.ask(INVITATIONS_OF_ORGANIZATION, organization_id)                         # what is done in a period

Inside a transaction, whoever asks about the same limit of the same owner at the same moment waits for the first one to
commit, so that two at once never pass a limit that one of them reaches. What there is at once is counted by its own
rows; what is done in a period by rows of `QuotaUse`, which are undone with the transaction that they belong to.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Index, String, and_, delete, func, insert, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from karokar.kernel import clock
from karokar.kernel.db import Base, action, db
from karokar.kernel.errors import LimitReached, LimitReachedForNow, wait_in_words
from karokar.kernel.fairness.limits import DAY, LIMITS, MONTH, Counted, Limit
from karokar.kernel.ids import new_id
from karokar.kernel.schedule import every
from karokar.kernel.settings import settings


class QuotaUse(Base):
    """One use of what a limit counts within a period; `owner` is an id, or the fingerprint of an address."""

    __tablename__ = "quota_uses"
    __table_args__ = (Index("ix_quota_uses_counted", "name", "owner", "at"), Index("ix_quota_uses_at", "at"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    owner: Mapped[str] = mapped_column(String(130))
    at: Mapped[datetime]
    amount: Mapped[int] = mapped_column(BigInteger)


def most_of(limit: Limit) -> int:
    """Return how many of its units a limit allows here: KAROKAR_LIMITS, else its own number."""
    return settings().limits.get(limit.name, limit.most)


def ask(
    limit: Limit,
    owner: UUID | str | None,
    *,
    used: Callable[[], int] | None = None,
    amount: int = 1,
    field: str | None = None,
) -> None:
    """Raise LimitReached where `amount` more would be too many for the owner; else, within a period, count it.

    `used` counts what there is at once. Nobody's (the system's own work) is not limited. Where several limits hold, ask
    for the person first, then the organization, then the address: all who wait for each other wait in one order.
    """
    if owner is None:
        return
    _wait_for_turn(limit, str(owner))
    most = most_of(limit) * limit.unit
    if limit.period is None:
        if used is None:
            message = f"{limit.name} is counted by rows: say how many there are."
            raise TypeError(message)
        count = used()
        if count + amount > most:
            raise refusal(limit, count, field=field)
        return
    now = clock.now()
    count = (
        db.session.scalar(select(func.coalesce(func.sum(QuotaUse.amount), 0)).where(_counts(limit, owner, now))) or 0
    )
    if count + amount > most:
        raise refusal(limit, int(count), seconds=_seconds_until(limit, owner, now, count + amount - most), field=field)
    row = {"id": new_id(), "name": limit.name, "owner": str(owner), "at": now, "amount": amount}
    db.session.execute(insert(QuotaUse).values(**row))


def refusal(limit: Limit, used: int, *, seconds: int | None = None, field: str | None = None) -> LimitReached:
    """Return the error that tells of a limit: which, how much is used, and when or how it becomes possible again."""
    shown, most = -(-used // limit.unit), most_of(limit)
    words = {"used": f"{shown:,}", "most": f"{most:,}", "wait": wait_in_words(seconds or 1)}
    sentence = limit.sentence.format(**words)
    fields = {field: sentence} if field else None
    facts = {"limit": limit.name, "used": shown, "most": most}
    if seconds is None:
        return LimitReached(limit.code, sentence, fields=fields, **facts)
    return LimitReachedForNow(limit.code, sentence, seconds=seconds, fields=fields, **facts)


def _wait_for_turn(limit: Limit, owner: str) -> None:
    """Let nobody else ask about the same until this transaction has ended. On SQLite a writer is alone anyway."""
    if db.session.get_bind().dialect.name == "postgresql":
        digest = hashlib.sha256(f"{limit.name}|{owner}".encode()).digest()
        db.session.execute(select(func.pg_advisory_xact_lock(int.from_bytes(digest[:8], signed=True))))


def _counts(limit: Limit, owner: UUID | str, now: datetime) -> ColumnElement[bool]:
    # What a clock that went ahead has noted does not count: else it would for longer than the period.
    at = QuotaUse.at
    period = limit.period or timedelta()
    return and_(
        QuotaUse.name == limit.name, QuotaUse.owner == str(owner), at > now - period, at <= now + clock.TOLERANCE
    )


def _seconds_until(limit: Limit, owner: UUID | str, now: datetime, excess: int) -> int:
    """Return in how many seconds so much has left the period that there is room."""
    period = limit.period or timedelta()
    statement = select(QuotaUse.at, QuotaUse.amount).where(_counts(limit, owner, now)).order_by(QuotaUse.at)
    for at, amount in db.session.execute(statement):
        excess -= amount
        if excess <= 0:
            return max(1, -(-(at + period - now) // timedelta(seconds=1)))
    return int(period.total_seconds())


@every(3600)
@action
def forget_old_uses() -> None:
    """Forget uses that no limit counts any more."""
    now = clock.now()
    over = [
        and_(QuotaUse.name == limit.name, QuotaUse.at <= now - limit.period)
        for limit in LIMITS.values()
        if limit.period is not None and limit.counted is Counted.USES
    ]
    conditions = or_(*over, QuotaUse.at > now + DAY, QuotaUse.at <= now - 2 * MONTH)
    db.session.execute(delete(QuotaUse).where(conditions).execution_options(synchronize_session=False))
