"""The tables of administration."""

revision = "0011_administration"
down_revision = "0010_audit"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
