"""How a calendar stood at any moment: what a block was before it ended, and when a request ceased to be one."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016_calendar_then"
down_revision = "0015_other_company"
branch_labels = None
depends_on = None

AT_ONCE = 1000
NEW = ("planned_end", "made_at", "allocated_at", "given_up_at")


def upgrade() -> None:
    """Add the columns, filled with what the recorded facts tell."""
    for name in NEW:
        op.add_column("availability_blocks", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    comment = "When it ceased to be a request: by either side or the clock"
    op.add_column("bookings", sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True, comment=comment))
    of_source = "aggregate_type = source_type AND aggregate_id = source_id"
    for statement in (
        (
            'UPDATE availability_blocks SET planned_end = "end", '
            "made_at = (SELECT occurred_at FROM events WHERE event_id = source_event_id)"
        ),
        (
            "UPDATE availability_blocks SET allocated_at = (SELECT min(occurred_at) FROM events "
            f"WHERE {of_source} AND event_type = 'BookingActivated') WHERE source_type = 'Booking'"
        ),
        (
            "UPDATE availability_blocks SET given_up_at = (SELECT occurred_at FROM events "
            f"WHERE {of_source} AND aggregate_seq = applied_seq) WHERE released_at IS NOT NULL"
        ),
        (
            "UPDATE bookings SET answered_at = (SELECT min(occurred_at) FROM events "
            "WHERE aggregate_type = 'Booking' AND aggregate_id = bookings.id "
            "AND event_type IN ('BookingApproved', 'BookingRejected', 'BookingCancelled')) "
            "WHERE status NOT IN ('DRAFT', 'REQUESTED')"
        ),
    ):
        op.execute(statement)
    _lengthen_again()


def _lengthen_again() -> None:
    """Give released blocks the end that they were made with: only the fact that made them still tells it."""
    connection = op.get_bind()
    blocks = sa.table(
        "availability_blocks",
        sa.column("id", sa.Uuid()),
        sa.column("source_event_id", sa.Uuid()),
        sa.column("released_at", sa.DateTime(timezone=True)),
        sa.column("planned_end", sa.DateTime(timezone=True)),
    )
    events = sa.table("events", sa.column("event_id", sa.Uuid()), sa.column("payload", sa.JSON()))
    last = None
    while True:
        statement = (
            sa.select(blocks.c.id, events.c.payload)
            .join(events, events.c.event_id == blocks.c.source_event_id)
            .where(blocks.c.released_at.is_not(None))
            .order_by(blocks.c.id)
            .limit(AT_ONCE)
        )
        rows = connection.execute(statement if last is None else statement.where(blocks.c.id > last)).all()
        if not rows:
            return
        connection.execute(
            sa.update(blocks).where(blocks.c.id == sa.bindparam("of")).values(planned_end=sa.bindparam("then")),
            [{"of": row.id, "then": _end_in(row.payload, connection.dialect.name)} for row in rows],
        )
        last = rows[-1].id


def _end_in(payload: dict[str, Any], dialect: str) -> datetime | None:
    text = payload.get("heldUntil") or payload.get("end")
    if text is None:
        return None
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return moment.replace(tzinfo=None) if dialect == "sqlite" else moment


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("bookings", "answered_at")
    for name in NEW:
        op.drop_column("availability_blocks", name)
