"""The clock's verification: it goes round all records piece by piece, and alerts the platform when it finds a fault."""

from karokar.audit import queries
from karokar.audit.actions.checkpoints import contradiction, newest_checkpoint
from karokar.audit.actions.sealing import compare_with_log
from karokar.audit.models import AuditWatch
from karokar.audit.rules import Finding
from karokar.events.audit import AuditChainBroken
from karokar.events.bus import publish
from karokar.kernel import clock
from karokar.kernel.db import action, db
from karokar.kernel.log import get_logger
from karokar.kernel.schedule import every

PIECE = 5000
"""How many positions are verified at a time: the clock has other work to do."""


@every(60)
def watch_chain() -> Finding | None:
    """Verify the next piece of the records, against the events and the newest checkpoint; return the first fault.

    A piece in which something is wrong is looked at again the next time. After the newest record it begins anew.
    """
    watch = db.session.get(AuditWatch, 1, populate_existing=True)
    newest = queries.newest_seal()
    after = watch.reached if watch is not None and watch.reached < newest else 0
    until = after + PIECE
    checkpoint = newest_checkpoint()
    found = (
        (contradiction([checkpoint]) if checkpoint is not None else None)
        or queries.verify(after, until)
        or compare_with_log(after, until)
    )
    note_verification(found, after if found is not None else min(until, newest))
    return found


@action
def note_verification(found: Finding | None, reached: int) -> None:
    """Keep what a verification found, and publish a fault that was not known before."""
    watch = db.session.get(AuditWatch, 1, populate_existing=True, with_for_update=True)
    if watch is None:
        watch = AuditWatch(id=1, reached=0, verified_at=clock.now(), position=None, problem="")
        db.session.add(watch)
    position, problem = (found.position, found.problem) if found is not None else (None, "")
    is_news = problem != "" and (watch.position, watch.problem) != (position, problem)
    watch.reached, watch.verified_at, watch.position, watch.problem = reached, clock.now(), position, problem
    if found is not None and is_news:
        get_logger(__name__).error("audit_chain_broken", position=found.position, problem=found.problem)
        publish(AuditChainBroken(position=found.position, problem=found.problem))
