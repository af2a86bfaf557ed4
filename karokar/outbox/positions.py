"""How far the log goes, and how far it is delivered."""

from sqlalchemy import func, select

from karokar.kernel.db import db
from karokar.outbox.models import SHARDS, EventLog, Progress


def newest_position() -> int:
    """Return the position of the newest event in the log; 0 for an empty one."""
    return db.session.scalar(select(func.max(EventLog.position))) or 0


def progress_by_shard() -> dict[int, int]:
    """Return how far each shard has been delivered."""
    # One look at the end of the index per shard: the table grows with every batch.
    newest = [
        select(func.max(Progress.position)).where(Progress.shard == shard).scalar_subquery() for shard in range(SHARDS)
    ]
    row = db.session.execute(select(*newest)).one()
    return {shard: int(position) for shard, position in enumerate(row) if position is not None}
