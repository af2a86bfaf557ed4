"""The tables of audit. Records and links of the chain can be added and read, never changed or removed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010_audit"
down_revision = "0009_notification"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)
SEALED = ("audit_records", "audit_chain")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "audit_records",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entity_type", sa.String(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("organization_id", sa.Uuid()),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column("payload", DOCUMENT, nullable=False),
        sa.Column("changes", DOCUMENT, nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_audit_records"),
        sa.UniqueConstraint("event_id", name="uq_audit_records_event_id"),
    )
    op.create_index("ix_audit_records_entity", "audit_records", ["entity_type", "entity_id", "position"])
    op.create_index("ix_audit_records_actor_id_position", "audit_records", ["actor_id", "position"])
    op.create_index("ix_audit_records_event_type_position", "audit_records", ["event_type", "position"])
    op.create_index("ix_audit_records_occurred_at", "audit_records", ["occurred_at"])
    op.create_table(
        "audit_audiences",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "position", name="pk_audit_audiences"),
    )
    op.create_table(
        "audit_chain",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("sealed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_audit_chain"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "create function refuse_to_rewrite_audit() returns trigger language plpgsql as $$"
            " begin raise exception '% is append-only', tg_table_name; end $$"
        )
        for table in SEALED:
            op.execute(
                f"create trigger {table}_are_kept before update or delete or truncate on {table}"
                " for each statement execute function refuse_to_rewrite_audit()"
            )
    else:
        for table in SEALED:
            for verb in ("update", "delete"):
                op.execute(
                    f"create trigger {table}_refuse_{verb} before {verb} on {table}"
                    f" begin select raise(abort, '{table} is append-only'); end"
                )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("audit_chain", "audit_audiences", "audit_records"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("drop function refuse_to_rewrite_audit()")
