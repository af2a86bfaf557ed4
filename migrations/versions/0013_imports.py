"""Files to be imported, how far a run's permission reached when it was started, and where its file stands."""

import sqlalchemy as sa
from alembic import op

from karokar.kernel.db import JsonDocument, UtcDateTime

revision = "0013_imports"
down_revision = "0012_runs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, add the columns."""
    op.add_column("runs", sa.Column("scope", sa.String(10), nullable=True))
    op.add_column("runs", sa.Column("state", JsonDocument, nullable=True))
    op.create_table(
        "import_files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_import_files_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_files")),
    )
    op.create_index("ix_import_files_digest", "import_files", ["organization_id", "kind", "digest"])
    op.create_index(op.f("ix_import_files_run_id"), "import_files", ["run_id"])


def downgrade() -> None:
    """Drop the table and the columns."""
    op.drop_table("import_files")
    op.drop_column("runs", "state")
    op.drop_column("runs", "scope")
