"""The tables of audit."""

revision = "0010_audit"
down_revision = "0009_notification"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
