"""Messages to people, the mails among them on their way out, and who wants which."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    false,
    or_,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from karokar.kernel.actor import Actor, Scope
from karokar.kernel.db import Base


class Channel(StrEnum):
    """How a message reaches its recipient."""

    IN_APP = "IN_APP"
    EMAIL = "EMAIL"


class Status(StrEnum):
    """Where a message stands: PENDING mails are on their way, in-app ones are SENT at once."""

    PENDING = "PENDING"
    SENT = "SENT"
    FAILED = "FAILED"
    READ = "READ"


class MailState(StrEnum):
    """Where a mail stands.

    A SENDING mail is claimed and has not left yet; HANDING_OVER is the moment in which the server takes it. Whoever
    dies before that sends again; whoever dies in it leaves an UNKNOWN outcome, for a person to settle. KEPT mails have
    no server to go to. REFUSED and FAILED are ends, with the reason in `error`; OBSOLETE ones had nothing left to say.
    """

    QUEUED = "QUEUED"
    SENDING = "SENDING"
    HANDING_OVER = "HANDING_OVER"
    SENT = "SENT"
    KEPT = "KEPT"
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    OBSOLETE = "OBSOLETE"
    LET_GO = "LET_GO"


UNREAD = "channel = 'IN_APP' and status <> 'READ'"
ON_ITS_WAY = "state in ('QUEUED', 'SENDING', 'HANDING_OVER')"


class Notification(Base):
    """One message about one event to one person on one channel.

    `data` is the part of the event that the recipient may see, as primitives and without personal data: the text is
    made when it is read or sent. `subject_type` and `subject_id` name what it leads to.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("source_event_id", "recipient_id", "channel"),
        CheckConstraint("channel in ('IN_APP', 'EMAIL')", name="channel_is_known"),
        CheckConstraint("status in ('PENDING', 'SENT', 'FAILED', 'READ')", name="status_is_known"),
        Index("ix_notifications_inbox", "recipient_id", "channel", "occurred_at", "id"),
        Index(
            "ix_notifications_unread",
            "recipient_id",
            "organization_id",
            postgresql_where=text(UNREAD),
            sqlite_where=text(UNREAD),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_event_id: Mapped[UUID]  # outbox
    recipient_id: Mapped[UUID]  # identity: the user
    organization_id: Mapped[UUID | None]  # organization: as whose member the person is told; None: as a person
    channel: Mapped[str]
    kind: Mapped[str]
    template: Mapped[str]
    data: Mapped[dict[str, Any]]
    subject_type: Mapped[str | None]
    subject_id: Mapped[UUID | None]
    status: Mapped[str]
    occurred_at: Mapped[datetime]
    read_at: Mapped[datetime | None]

    @staticmethod
    def within(scope: Scope, actor: Actor) -> ColumnElement[bool]:
        """Messages are their recipient's, read while acting for the organization that they concern, or for any."""
        del scope
        if actor.user_id is None:
            return false()
        return (Notification.recipient_id == actor.user_id) & or_(
            Notification.organization_id.is_(None), Notification.organization_id == actor.organization_id
        )


class Mail(Base):
    """A mail on its way out: claimed with a token and a deadline by the database's clock.

    `resend` counts the times that somebody asked for it anew; with the notification it makes the Message-ID, so that a
    mail repeated after a lost acknowledgement is recognised as the same. `lost` counts the senders that ended while
    they worked on it; it waits until `held_until` where its recipient has been sent as many as they may.
    """

    __tablename__ = "mails"
    __table_args__ = (
        UniqueConstraint("notification_id", "resend"),
        Index(
            "ix_mails_on_their_way",
            "due_at",
            postgresql_where=text(ON_ITS_WAY),
            sqlite_where=text(ON_ITS_WAY),
        ),
        Index("ix_mails_recipient_id", "recipient_id", "queued_at"),
        Index("ix_mails_sent_to", "recipient_id", "sent_at"),
        Index("ix_mails_organization_id", "organization_id", "queued_at"),
        Index("ix_mails_queued_at", "queued_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id"))
    resend: Mapped[int] = mapped_column(default=0)
    recipient_id: Mapped[UUID]  # identity
    organization_id: Mapped[UUID | None]  # organization
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    queued_at: Mapped[datetime]
    due_at: Mapped[datetime]
    claim_token: Mapped[UUID | None]
    claimed_until: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None]
    lost: Mapped[int] = mapped_column(SmallInteger, default=0, server_default=text("0"))
    held_until: Mapped[datetime | None]

    @staticmethod
    def within(scope: Scope, actor: Actor) -> ColumnElement[bool]:
        """An organization's mails are those to its people as its members; a person's own are all of theirs."""
        if scope is Scope.SELF or actor.organization_id is None:
            return Mail.recipient_id == actor.user_id if actor.user_id else false()
        return or_(Mail.organization_id == actor.organization_id, Mail.recipient_id == actor.user_id)


class Preference(Base):
    """A person's choice about one kind of message on one channel; without one, the kind's default holds."""

    __tablename__ = "notification_preferences"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)  # identity
    kind: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    is_on: Mapped[bool]


class ToldEvent(Base):
    """An event whose recipients have been chosen: delivered again, it finds no new ones."""

    __tablename__ = "notification_told_events"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)  # outbox
