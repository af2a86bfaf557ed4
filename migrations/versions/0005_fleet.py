"""The tables of fleet."""

revision = "0005_fleet"
down_revision = "0004_verification"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
