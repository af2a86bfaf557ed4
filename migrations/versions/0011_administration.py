"""The tables of administration."""

import sqlalchemy as sa
from alembic import op

from karokar.kernel.db import UtcDateTime

revision = "0011_administration"
down_revision = "0010_audit"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "reported_vehicles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("category", sa.String(40), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reported_vehicles")),
    )
    op.create_index(op.f("ix_reported_vehicles_organization_id"), "reported_vehicles", ["organization_id"])
    op.create_table(
        "daily_facts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("measure", sa.String(20), nullable=False),
        sa.Column("side", sa.String(10), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("vehicle_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(60), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_daily_facts")),
    )
    op.create_index("ix_daily_facts_all", "daily_facts", ["side", "measure", "day"])
    op.create_index("ix_daily_facts_booking", "daily_facts", ["booking_id", "measure"])
    op.create_index("ix_daily_facts_report", "daily_facts", ["organization_id", "measure", "day"])
    op.create_table(
        "settings",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_settings")),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("settings")
    op.drop_table("daily_facts")
    op.drop_table("reported_vehicles")
