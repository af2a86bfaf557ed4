"""The tables of availability."""

import sqlalchemy as sa
from alembic import op

revision = "0006_availability"
down_revision = "0005_fleet"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "availability_blocks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("vehicle_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("corporate_organization_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_type", sa.String(length=20), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("source_event_id", sa.Uuid(), nullable=False),
        sa.Column("source_seq", sa.Integer(), nullable=False),
        sa.Column("applied_seq", sa.Integer(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('RESERVED', 'ALLOCATED', 'MAINTENANCE', 'SUSPENDED')",
            name=op.f("ck_availability_blocks_kind_known"),
        ),
        sa.CheckConstraint('"end" IS NULL OR "end" >= start', name=op.f("ck_availability_blocks_ends_after_start")),
        sa.CheckConstraint(
            'released_at IS NULL OR "end" IS NOT NULL', name=op.f("ck_availability_blocks_released_block_has_an_end")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability_blocks")),
    )
    op.create_index(
        "ix_availability_blocks_corporate_organization_id_start",
        "availability_blocks",
        ["corporate_organization_id", "start"],
        unique=False,
    )
    op.create_index(
        "ix_availability_blocks_end_start", "availability_blocks", ["end", "start", "vehicle_id"], unique=False
    )
    op.create_index(
        "ix_availability_blocks_held",
        "availability_blocks",
        ["vehicle_id"],
        unique=False,
        postgresql_where=sa.text("released_at IS NULL"),
        sqlite_where=sa.text("released_at IS NULL"),
    )
    op.create_index(
        "ix_availability_blocks_held_end",
        "availability_blocks",
        ["end"],
        unique=False,
        postgresql_where=sa.text("released_at IS NULL"),
        sqlite_where=sa.text("released_at IS NULL"),
    )
    op.create_index(
        "ix_availability_blocks_open",
        "availability_blocks",
        ["start", "vehicle_id"],
        unique=False,
        postgresql_where=sa.text('"end" IS NULL'),
        sqlite_where=sa.text('"end" IS NULL'),
    )
    op.create_index("ix_availability_blocks_source", "availability_blocks", ["source_type", "source_id"], unique=False)
    op.create_index("ix_availability_blocks_start", "availability_blocks", ["start"], unique=False)
    op.create_index(
        "ix_availability_blocks_vehicle_id_start", "availability_blocks", ["vehicle_id", "start"], unique=False
    )
    op.create_table(
        "availability_conflicts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("vehicle_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("corporate_organization_id", sa.Uuid(), nullable=True),
        sa.Column("first_block_id", sa.Uuid(), nullable=False),
        sa.Column("first_source_type", sa.String(length=20), nullable=False),
        sa.Column("first_source_id", sa.Uuid(), nullable=False),
        sa.Column("second_block_id", sa.Uuid(), nullable=False),
        sa.Column("second_source_type", sa.String(length=20), nullable=False),
        sa.Column("second_source_id", sa.Uuid(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("resolution", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("detected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(status = 'RESOLVED') = (resolved_at IS NOT NULL)",
            name=op.f("ck_availability_conflicts_resolved_at_when_resolved"),
        ),
        sa.CheckConstraint(
            "resolution IN ('', 'NO_OVERLAP', 'ACCEPTED')", name=op.f("ck_availability_conflicts_resolution_known")
        ),
        sa.CheckConstraint("status IN ('OPEN', 'RESOLVED')", name=op.f("ck_availability_conflicts_status_known")),
        sa.CheckConstraint('"end" IS NULL OR "end" > start', name=op.f("ck_availability_conflicts_ends_after_start")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability_conflicts")),
    )
    op.create_index(
        "ix_availability_conflicts_corporate_status",
        "availability_conflicts",
        ["corporate_organization_id", "status"],
        unique=False,
    )
    op.create_index(
        "ix_availability_conflicts_organization_id_status",
        "availability_conflicts",
        ["organization_id", "status"],
        unique=False,
    )
    op.create_index(
        "ix_availability_conflicts_vehicle_id_status", "availability_conflicts", ["vehicle_id", "status"], unique=False
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index("ix_availability_conflicts_vehicle_id_status", table_name="availability_conflicts")
    op.drop_index("ix_availability_conflicts_organization_id_status", table_name="availability_conflicts")
    op.drop_index("ix_availability_conflicts_corporate_status", table_name="availability_conflicts")
    op.drop_table("availability_conflicts")
    op.drop_index("ix_availability_blocks_vehicle_id_start", table_name="availability_blocks")
    op.drop_index("ix_availability_blocks_start", table_name="availability_blocks")
    op.drop_index("ix_availability_blocks_source", table_name="availability_blocks")
    op.drop_index(
        "ix_availability_blocks_open",
        table_name="availability_blocks",
        postgresql_where=sa.text('"end" IS NULL'),
        sqlite_where=sa.text('"end" IS NULL'),
    )
    op.drop_index(
        "ix_availability_blocks_held_end",
        table_name="availability_blocks",
        postgresql_where=sa.text("released_at IS NULL"),
        sqlite_where=sa.text("released_at IS NULL"),
    )
    op.drop_index(
        "ix_availability_blocks_held",
        table_name="availability_blocks",
        postgresql_where=sa.text("released_at IS NULL"),
        sqlite_where=sa.text("released_at IS NULL"),
    )
    op.drop_index("ix_availability_blocks_end_start", table_name="availability_blocks")
    op.drop_index("ix_availability_blocks_corporate_organization_id_start", table_name="availability_blocks")
    op.drop_table("availability_blocks")
