"""The tables of notification."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009_notification"
down_revision = "0008_assignment"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)
UNREAD = "channel = 'IN_APP' and status <> 'READ'"
ON_ITS_WAY = "state in ('QUEUED', 'SENDING', 'HANDING_OVER')"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_event_id", sa.Uuid(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid()),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("template", sa.String(), nullable=False),
        sa.Column("data", DOCUMENT, nullable=False),
        sa.Column("subject_type", sa.String()),
        sa.Column("subject_id", sa.Uuid()),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("read_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
        sa.UniqueConstraint(
            "source_event_id",
            "recipient_id",
            "channel",
            name="uq_notifications_source_event_id_recipient_id_channel",
        ),
        sa.CheckConstraint("channel in ('IN_APP', 'EMAIL')", name="ck_notifications_channel_is_known"),
        sa.CheckConstraint("status in ('PENDING', 'SENT', 'FAILED', 'READ')", name="ck_notifications_status_is_known"),
    )
    op.create_index("ix_notifications_inbox", "notifications", ["recipient_id", "channel", "occurred_at", "id"])
    op.create_index(
        "ix_notifications_unread",
        "notifications",
        ["recipient_id", "organization_id"],
        postgresql_where=sa.text(UNREAD),
        sqlite_where=sa.text(UNREAD),
    )
    op.create_table(
        "mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("resend", sa.Integer(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid()),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("queued_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("claim_token", sa.Uuid()),
        sa.Column("claimed_until", TIME),
        sa.Column("sent_at", TIME),
        sa.Column("error", sa.String()),
        sa.PrimaryKeyConstraint("id", name="pk_mails"),
        sa.UniqueConstraint("notification_id", "resend", name="uq_mails_notification_id_resend"),
        sa.ForeignKeyConstraint(
            ["notification_id"], ["notifications.id"], name="fk_mails_notification_id_notifications"
        ),
    )
    op.create_index(
        "ix_mails_on_their_way",
        "mails",
        ["due_at"],
        postgresql_where=sa.text(ON_ITS_WAY),
        sqlite_where=sa.text(ON_ITS_WAY),
    )
    op.create_index("ix_mails_recipient_id", "mails", ["recipient_id", "queued_at"])
    op.create_index("ix_mails_organization_id", "mails", ["organization_id", "queued_at"])
    op.create_index("ix_mails_queued_at", "mails", ["queued_at", "id"])
    op.create_table(
        "notification_preferences",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "kind", "channel", name="pk_notification_preferences"),
    )
    op.create_table(
        "notification_told_events",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_notification_told_events"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("notification_told_events", "notification_preferences", "mails", "notifications"):
        op.drop_table(table)
