"""Facts about messages to people. Seen by the person, and by the organization acted for."""

from typing import ClassVar
from uuid import UUID

from karokar.events.base import Code, Event, OrganizationId, UserId, fact


@fact("NotificationPreferencesChanged", "changed which messages they get")
class NotificationPreferencesChanged(Event, frozen=True, kw_only=True):
    """Sent when a person chose anew which kinds of message reach them on which channel; lists what is off."""

    aggregate_type: ClassVar[str] = "System"
    aggregate_field: ClassVar[str | None] = None
    user_id: UserId
    turned_off: list[Code]


@fact("MailSentAgain", "had a mail sent again")
class MailSentAgain(Event, frozen=True, kw_only=True):
    """Sent when a person had a mail tried again that was refused, or whose arrival nobody can tell."""

    aggregate_type: ClassVar[str] = "System"
    aggregate_field: ClassVar[str | None] = None
    mail_id: UUID
    recipient_id: UserId
    organization_id: OrganizationId | None = None
    former_state: Code


@fact("MailSettled", "settled what became of a mail")
class MailSettled(Event, frozen=True, kw_only=True):
    """Sent when a person decided about a mail whose arrival nobody can tell: it arrived, or it is let go."""

    aggregate_type: ClassVar[str] = "System"
    aggregate_field: ClassVar[str | None] = None
    mail_id: UUID
    recipient_id: UserId
    organization_id: OrganizationId | None = None
    has_arrived: bool
