"""The tables of identity."""

revision = "0002_identity"
down_revision = "0001_outbox"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
