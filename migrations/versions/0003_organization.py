"""The tables of organization."""

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003_organization"
down_revision = "0002_identity"
branch_labels = None
depends_on = None

PLATFORM_ID = UUID("01900000-0000-7000-8000-000000000001")
# The row needs a time; it is not one at which anything happened.
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
APPEND_ONLY = {
    "postgresql": (
        """
        CREATE FUNCTION karokar_keep_organization_decisions() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'Decisions about organizations are kept as they were made.';
        END $$
        """,
        """
        CREATE TRIGGER organization_decisions_are_kept BEFORE UPDATE OR DELETE ON organization_decisions
        FOR EACH ROW EXECUTE FUNCTION karokar_keep_organization_decisions()
        """,
    ),
    "sqlite": tuple(
        f"""
        CREATE TRIGGER organization_decisions_are_kept_{verb.lower()} BEFORE {verb} ON organization_decisions
        BEGIN SELECT RAISE(ABORT, 'Decisions about organizations are kept as they were made.'); END
        """
        for verb in ("UPDATE", "DELETE")
    ),
}


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "organizations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("parent_organization_id", sa.Uuid(), nullable=True),
        sa.Column("metadata", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("buffer_minutes", sa.Integer(), nullable=False),
        sa.Column("contact_name", sa.String(), nullable=True),
        sa.Column("contact_phone", sa.String(), nullable=True),
        sa.Column("reminders", sa.Boolean(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "status IN ('PENDING', 'ACTIVE', 'REJECTED', 'SUSPENDED')", name=op.f("ck_organizations_status_is_known")
        ),
        sa.CheckConstraint("type IN ('PLATFORM', 'VENDOR', 'CORPORATE')", name=op.f("ck_organizations_type_is_known")),
        sa.CheckConstraint("buffer_minutes BETWEEN 0 AND 1440", name=op.f("ck_organizations_buffer_is_a_day_at_most")),
        sa.CheckConstraint(
            "parent_organization_id IS NULL OR parent_organization_id <> id",
            name=op.f("ck_organizations_parent_is_another"),
        ),
        sa.ForeignKeyConstraint(
            ["parent_organization_id"],
            ["organizations.id"],
            name=op.f("fk_organizations_parent_organization_id_organizations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
    )
    op.create_index(
        op.f("ix_organizations_parent_organization_id"), "organizations", ["parent_organization_id"], unique=False
    )
    op.create_index("ix_organizations_type_status", "organizations", ["type", "status"], unique=False)
    op.create_table(
        "organization_applicants",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("first_name", sa.String(), nullable=False),
        sa.Column("last_name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_organization_applicants_organization_id_organizations"),
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_organization_applicants")),
    )
    op.create_table(
        "organization_decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("reviewer_id", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("notes", sa.String(), nullable=False),
        sa.CheckConstraint(
            "decision IN ('PENDING', 'APPROVED', 'REJECTED', 'REVOKED')",
            name=op.f("ck_organization_decisions_decision_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_organization_decisions_organization_id_organizations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization_decisions")),
    )
    op.create_index(
        op.f("ix_organization_decisions_organization_id"), "organization_decisions", ["organization_id"], unique=False
    )
    op.create_table(
        "organization_openings",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_organization_openings_organization_id_organizations"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "user_id", name=op.f("pk_organization_openings")),
    )

    organizations = sa.table(
        "organizations",
        sa.column("id", sa.Uuid()),
        sa.column("name", sa.String()),
        sa.column("type", sa.String()),
        sa.column("status", sa.String()),
        sa.column("metadata", sa.JSON().with_variant(postgresql.JSONB(), "postgresql")),
        sa.column("time_zone", sa.String()),
        sa.column("buffer_minutes", sa.Integer()),
        sa.column("reminders", sa.Boolean()),
        sa.column("applied_at", sa.DateTime(timezone=True)),
        sa.column("created_at", sa.DateTime(timezone=True)),
        sa.column("updated_at", sa.DateTime(timezone=True)),
        sa.column("version", sa.Integer()),
        sa.column("event_count", sa.Integer()),
    )
    op.bulk_insert(
        organizations,
        [
            {
                "id": PLATFORM_ID,
                "name": "KaroKar",
                "type": "PLATFORM",
                "status": "ACTIVE",
                "metadata": {},
                "time_zone": "UTC",
                "buffer_minutes": 0,
                "reminders": True,
                "applied_at": BEGINNING,
                "created_at": BEGINNING,
                "updated_at": BEGINNING,
                "version": 1,
                "event_count": 0,
            }
        ],
    )
    for statement in APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    """Drop the tables."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER organization_decisions_are_kept ON organization_decisions")
        op.execute("DROP FUNCTION karokar_keep_organization_decisions()")
    op.drop_table("organization_openings")
    op.drop_index(op.f("ix_organization_decisions_organization_id"), table_name="organization_decisions")
    op.drop_table("organization_decisions")
    op.drop_table("organization_applicants")
    op.drop_index("ix_organizations_type_status", table_name="organizations")
    op.drop_index(op.f("ix_organizations_parent_organization_id"), table_name="organizations")
    op.drop_table("organizations")
