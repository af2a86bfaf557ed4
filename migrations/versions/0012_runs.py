"""The tables of runs, and of the pages themselves: forms that were sent, saved views."""

import sqlalchemy as sa
from alembic import op

from karokar.kernel.db import UtcDateTime

revision = "0012_runs"
down_revision = "0011_administration"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "form_submissions",
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=False),
        sa.Column("location", sa.String(2000), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_form_submissions")),
    )
    op.create_index(op.f("ix_form_submissions_sent_at"), "form_submissions", ["sent_at"])
    op.create_table(
        "saved_views",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint", sa.String(100), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("query", sa.String(2000), nullable=False),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint(
            "organization_id",
            "user_id",
            "endpoint",
            "name",
            name=op.f("uq_saved_views_organization_id_user_id_endpoint_name"),
        ),
    )
    op.create_index("ix_saved_views_lookup", "saved_views", ["organization_id", "endpoint"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index("ix_saved_views_lookup", "saved_views")
    op.drop_table("saved_views")
    op.drop_index(op.f("ix_form_submissions_sent_at"), "form_submissions")
    op.drop_table("form_submissions")
