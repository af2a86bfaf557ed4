"""The canary: every minute a question goes the way that events go, and says how long the whole path takes.

It is a row of its own, not an event: the bell is rung for it, somebody wakes and drains, and answers. So a path that is
broken where no event shows it (a bell that nobody hears, a worker that takes jobs and does nothing) is seen within
two minutes, at night as well.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update

from karokar.kernel import clock
from karokar.kernel.db import action, after_commit, db, transaction
from karokar.kernel.schedule import every
from karokar.outbox import wakeup
from karokar.outbox.models import Canary

KEPT = timedelta(days=1)
LATE = timedelta(minutes=3)
_LOOKED_AT = 60


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How the canaries do: how long the newest answered one took, and since when one has waited in vain.

    `asked_at` is None where none was ever sent: no relay has kept the clock yet.
    """

    asked_at: datetime | None
    seconds: float | None
    waiting_since: datetime | None

    @property
    def is_well(self) -> bool:
        """Whether canaries are sent and answered."""
        now = clock.now()
        if self.asked_at is None:
            return False
        is_sent = now - self.asked_at < LATE
        return is_sent and (self.waiting_since is None or now - self.waiting_since < LATE)


@every(60)
@action
def send_canary() -> None:
    """Ask once more, and forget what is a day old."""
    now = clock.now()
    db.session.execute(delete(Canary).where(Canary.asked_at < now - KEPT))
    db.session.add(Canary(asked_at=now, answered_at=None))
    after_commit("outbox.bell", wakeup.wake)


def waiting_since() -> datetime | None:
    """Return when the oldest unanswered canary was sent, None where none waits."""
    return db.session.scalar(select(func.min(Canary.asked_at)).where(Canary.answered_at.is_(None)))


def answer() -> None:
    """Answer what was asked. Called by whoever drains, where somebody asks."""
    with transaction() as session:
        session.execute(update(Canary).where(Canary.answered_at.is_(None)).values(answered_at=clock.now()))


def poll() -> Answer:
    """Return how the canaries do."""
    newest = list(db.session.scalars(select(Canary).order_by(Canary.id.desc()).limit(_LOOKED_AT)))
    answered = next((one for one in newest if one.answered_at is not None), None)
    seconds = None
    if answered is not None and answered.answered_at is not None:
        seconds = (answered.answered_at - answered.asked_at).total_seconds()
    return Answer(
        asked_at=newest[0].asked_at if newest else None,
        seconds=seconds,
        waiting_since=min((one.asked_at for one in newest if one.answered_at is None), default=None),
    )
