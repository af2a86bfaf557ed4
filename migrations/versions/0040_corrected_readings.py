"""What a handover's odometer reading was before it was corrected, when, and by whom."""

import sqlalchemy as sa
from alembic import op

revision = "0040_corrected_readings"
down_revision = "0039_lost_batches_are_retries"
branch_labels = None
depends_on = None

TABLES = ("booking_handovers", "assignment_handovers")


def upgrade() -> None:
    """Add the columns; nothing was corrected so far."""
    for table in TABLES:
        for column in (
            sa.Column("corrected_from", sa.Integer(), comment="The odometer before it was last corrected"),
            sa.Column("corrected_at", sa.DateTime(timezone=True)),
            sa.Column("corrected_by", sa.Uuid(), comment="identity.users"),
            sa.Column("corrected_for", sa.Uuid(), comment="organization.organizations; whose person corrected it"),
        ):
            op.add_column(table, column)


def downgrade() -> None:
    """Remove them; the corrected readings stay."""
    for table in TABLES:
        for name in ("corrected_for", "corrected_by", "corrected_at", "corrected_from"):
            op.drop_column(table, name)
