"""Files held for forms, files that were lost, and hashes that say which pictures have been cleaned."""

import sqlalchemy as sa
from alembic import op

revision = "0032_files"
down_revision = "0031_reported_uses"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
PHOTOS = ("booking_photos", "assignment_photos")


def upgrade() -> None:
    """Add the tables and the columns; what is stored already has no hash yet, which is how the clock finds it."""
    op.create_table(
        "held_files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("purpose", sa.String(500), nullable=False, comment="The address of the form"),
        sa.Column("field", sa.String(80), nullable=False),
        sa.Column("filename", sa.String(200), nullable=False),
        sa.Column("media_type", sa.String(40), nullable=False),
        sa.Column("received_sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held_files")),
    )
    op.create_index(op.f("ix_held_files_user_id"), "held_files", ["user_id"])
    op.create_index(op.f("ix_held_files_created_at"), "held_files", ["created_at"])
    op.create_table(
        "lost_files",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_lost_files")),
    )
    for table in PHOTOS:
        op.add_column(table, sa.Column("sha256", sa.String(64), nullable=True))
        op.create_index(op.f(f"ix_{table}_sha256"), table, ["sha256"])
    op.add_column("verification_documents", sa.Column("received_sha256", sa.String(64), nullable=True))
    op.create_index(op.f("ix_verification_documents_received_sha256"), "verification_documents", ["received_sha256"])


def downgrade() -> None:
    """Remove them; pictures that were cleaned stay clean."""
    op.drop_index(op.f("ix_verification_documents_received_sha256"), "verification_documents")
    op.drop_column("verification_documents", "received_sha256")
    for table in PHOTOS:
        op.drop_index(op.f(f"ix_{table}_sha256"), table)
        op.drop_column(table, "sha256")
    op.drop_table("lost_files")
    op.drop_index(op.f("ix_held_files_created_at"), "held_files")
    op.drop_index(op.f("ix_held_files_user_id"), "held_files")
    op.drop_table("held_files")
