"""Guesses that are counted before they are checked, and requests for a new password that are answered afterwards."""

import sqlalchemy as sa
from alembic import op

revision = "0029_tries"
down_revision = "0028_sealed_seeds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the two tables."""
    op.create_table(
        "try_counts",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_try_counts")),
    )
    op.create_index(op.f("ix_try_counts_account"), "try_counts", ["account"])
    op.create_index(op.f("ix_try_counts_last_at"), "try_counts", ["last_at"])
    op.create_table(
        "reset_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reset_requests")),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("reset_requests")
    op.drop_index(op.f("ix_try_counts_last_at"), "try_counts")
    op.drop_index(op.f("ix_try_counts_account"), "try_counts")
    op.drop_table("try_counts")
