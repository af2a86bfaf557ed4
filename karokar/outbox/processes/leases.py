"""What only one process may do at a time, held by a row with an end by the database's clock.

A row and not a session's lock: it works through a connection pooler, and it ends with the time, not with a connection.
"""

import time
from datetime import timedelta

from sqlalchemy import literal, or_, select

from karokar.kernel import clock
from karokar.kernel.database.rows import upsert
from karokar.kernel.db import database_now, transaction
from karokar.kernel.ids import new_id
from karokar.outbox.models import Lease as LeaseRow


class Lease:
    """The right to do something, for so many seconds at a time."""

    def __init__(self, name: str, seconds: float) -> None:
        self._name = name
        self._length = timedelta(seconds=seconds)
        self._holder = new_id()
        self._fresh_until = 0.0

    def hold(self) -> bool:
        """Take the lease, or prolong it in good time; False while somebody else holds it."""
        if time.monotonic() < self._fresh_until:
            return True
        began = time.monotonic()
        is_held = self._write()
        self._fresh_until = began + self._length.total_seconds() / 3 if is_held else 0.0
        return is_held

    def _write(self) -> bool:
        with transaction() as session:
            now = database_now(session)
            until = LeaseRow.until
            # One that ends later than its own length from now was written by a clock that has been put right since.
            is_void = until > literal(now + self._length + clock.TOLERANCE, until.type)
            statement = upsert(session, LeaseRow).values(name=self._name, holder=self._holder, until=now + self._length)
            statement = statement.on_conflict_do_update(
                index_elements=[LeaseRow.name],
                set_={"holder": statement.excluded.holder, "until": statement.excluded.until},
                where=or_(until < literal(now, until.type), is_void, LeaseRow.holder == self._holder),
            )
            session.execute(statement)
            holder = session.scalar(select(LeaseRow.holder).where(LeaseRow.name == self._name))
            return holder == self._holder
