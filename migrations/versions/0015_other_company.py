"""The second company of a conflict: where each of the two blocks is another company's."""

import sqlalchemy as sa
from alembic import op

revision = "0015_other_company"
down_revision = "0014_default_views"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and its index."""
    op.add_column("availability_conflicts", sa.Column("other_corporate_organization_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_availability_conflicts_other_corporate_status",
        "availability_conflicts",
        ["other_corporate_organization_id", "status"],
    )


def downgrade() -> None:
    """Drop both."""
    op.drop_index("ix_availability_conflicts_other_corporate_status", "availability_conflicts")
    op.drop_column("availability_conflicts", "other_corporate_organization_id")
