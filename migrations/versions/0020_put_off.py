"""What people note beside things that wait: put aside until later, and who is at it."""

import sqlalchemy as sa
from alembic import op

revision = "0020_put_off"
down_revision = "0018_booking_orders"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the two tables."""
    op.create_table(
        "put_aside",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("item", sa.String(length=300), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "user_id", "item", name=op.f("pk_put_aside")),
    )
    op.create_table(
        "at_it",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("item", sa.String(length=300), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "item", name=op.f("pk_at_it")),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("at_it")
    op.drop_table("put_aside")
