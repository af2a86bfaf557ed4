"""The tables of availability."""

revision = "0006_availability"
down_revision = "0005_fleet"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
