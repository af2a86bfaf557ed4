"""What the clock fails at, how often the work on a run was begun and came to no end, and forms by their content."""

import sqlalchemy as sa
from alembic import op

revision = "0036_fair_queues"
down_revision = "0035_email_domains"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the column."""
    op.create_table(
        "clock_failures",
        sa.Column("job", sa.String(length=120), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("job", "entity_id", name=op.f("pk_clock_failures")),
    )
    op.add_column("runs", sa.Column("starts", sa.SmallInteger(), nullable=False, server_default=sa.text("0")))
    make_form_submissions(with_digest=True)


def make_form_submissions(*, with_digest: bool) -> None:
    """Make the table anew: its rows are of the last two days, and what they prevent is a second click."""
    op.drop_table("form_submissions")
    digest = [sa.Column("digest", sa.String(length=64), nullable=False)] if with_digest else []
    op.create_table(
        "form_submissions",
        sa.Column("key", sa.Uuid(), nullable=False),
        *digest,
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("location", sa.String(length=2000), nullable=True),
        sa.PrimaryKeyConstraint("key", *(["digest"] if with_digest else []), name=op.f("pk_form_submissions")),
    )
    op.create_index("ix_form_submissions_sent_at", "form_submissions", ["sent_at"])


def downgrade() -> None:
    """Remove them."""
    make_form_submissions(with_digest=False)
    op.drop_column("runs", "starts")
    op.drop_table("clock_failures")
