"""Which bookings ended without bringing their vehicle back, when it came back, and whose vehicle is still out."""

import sqlalchemy as sa
from alembic import op

revision = "0037_awaited_vehicles"
down_revision = "0036_fair_queues"
branch_labels = None
depends_on = None

AWAITED = sa.text("awaited_since IS NOT NULL AND returned_at IS NULL")
COLUMNS = {
    "delayed_at": "When the clock noticed that its vehicle is still out",
    "awaited_since": "When it ended without bringing the vehicle back",
    "returned_at": "When such a vehicle came back after all",
}


def upgrade() -> None:
    """Add the columns and an index of what is awaited. What ended before is taken as back: its calendar says so."""
    for name, comment in COLUMNS.items():
        op.add_column("bookings", sa.Column(name, sa.DateTime(timezone=True), nullable=True, comment=comment))
    op.create_index("ix_bookings_awaited", "bookings", ["vehicle_id"], postgresql_where=AWAITED, sqlite_where=AWAITED)


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_bookings_awaited", table_name="bookings")
    for name in reversed(COLUMNS):
        op.drop_column("bookings", name)
