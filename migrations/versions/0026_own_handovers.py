"""Handovers of companies' own vehicles with checklist and photos, as bookings have them."""

import uuid
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0026_own_handovers"
down_revision = "0025_token_addresses"
branch_labels = None
depends_on = None

AT_ONCE = 1000
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, move the readings there that assignments have, and drop the columns that held them."""
    op.create_table(
        "assignment_handovers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(3), nullable=False),
        sa.Column(
            "organization_id", sa.Uuid(), nullable=False, comment="organization.organizations; whose person did it"
        ),
        sa.Column("done_by", sa.Uuid(), nullable=True, comment="identity.users"),
        sa.Column("done_at", MOMENT, nullable=False),
        sa.Column("odometer", sa.Integer(), nullable=False),
        sa.Column("fuel_percent", sa.Integer(), nullable=False),
        sa.Column("checks", sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("is_damaged", sa.Boolean(), nullable=False),
        sa.Column("notes", sa.String(2000), nullable=False),
        sa.CheckConstraint("kind IN ('OUT', 'IN')", name=op.f("ck_assignment_handovers_kind_is_known")),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignments.id"], name=op.f("fk_assignment_handovers_assignment_id_assignments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment_handovers")),
    )
    op.create_index(
        op.f("uq_assignment_handovers_assignment_id_kind"),
        "assignment_handovers",
        ["assignment_id", "kind"],
        unique=True,
    )
    op.create_table(
        "assignment_photos",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("handover_id", sa.Uuid(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.String(20), nullable=False),
        sa.Column("media_type", sa.String(20), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["handover_id"],
            ["assignment_handovers.id"],
            name=op.f("fk_assignment_photos_handover_id_assignment_handovers"),
        ),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignments.id"], name=op.f("fk_assignment_photos_assignment_id_assignments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment_photos")),
    )
    op.create_index(op.f("ix_assignment_photos_handover_id"), "assignment_photos", ["handover_id"])
    op.create_index(op.f("ix_assignment_photos_assignment_id"), "assignment_photos", ["assignment_id"])
    _move_readings()
    for name in COLUMNS:
        op.drop_column("assignments", name)


def downgrade() -> None:
    """Put the readings back into the assignments and drop the tables; checks and photos go with them."""
    for name in ("odometer_out", "fuel_percent_out", "odometer_in", "fuel_percent_in"):
        op.add_column("assignments", sa.Column(name, sa.Integer(), nullable=True))
    for name in ("notes_out", "notes_in"):
        op.add_column("assignments", sa.Column(name, sa.String(2000), nullable=False, server_default=""))
    handovers, assignments = _handovers(), _assignments()
    for row in op.get_bind().execute(sa.select(handovers)).all():
        side = row.kind.lower()
        values = {
            f"odometer_{side}": row.odometer,
            f"fuel_percent_{side}": row.fuel_percent,
            f"notes_{side}": row.notes,
        }
        op.get_bind().execute(assignments.update().where(assignments.c.id == row.assignment_id).values(values))
    op.drop_table("assignment_photos")
    op.drop_table("assignment_handovers")


COLUMNS = ("odometer_out", "fuel_percent_out", "notes_out", "odometer_in", "fuel_percent_in", "notes_in")


def _handovers() -> sa.TableClause:
    return sa.table(
        "assignment_handovers",
        sa.column("id", sa.Uuid()),
        sa.column("assignment_id", sa.Uuid()),
        sa.column("kind", sa.String()),
        sa.column("organization_id", sa.Uuid()),
        sa.column("done_by", sa.Uuid()),
        sa.column("done_at", MOMENT),
        sa.column("odometer", sa.Integer()),
        sa.column("fuel_percent", sa.Integer()),
        sa.column("checks", sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql")),
        sa.column("is_damaged", sa.Boolean()),
        sa.column("notes", sa.String()),
    )


def _assignments() -> sa.TableClause:
    return sa.table(
        "assignments",
        sa.column("id", sa.Uuid()),
        sa.column("corporate_organization_id", sa.Uuid()),
        sa.column("activated_at", MOMENT),
        sa.column("actual_end", MOMENT),
        *(sa.column(name) for name in COLUMNS),
    )


def _move_readings() -> None:
    assignments = _assignments()
    has_one = sa.or_(assignments.c.odometer_out.is_not(None), assignments.c.odometer_in.is_not(None))
    rows = op.get_bind().execute(sa.select(assignments).where(has_one)).all()
    found = [values for row in rows for values in _of(row)]
    for first in range(0, len(found), AT_ONCE):
        op.get_bind().execute(_handovers().insert(), found[first : first + AT_ONCE])


def _of(row: sa.Row) -> Iterator[dict[str, object]]:
    """Yield the handovers of an assignment; who did them was not kept."""
    for kind, done_at in (("OUT", row.activated_at), ("IN", row.actual_end)):
        side = kind.lower()
        if getattr(row, f"odometer_{side}") is None or done_at is None:
            continue
        yield {
            "id": uuid.uuid5(row.id, kind),
            "assignment_id": row.id,
            "kind": kind,
            "organization_id": row.corporate_organization_id,
            "done_by": None,
            "done_at": done_at,
            "odometer": getattr(row, f"odometer_{side}"),
            "fuel_percent": getattr(row, f"fuel_percent_{side}") or 0,
            "checks": [],
            "is_damaged": False,
            "notes": getattr(row, f"notes_{side}"),
        }
