"""The tables of booking."""

import sqlalchemy as sa
from alembic import op

revision = "0007_booking"
down_revision = "0006_availability"
branch_labels = None
depends_on = None

LIVE = "('APPROVED', 'ASSIGNED', 'ACTIVE')"
STATUSES = "'DRAFT', 'REQUESTED', 'APPROVED', 'REJECTED', 'ASSIGNED', 'ACTIVE', 'COMPLETED', 'CANCELLED', 'TERMINATED'"

# SQLite has no exclusion constraint; one writer at a time and this check say the same.
SQLITE_TRIGGER = f"""
CREATE TRIGGER bookings_no_overlap_{{name}} BEFORE {{moment}} ON bookings
WHEN NEW.status IN {LIVE} AND EXISTS (
  SELECT 1 FROM bookings other
   WHERE other.vehicle_id = NEW.vehicle_id AND other.id <> NEW.id AND other.status IN {LIVE}
     AND other.start < NEW.held_until AND NEW.start < other.held_until)
BEGIN
  SELECT RAISE(ABORT, 'ex_bookings_no_overlap');
END
"""


def upgrade() -> None:
    """Make the tables, and let no two bookings hold one vehicle at the same time."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "bookings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.String(12), nullable=False),
        sa.Column("vehicle_id", sa.Uuid(), nullable=False, comment="fleet.vehicles"),
        sa.Column(
            "place", sa.String(300), nullable=False, comment="Where the vehicle is picked up, as it was when drafted"
        ),
        sa.Column("place_time_zone", sa.String(60), nullable=False),
        sa.Column("vendor_organization_id", sa.Uuid(), nullable=False, comment="organization.organizations"),
        sa.Column("corporate_organization_id", sa.Uuid(), nullable=False, comment="organization.organizations"),
        sa.Column("requested_by", sa.Uuid(), nullable=False, comment="identity.users"),
        sa.Column("employee_id", sa.Uuid(), nullable=True, comment="identity.users; the choice of the current round"),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("start", moment, nullable=False),
        sa.Column("end", moment, nullable=False),
        sa.Column("held_until", moment, nullable=True, comment="End plus the vendor's buffer, set at approval"),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("purpose", sa.String(500), nullable=False),
        sa.Column("reason", sa.String(40), nullable=True),
        sa.Column("note", sa.String(1000), nullable=False),
        sa.Column("offered_vehicle_id", sa.Uuid(), nullable=True, comment="fleet.vehicles; offered with a rejection"),
        sa.Column("submitted_at", moment, nullable=True),
        sa.Column("activated_at", moment, nullable=True),
        sa.Column("actual_end", moment, nullable=True),
        sa.Column("overdue_at", moment, nullable=True, comment="When the clock noticed that it is late"),
        sa.Column("reminded_at", moment, nullable=True, comment="When the clock reminded of the handover"),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.CheckConstraint('"end" > start', name=op.f("ck_bookings_ends_after_start")),
        sa.CheckConstraint('held_until IS NULL OR held_until >= "end"', name=op.f("ck_bookings_held_to_the_end")),
        sa.CheckConstraint(f"NOT (status IN {LIVE}) OR held_until IS NOT NULL", name=op.f("ck_bookings_live_is_held")),
        sa.CheckConstraint(f"status IN ({STATUSES})", name=op.f("ck_bookings_status_is_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
        sa.UniqueConstraint("reference", name=op.f("uq_bookings_reference")),
    )
    for columns in (
        ["start", "id"],
        ["vendor_organization_id", "start", "id"],
        ["corporate_organization_id", "start", "id"],
        ["vendor_organization_id", "status", "start"],
        ["corporate_organization_id", "status", "start"],
        ["vehicle_id", "start"],
        ["employee_id"],
        ["status", "start"],
    ):
        op.create_index(op.f(f"ix_bookings_{'_'.join(columns)}"), "bookings", columns)
    if is_postgresql:
        op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
        op.execute(
            "ALTER TABLE bookings ADD CONSTRAINT ex_bookings_no_overlap EXCLUDE USING gist "
            f"(vehicle_id WITH =, tstzrange(start, held_until) WITH &&) WHERE (status IN {LIVE})"
        )
    else:
        op.execute(SQLITE_TRIGGER.format(name="insert", moment="INSERT"))
        op.execute(SQLITE_TRIGGER.format(name="update", moment="UPDATE"))
    op.create_table(
        "booking_comments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False, comment="organization.organizations"),
        sa.Column("author_id", sa.Uuid(), nullable=False, comment="identity.users"),
        sa.Column("text", sa.String(2000), nullable=False),
        sa.Column("written_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_booking_comments_booking_id_bookings")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_comments")),
    )
    op.create_index(op.f("ix_booking_comments_booking_id"), "booking_comments", ["booking_id"])
    op.create_table(
        "booking_handovers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(3), nullable=False),
        sa.Column(
            "organization_id", sa.Uuid(), nullable=False, comment="organization.organizations; whose person did it"
        ),
        sa.Column("done_by", sa.Uuid(), nullable=True, comment="identity.users"),
        sa.Column("done_at", moment, nullable=False),
        sa.Column("odometer", sa.Integer(), nullable=False),
        sa.Column("fuel_percent", sa.Integer(), nullable=False),
        sa.Column("checks", sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("is_damaged", sa.Boolean(), nullable=False),
        sa.Column("notes", sa.String(2000), nullable=False),
        sa.CheckConstraint("kind IN ('OUT', 'IN')", name=op.f("ck_booking_handovers_kind_is_known")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_booking_handovers_booking_id_bookings")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_handovers")),
    )
    op.create_index(
        op.f("uq_booking_handovers_booking_id_kind"), "booking_handovers", ["booking_id", "kind"], unique=True
    )
    op.create_table(
        "booking_photos",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("handover_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.String(20), nullable=False),
        sa.Column("media_type", sa.String(20), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["handover_id"], ["booking_handovers.id"], name=op.f("fk_booking_photos_handover_id_booking_handovers")
        ),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_booking_photos_booking_id_bookings")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_photos")),
    )
    op.create_index(op.f("ix_booking_photos_handover_id"), "booking_photos", ["handover_id"])
    op.create_index(op.f("ix_booking_photos_booking_id"), "booking_photos", ["booking_id"])
    op.create_table(
        "booking_suspension_works",
        sa.Column("event_id", sa.Uuid(), nullable=False, comment="The OrganizationSuspended that asked for it"),
        sa.Column("organization_id", sa.Uuid(), nullable=False, comment="organization.organizations"),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_booking_suspension_works")),
    )
    op.create_index(
        op.f("ix_booking_suspension_works_organization_id"), "booking_suspension_works", ["organization_id"]
    )


def downgrade() -> None:
    """Drop the tables; triggers and constraints go with them."""
    for table in ("booking_suspension_works", "booking_photos", "booking_handovers", "booking_comments", "bookings"):
        op.drop_table(table)
