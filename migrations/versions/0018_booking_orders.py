"""Indexes for each order, search and period of the lists of bookings, so that a page of a million is as quick as of ten."""

from alembic import op

revision = "0018_booking_orders"
down_revision = "0017_calendar_periods"
branch_labels = None
depends_on = None

SIDES = ([], ["vendor_organization_id"], ["corporate_organization_id"])
NEW = [
    [*side, *columns]
    for side in SIDES
    for columns in (["end", "id"], ["status", "start", "id"], ["status", "end", "id"], ["status", "id"])
] + [["requested_by"]]
FORMER = [[*side, "status", "start"] for side in SIDES]


def _name(columns: list[str]) -> str:
    return f"ix_bookings_{'_'.join(columns)}"


def upgrade() -> None:
    """Make the new indexes; those by status and start become ones that keep the order to the end."""
    for columns in FORMER:
        op.drop_index(_name(columns), "bookings")
    for columns in NEW:
        op.create_index(_name(columns), "bookings", columns)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        op.execute('CREATE INDEX ix_bookings_period ON bookings USING gist (tstzrange(start, "end"))')
        op.execute(
            "CREATE INDEX ix_bookings_reference_signs ON bookings USING gin (replace(reference, '-', '') gin_trgm_ops)"
        )


def downgrade() -> None:
    """Make the former ones again. The extension stays: something else may use it."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_bookings_reference_signs", "bookings")
        op.drop_index("ix_bookings_period", "bookings")
    for columns in NEW:
        op.drop_index(_name(columns), "bookings")
    for columns in FORMER:
        op.create_index(_name(columns), "bookings", columns)
