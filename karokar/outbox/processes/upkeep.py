"""What the clock does for the engine itself."""

from datetime import timedelta

from sqlalchemy import delete, func, select

from karokar.kernel import clock
from karokar.kernel.db import action, db
from karokar.kernel.schedule import every
from karokar.outbox.delivery import deferred, subscriptions
from karokar.outbox.models import Progress, Start, Tick

KEPT = timedelta(hours=1)


@every(10)
@action
def release_what_is_known_now() -> None:
    """Let deliveries go that waited for code which is here now, or for a time that a wrong clock had named."""
    subscriptions.release_known(db.session())
    deferred.make_due_what_is_too_far(db.session())


@every(600)
@action
def drop_old_notes() -> None:
    """Drop what only the newest row of counts: progress, starts behind it, the sequencer's ticks."""
    session = db.session()
    before = clock.now() - KEPT
    newest = select(Progress.shard, func.max(Progress.position).label("position")).group_by(Progress.shard).subquery()
    at = select(newest.c.position).where(newest.c.shard == Progress.shard).scalar_subquery()
    reached = select(newest.c.position).where(newest.c.shard == Start.shard).scalar_subquery()
    options = {"synchronize_session": False}
    session.execute(delete(Start).where(Start.at < before, Start.until <= reached).execution_options(**options))
    session.execute(delete(Progress).where(Progress.at < before, Progress.position < at).execution_options(**options))
    if session.get_bind().dialect.name == "postgresql":
        last = select(func.max(Tick.position)).scalar_subquery()
        session.execute(delete(Tick).where(Tick.at < before, Tick.position < last).execution_options(**options))
