"""The tables of runs."""

revision = "0012_runs"
down_revision = "0011_administration"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
