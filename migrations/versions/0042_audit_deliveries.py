"""Which places outside have taken a signed checkpoint of the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0042_audit_deliveries"
down_revision = "0041_quotas"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "audit_deliveries",
        sa.Column("place", sa.String(length=20), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_audit_deliveries")),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("audit_deliveries")
