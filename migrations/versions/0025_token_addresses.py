"""From where an API token was used last."""

import sqlalchemy as sa
from alembic import op

revision = "0025_token_addresses"
down_revision = "0024_search_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("api_tokens", sa.Column("last_used_from", sa.String(), nullable=True))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("api_tokens", "last_used_from")
