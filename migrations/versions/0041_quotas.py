"""What people take of what all share, mails that are held back, and mails that ended their sender."""

import sqlalchemy as sa
from alembic import op

revision = "0041_quotas"
down_revision = "0040_corrected_readings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, the columns, and indexes by which is counted."""
    op.create_table(
        "quota_uses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("owner", sa.String(length=130), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quota_uses")),
    )
    op.create_index("ix_quota_uses_counted", "quota_uses", ["name", "owner", "at"])
    op.create_index("ix_quota_uses_at", "quota_uses", ["at"])
    op.add_column("mails", sa.Column("lost", sa.SmallInteger(), nullable=False, server_default=sa.text("0")))
    op.add_column("mails", sa.Column("held_until", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_mails_sent_to", "mails", ["recipient_id", "sent_at"])
    op.create_index("ix_form_submissions_user_id", "form_submissions", ["user_id", "sent_at"])


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_form_submissions_user_id", table_name="form_submissions")
    op.drop_index("ix_mails_sent_to", table_name="mails")
    op.drop_column("mails", "held_until")
    op.drop_column("mails", "lost")
    op.drop_table("quota_uses")
