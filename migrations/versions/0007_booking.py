"""The tables of booking."""

revision = "0007_booking"
down_revision = "0006_availability"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
