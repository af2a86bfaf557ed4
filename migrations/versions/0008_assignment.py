"""The tables of assignment."""

import sqlalchemy as sa
from alembic import op

revision = "0008_assignment"
down_revision = "0007_booking"
branch_labels = None
depends_on = None

LIVE = "status IN ('PENDING', 'ACCEPTED', 'ACTIVE')"
STATUSES = "'PENDING', 'ACCEPTED', 'REJECTED', 'ACTIVE', 'COMPLETED', 'CLOSED'"

# SQLite has no exclusion constraint; one writer at a time and this check say the same. An open end lasts for ever.
SQLITE_TRIGGER = """
CREATE TRIGGER assignments_{column}_no_overlap_{moment} BEFORE {moment} ON assignments
WHEN NEW.booking_id IS NULL AND NEW.status IN ('PENDING', 'ACCEPTED', 'ACTIVE') AND EXISTS (
  SELECT 1 FROM assignments other
   WHERE other.{column}_id = NEW.{column}_id AND other.id <> NEW.id
     AND other.booking_id IS NULL AND other.status IN ('PENDING', 'ACCEPTED', 'ACTIVE')
     AND (NEW."end" IS NULL OR other.start < NEW."end")
     AND (other."end" IS NULL OR NEW.start < other."end"))
BEGIN
  SELECT RAISE(ABORT, 'ex_assignments_{column}_no_overlap');
END
"""


def upgrade() -> None:
    """Make the tables, and let no two live direct assignments of a vehicle or an employee overlap."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "assignments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True, comment="booking.bookings; none for a company's own vehicle"),
        sa.Column("vehicle_id", sa.Uuid(), nullable=False, comment="fleet.vehicles"),
        sa.Column("corporate_organization_id", sa.Uuid(), nullable=False, comment="organization.organizations"),
        sa.Column("employee_id", sa.Uuid(), nullable=False, comment="identity.users"),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("start", moment, nullable=False),
        sa.Column("end", moment, nullable=True),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("answered_at", moment, nullable=True),
        sa.Column("activated_at", moment, nullable=True),
        sa.Column("actual_end", moment, nullable=True),
        sa.Column("reminded_hours", sa.Integer(), nullable=True),
        sa.Column("flag", sa.String(40), nullable=False, comment="Why somebody has to fetch the vehicle"),
        sa.Column("odometer_out", sa.Integer(), nullable=True),
        sa.Column("fuel_percent_out", sa.Integer(), nullable=True),
        sa.Column("notes_out", sa.String(2000), nullable=False),
        sa.Column("odometer_in", sa.Integer(), nullable=True),
        sa.Column("fuel_percent_in", sa.Integer(), nullable=True),
        sa.Column("notes_in", sa.String(2000), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.CheckConstraint('"end" IS NULL OR "end" > start', name=op.f("ck_assignments_ends_after_start")),
        sa.CheckConstraint(f"status IN ({STATUSES})", name=op.f("ck_assignments_status_is_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignments")),
    )
    op.create_index(op.f("uq_assignments_booking_id_round"), "assignments", ["booking_id", "round"], unique=True)
    for columns in (
        ["vehicle_id", "start"],
        ["employee_id", "status", "start"],
        ["corporate_organization_id", "status", "start"],
        ["status", "start"],
    ):
        op.create_index(op.f(f"ix_assignments_{'_'.join(columns)}"), "assignments", columns)
    op.create_table(
        "assignment_settings",
        sa.Column("key", sa.String(60), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.Column("changed_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_assignment_settings")),
    )
    for column in ("vehicle", "employee"):
        if op.get_bind().dialect.name == "postgresql":
            op.execute(
                f"ALTER TABLE assignments ADD CONSTRAINT ex_assignments_{column}_no_overlap EXCLUDE USING gist "
                f'({column}_id WITH =, tstzrange(start, "end") WITH &&) WHERE (booking_id IS NULL AND {LIVE})'
            )
        else:
            for occasion in ("INSERT", "UPDATE"):
                op.execute(SQLITE_TRIGGER.format(column=column, moment=occasion))


def downgrade() -> None:
    """Drop the tables; triggers and constraints go with them."""
    op.drop_table("assignment_settings")
    op.drop_table("assignments")
