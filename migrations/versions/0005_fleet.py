"""The tables of fleet."""

import sqlalchemy as sa
from alembic import op

revision = "0005_fleet"
down_revision = "0004_verification"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "vehicles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("ownership_type", sa.String(length=20), nullable=False),
        sa.Column("make", sa.String(length=60), nullable=False),
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("license_plate", sa.String(length=20), nullable=False),
        sa.Column("plate_key", sa.String(length=20), nullable=False),
        sa.Column("category", sa.String(length=20), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.Column("city", sa.String(length=80), nullable=False),
        sa.Column("city_key", sa.String(length=80), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("time_zone", sa.String(length=60), nullable=False),
        sa.Column("odometer", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("suspended_by", sa.String(length=20), nullable=True),
        sa.Column("suspension_reason", sa.String(length=40), nullable=False),
        sa.Column("suspension_note", sa.Text(), nullable=False),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(status = 'SUSPENDED') = (suspended_by IS NOT NULL)", name=op.f("ck_vehicles_suspension_has_a_kind")
        ),
        sa.CheckConstraint(
            "ownership_type IN ('VENDOR_OWNED', 'CORPORATE_OWNED')", name=op.f("ck_vehicles_ownership_type_known")
        ),
        sa.CheckConstraint(
            "status IN ('PENDING', 'ACTIVE', 'SUSPENDED', 'RETIRED')", name=op.f("ck_vehicles_status_known")
        ),
        sa.CheckConstraint(
            "suspended_by IN ('OWNER', 'PLATFORM', 'DOCUMENTS')", name=op.f("ck_vehicles_suspended_by_known")
        ),
        sa.CheckConstraint("odometer >= 0", name=op.f("ck_vehicles_odometer_not_negative")),
        sa.CheckConstraint("seats BETWEEN 1 AND 100", name=op.f("ck_vehicles_seats_in_range")),
        sa.CheckConstraint("year BETWEEN 1900 AND 2100", name=op.f("ck_vehicles_year_in_range")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vehicles")),
    )
    op.create_index("ix_vehicles_offer", "vehicles", ["status", "city_key", "category"], unique=False)
    op.create_index(
        "ix_vehicles_organization_id_created_at", "vehicles", ["organization_id", "created_at"], unique=False
    )
    op.create_index(
        "uq_vehicles_plate_key",
        "vehicles",
        ["plate_key"],
        unique=True,
        postgresql_where=sa.text("status <> 'RETIRED'"),
        sqlite_where=sa.text("status <> 'RETIRED'"),
    )
    op.create_table(
        "maintenance_windows",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("vehicle_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=False),
        sa.Column("cost_minor", sa.Integer(), nullable=True),
        sa.Column("cost_currency", sa.String(length=3), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(status = 'CANCELLED') = (cancelled_at IS NOT NULL)",
            name=op.f("ck_maintenance_windows_cancelled_at_when_cancelled"),
        ),
        sa.CheckConstraint(
            "(status = 'COMPLETED') = (completed_at IS NOT NULL)",
            name=op.f("ck_maintenance_windows_completed_at_when_completed"),
        ),
        sa.CheckConstraint(
            "kind IN ('SERVICE', 'REPAIR', 'INSPECTION', 'TYRES', 'CLEANING', 'OTHER')",
            name=op.f("ck_maintenance_windows_kind_known"),
        ),
        sa.CheckConstraint(
            "status IN ('SCHEDULED', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED')",
            name=op.f("ck_maintenance_windows_status_known"),
        ),
        sa.CheckConstraint('"end" > start', name=op.f("ck_maintenance_windows_ends_after_start")),
        sa.CheckConstraint(
            "(cost_minor IS NULL) = (cost_currency IS NULL)", name=op.f("ck_maintenance_windows_cost_has_a_currency")
        ),
        sa.CheckConstraint("cost_minor >= 0", name=op.f("ck_maintenance_windows_cost_not_negative")),
        sa.ForeignKeyConstraint(
            ["vehicle_id"], ["vehicles.id"], name=op.f("fk_maintenance_windows_vehicle_id_vehicles")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_windows")),
    )
    op.create_index(
        "ix_maintenance_windows_organization_id_status",
        "maintenance_windows",
        ["organization_id", "status", "start"],
        unique=False,
    )
    op.create_index(
        "ix_maintenance_windows_vehicle_id_start", "maintenance_windows", ["vehicle_id", "start"], unique=False
    )
    op.create_table(
        "odometer_readings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("vehicle_id", sa.Uuid(), nullable=False),
        sa.Column("kilometres", sa.Integer(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("mark", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("voided_by", sa.Uuid(), nullable=True),
        sa.Column("void_reason", sa.Text(), nullable=False),
        sa.CheckConstraint("mark IN ('', 'OUT_OF_ORDER', 'IMPLAUSIBLE')", name=op.f("ck_odometer_readings_mark_known")),
        sa.CheckConstraint(
            "source IN ('REGISTRATION', 'MANUAL', 'HANDOVER', 'RETURN')", name=op.f("ck_odometer_readings_source_known")
        ),
        sa.CheckConstraint("kilometres >= 0", name=op.f("ck_odometer_readings_kilometres_not_negative")),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_odometer_readings_vehicle_id_vehicles")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_odometer_readings")),
    )
    op.create_index(
        "ix_odometer_readings_vehicle_id_read_at", "odometer_readings", ["vehicle_id", "read_at"], unique=False
    )
    op.create_table(
        "vehicle_calendars",
        sa.Column("vehicle_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_vehicle_calendars_vehicle_id_vehicles")),
        sa.PrimaryKeyConstraint("vehicle_id", name=op.f("pk_vehicle_calendars")),
    )
    op.create_table(
        "vehicle_drivers",
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("vehicle_id", sa.Uuid(), nullable=False),
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applied_seq", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_vehicle_drivers_vehicle_id_vehicles")),
        sa.PrimaryKeyConstraint("assignment_id", name=op.f("pk_vehicle_drivers")),
    )
    op.create_index("ix_vehicle_drivers_employee_id", "vehicle_drivers", ["employee_id"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index("ix_vehicle_drivers_employee_id", table_name="vehicle_drivers")
    op.drop_table("vehicle_drivers")
    op.drop_table("vehicle_calendars")
    op.drop_index("ix_odometer_readings_vehicle_id_read_at", table_name="odometer_readings")
    op.drop_table("odometer_readings")
    op.drop_index("ix_maintenance_windows_vehicle_id_start", table_name="maintenance_windows")
    op.drop_index("ix_maintenance_windows_organization_id_status", table_name="maintenance_windows")
    op.drop_table("maintenance_windows")
    op.drop_index(
        "uq_vehicles_plate_key",
        table_name="vehicles",
        postgresql_where=sa.text("status <> 'RETIRED'"),
        sqlite_where=sa.text("status <> 'RETIRED'"),
    )
    op.drop_index("ix_vehicles_organization_id_created_at", table_name="vehicles")
    op.drop_index("ix_vehicles_offer", table_name="vehicles")
    op.drop_table("vehicles")
