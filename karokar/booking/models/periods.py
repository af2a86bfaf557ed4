"""Which bookings the database keeps apart, and by what it finds them."""

from collections.abc import Iterator

NO_OVERLAP = "ex_bookings_no_overlap"
"""The constraint's name on PostgreSQL and the trigger's message on SQLite."""

LIVE_SQL = "status IN ('APPROVED', 'ASSIGNED', 'ACTIVE')"
AWAITED_SQL = "awaited_since IS NOT NULL AND returned_at IS NULL"


def orders() -> Iterator[tuple[str, ...]]:
    """Yield the columns of an index for each order of a list, for each side, with a status and without.

    A state and a time go together (what waits for an answer is yet to come, what is over is not), which the database
    does not know: going by the order alone, it would read all that is over to find the first request.
    """
    for side in ((), ("vendor_organization_id",), ("corporate_organization_id",)):
        for by in ("start", "end"):
            yield (*side, by, "id")
            yield (*side, "status", by, "id")
        yield (*side, "status", "id")
