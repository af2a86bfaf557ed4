"""Mark the accounts of the example data, whose password everybody knows."""

import sqlalchemy as sa
from alembic import op

revision = "0027_example_accounts"
down_revision = "0026_own_handovers"
branch_labels = None
depends_on = None

# Who was made by earlier versions; no real address ends like this (RFC 2606).
EXAMPLES = "email LIKE '%@karokar.example' OR email = 'nisha@harbour.example'"


def upgrade() -> None:
    """Add the mark, and set it for those that are there."""
    op.add_column("users", sa.Column("is_example", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(f"UPDATE users SET is_example = true WHERE {EXAMPLES}")
    op.create_index("ix_users_is_example", "users", ["is_example"])


def downgrade() -> None:
    """Remove the mark."""
    op.drop_index("ix_users_is_example", "users")
    op.drop_column("users", "is_example")
