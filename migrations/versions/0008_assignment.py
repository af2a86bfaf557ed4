"""The tables of assignment."""

revision = "0008_assignment"
down_revision = "0007_booking"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
