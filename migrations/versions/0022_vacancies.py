"""Why an assigned booking needs another driver, beside its status."""

import sqlalchemy as sa
from alembic import op

revision = "0022_vacancies"
down_revision = "0021_constraint_names"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; its handler fills it from the beginning of the log."""
    comment = "Why nobody drives in this round; the assignments' events say so"
    op.add_column("bookings", sa.Column("vacancy", sa.String(length=10), nullable=True, comment=comment))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("bookings", "vacancy")
