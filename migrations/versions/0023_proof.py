"""When a session last proved who uses it, and with which API token a run was started."""

import sqlalchemy as sa
from alembic import op

revision = "0023_proof"
down_revision = "0022_vacancies"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the two columns. A session from before has proved nothing lately."""
    op.add_column("user_sessions", sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("runs", sa.Column("token_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("runs", "token_id")
    op.drop_column("user_sessions", "proven_at")
