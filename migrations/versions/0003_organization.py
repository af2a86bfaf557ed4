"""The tables of organization."""

revision = "0003_organization"
down_revision = "0002_identity"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
