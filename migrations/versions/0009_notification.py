"""The tables of notification."""

revision = "0009_notification"
down_revision = "0008_assignment"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
