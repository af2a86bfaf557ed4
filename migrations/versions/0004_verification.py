"""The tables of verification."""

revision = "0004_verification"
down_revision = "0003_organization"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
