"""The tables of runs, and of the pages themselves: forms that were sent, saved views."""

import sqlalchemy as sa
from alembic import op

from karokar.kernel.db import JsonDocument, UtcDateTime

revision = "0012_runs"
down_revision = "0011_administration"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "form_submissions",
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=False),
        sa.Column("location", sa.String(2000), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_form_submissions")),
    )
    op.create_index(op.f("ix_form_submissions_sent_at"), "form_submissions", ["sent_at"])
    op.create_table(
        "saved_views",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint", sa.String(100), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("query", sa.String(2000), nullable=False),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint(
            "organization_id",
            "user_id",
            "endpoint",
            "name",
            name=op.f("uq_saved_views_organization_id_user_id_endpoint_name"),
        ),
    )
    op.create_index("ix_saved_views_lookup", "saved_views", ["organization_id", "endpoint"])

    op.create_table(
        "runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("parameters", JsonDocument, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("is_listed", sa.Boolean(), nullable=False),
        sa.Column("is_cancel_wanted", sa.Boolean(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("ok", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("file_name", sa.String(200), nullable=True),
        sa.Column("claimed_until", UtcDateTime(), nullable=True),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index(
        "ix_runs_open",
        "runs",
        ["created_at"],
        postgresql_where=sa.text("status in ('QUEUED', 'RUNNING')"),
        sqlite_where=sa.text("status in ('QUEUED', 'RUNNING')"),
    )
    op.create_index("ix_runs_owner", "runs", ["organization_id", "id"])
    op.create_table(
        "run_rows",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("label", sa.String(300), nullable=False),
        sa.Column("data", JsonDocument, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_rows_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_run_rows")),
    )
    op.create_index("ix_run_rows_status", "run_rows", ["run_id", "status", "number"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("run_rows")
    op.drop_table("runs")
    op.drop_index("ix_saved_views_lookup", "saved_views")
    op.drop_table("saved_views")
    op.drop_index(op.f("ix_form_submissions_sent_at"), "form_submissions")
    op.drop_table("form_submissions")
