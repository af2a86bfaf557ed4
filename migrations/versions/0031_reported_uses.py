"""When vehicles were out, for reports: as periods, so that what is out now counts, in any zone."""

import sqlalchemy as sa
from alembic import op

revision = "0031_reported_uses"
down_revision = "0030_plates"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table, which its handler fills from the beginning of the log, and drop what it replaces."""
    op.create_table(
        "reported_uses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("vehicle_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_organization_id", sa.Uuid(), nullable=True),
        sa.Column("corporate_organization_id", sa.Uuid(), nullable=False),
        sa.Column("out_at", MOMENT, nullable=False),
        sa.Column("back_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reported_uses")),
    )
    for columns in (["vendor_organization_id", "out_at"], ["corporate_organization_id", "out_at"], ["out_at"]):
        op.create_index(f"ix_reported_uses_{'_'.join(columns)}", "reported_uses", columns)
    op.execute("DELETE FROM daily_facts WHERE measure IN ('USED', 'HANDED_OVER')")
    # What the former handler of uses was given besides: left, these events would wait for code that never comes.
    op.execute(
        "DELETE FROM subscriptions WHERE name = 'administration.count_day' "
        "AND event_type IN ('BookingActivated', 'BookingCompleted', 'BookingTerminated')"
    )


def downgrade() -> None:
    """Drop the table. The hours per day come back by rebuilding the handler that counted them."""
    op.drop_table("reported_uses")
