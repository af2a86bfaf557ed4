"""The tables of verification."""

import sqlalchemy as sa
from alembic import op

revision = "0004_verification"
down_revision = "0003_organization"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "verifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("entity_type", sa.String(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reviewed_by", sa.Uuid(), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("reminded_days", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "entity_type IN ('Organization', 'Vehicle', 'User')", name=op.f("ck_verifications_entity_type_is_known")
        ),
        sa.CheckConstraint(
            "status IN ('PENDING', 'APPROVED', 'REJECTED', 'EXPIRED', 'REVOKED')",
            name=op.f("ck_verifications_status_is_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifications")),
    )
    op.create_index(
        "ix_verifications_entity", "verifications", ["entity_type", "entity_id", "kind", "status"], unique=False
    )
    op.create_index(op.f("ix_verifications_organization_id"), "verifications", ["organization_id"], unique=False)
    op.create_index("ix_verifications_status_expires_at", "verifications", ["status", "expires_at"], unique=False)
    op.create_index("ix_verifications_status_requested_at", "verifications", ["status", "requested_at"], unique=False)
    op.create_table(
        "verification_documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("verification_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["verification_id"],
            ["verifications.id"],
            name=op.f("fk_verification_documents_verification_id_verifications"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification_documents")),
    )
    op.create_index(op.f("ix_verification_documents_sha256"), "verification_documents", ["sha256"], unique=False)
    op.create_index(
        op.f("ix_verification_documents_verification_id"), "verification_documents", ["verification_id"], unique=False
    )
    op.create_table(
        "verification_openings",
        sa.Column("verification_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["verification_id"],
            ["verifications.id"],
            name=op.f("fk_verification_openings_verification_id_verifications"),
        ),
        sa.PrimaryKeyConstraint("verification_id", "user_id", name=op.f("pk_verification_openings")),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("verification_openings")
    op.drop_index(op.f("ix_verification_documents_verification_id"), table_name="verification_documents")
    op.drop_index(op.f("ix_verification_documents_sha256"), table_name="verification_documents")
    op.drop_table("verification_documents")
    op.drop_index("ix_verifications_status_requested_at", table_name="verifications")
    op.drop_index("ix_verifications_status_expires_at", table_name="verifications")
    op.drop_index(op.f("ix_verifications_organization_id"), table_name="verifications")
    op.drop_index("ix_verifications_entity", table_name="verifications")
    op.drop_table("verifications")
