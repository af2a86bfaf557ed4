"""What notification answers: a person's messages, and the mails that an organization's people were sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select

from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope, current_actor
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.pages.paging import Page, paginate
from karokar.kernel.pages.waiting import WaitingItem
from karokar.kernel.permissions import permitted, scope_of
from karokar.notification.models import Channel, Mail, MailState, Notification, Preference, Status
from karokar.notification.permissions import MAIL_READ, NOTIFICATION_READ
from karokar.notification.rules.matrix import KINDS, can_choose

_LATE = timedelta(minutes=5)


@dataclass(frozen=True)
class Message:
    """A message as its recipient reads it; the words are made from `template` and `data`."""

    id: UUID
    organization_id: UUID | None
    kind: str
    template: str
    data: Mapping[str, Any]
    subject_type: str | None
    subject_id: UUID | None
    occurred_at: datetime
    is_read: bool


@dataclass(frozen=True)
class MailFacts:
    """A mail and where it stands."""

    id: UUID
    recipient_id: UUID
    organization_id: UUID | None
    kind: str
    template: str
    data: Mapping[str, Any]
    state: str
    attempts: int
    resend: int
    queued_at: datetime
    due_at: datetime
    held_until: datetime | None
    sent_at: datetime | None
    error: str | None
    notification_id: UUID


@dataclass(frozen=True)
class Choice:
    """Whether a person gets a kind of message on a channel, and whether that is theirs to say."""

    kind: str
    channel: str
    is_on: bool
    can_choose: bool


def count_unread(actor: Actor) -> int:
    """Return how many in-app messages wait for the person, as whom they act now."""
    statement = (
        select(func.count())
        .select_from(Notification)
        .where(*_unread(), permitted(Notification, NOTIFICATION_READ, actor))
    )
    return db.session.scalar(statement) or 0


def count_unread_elsewhere(actor: Actor) -> dict[UUID, int]:
    """Return how many messages wait for the person in each other organization of theirs."""
    statement = (
        select(Notification.organization_id, func.count())
        .where(
            *_unread(),
            Notification.recipient_id == actor.user_id,
            Notification.organization_id.is_not(None),
            Notification.organization_id != actor.organization_id,
        )
        .group_by(Notification.organization_id)
    )
    return {organization_id: count for organization_id, count in db.session.execute(statement) if organization_id}


def list_messages(
    *, unread: str | None = None, kind: str | None = None, cursor: str | None = None, size: int = 25
) -> Page[Message]:
    """Return the acting person's in-app messages, newest first."""
    statement = select(Notification).where(
        Notification.channel == Channel.IN_APP, permitted(Notification, NOTIFICATION_READ)
    )
    if unread:
        statement = statement.where(Notification.status != Status.READ)
    if kind:
        statement = statement.where(Notification.kind == kind)
    page = paginate(
        statement,
        sorts={"time": Notification.occurred_at},
        tie=Notification.id,
        sort="-time",
        cursor=cursor,
        size=size,
    )
    return page.map(_message)


def get_message(notification_id: UUID) -> Message:
    """Return one of the acting person's messages, in whichever of their organizations. Raises NotFound."""
    statement = select(Notification).where(
        Notification.id == notification_id, Notification.recipient_id == current_actor().user_id
    )
    found = db.session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound("notification")
    return _message(found)


def list_choices(user_id: UUID) -> list[Choice]:
    """Return a person's choice for each kind of message and channel, in the order of kinds."""
    chosen = {
        (choice.kind, choice.channel): choice.is_on
        for choice in db.session.scalars(select(Preference).where(Preference.user_id == user_id))
    }
    return [
        Choice(kind.code, channel, chosen.get((kind.code, channel), True), can_choose(kind.code, channel))
        for kind in KINDS.values()
        for channel in kind.offered
    ]


def list_mails(
    *,
    state: str | None = None,
    kind: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
) -> Page[MailFacts]:
    """Return the mails that the actor may read, newest first."""
    statement: Any = select(Mail, Notification).join(Notification).where(permitted(Mail, MAIL_READ))
    if state:
        statement = statement.where(Mail.state == state)
    if kind:
        statement = statement.where(Notification.kind == kind)
    if since:
        statement = statement.where(Mail.queued_at >= since)
    if until:
        statement = statement.where(Mail.queued_at < until)
    page = paginate(statement, sorts={"time": Mail.queued_at}, tie=Mail.id, sort="-time", cursor=cursor)
    return page.map(lambda row: _mail(row[0], row[1]))


def get_mail(mail_id: UUID) -> MailFacts:
    """Return a mail that the actor may read. Raises NotFound."""
    statement = select(Mail, Notification).join(Notification).where(Mail.id == mail_id, permitted(Mail, MAIL_READ))
    row = db.session.execute(statement).one_or_none()
    if row is None:
        raise NotFound("mail")
    return _mail(row[0], row[1])


def count_by_state() -> dict[str, int]:
    """Return how many mails stand where, of all organizations: for the health page."""
    found = db.session.execute(select(Mail.state, func.count()).group_by(Mail.state))
    return {state: count for state, count in found}  # noqa: C416 - rows are no pairs to the type checker


def is_anything_on_its_way() -> bool:
    """Whether a mail waits to be sent, or is being sent."""
    going = (MailState.QUEUED, MailState.SENDING, MailState.HANDING_OVER)
    return bool(db.session.scalar(select(exists().where(Mail.state.in_(going)))))


def oldest_waiting() -> datetime | None:
    """Return since when the oldest mail that could go out waits; None where none does."""
    statement = select(func.min(Mail.due_at)).where(Mail.state.in_([MailState.QUEUED, MailState.SENDING]))
    return db.session.scalar(statement)


def list_waiting_for(actor: Actor) -> list[WaitingItem]:
    """Return the mails whose arrival nobody can tell, for the platform's people to settle."""
    if scope_of(MAIL_READ, actor) is not Scope.ALL:
        return []
    statement = (
        select(Mail)
        .where(Mail.state == MailState.UNKNOWN, permitted(Mail, MAIL_READ, actor))
        .order_by(Mail.queued_at)
        .limit(50)
    )
    return [
        WaitingItem(
            kind="Mail with unknown outcome",
            title="The mail server did not say whether it took this mail",
            since=row.queued_at,
            endpoint="notification.show_mail",
            values={"mail_id": str(row.id)},
            subject_id=row.id,
        )
        for row in db.session.scalars(statement)
    ]


def is_sending_late() -> bool:
    """Whether a mail has been due for longer than a sender at work would leave it."""
    oldest = oldest_waiting()
    return oldest is not None and oldest < clock.now() - _LATE


def _unread() -> tuple[Any, ...]:
    return Notification.channel == Channel.IN_APP, Notification.status != Status.READ


def _message(row: Notification) -> Message:
    return Message(
        id=row.id,
        organization_id=row.organization_id,
        kind=row.kind,
        template=row.template,
        data=row.data,
        subject_type=row.subject_type,
        subject_id=row.subject_id,
        occurred_at=row.occurred_at,
        is_read=row.status == Status.READ,
    )


def _mail(mail: Mail, notification: Notification) -> MailFacts:
    return MailFacts(
        id=mail.id,
        recipient_id=mail.recipient_id,
        organization_id=mail.organization_id,
        kind=notification.kind,
        template=notification.template,
        data=notification.data,
        state=mail.state,
        attempts=mail.attempts,
        resend=mail.resend,
        queued_at=mail.queued_at,
        due_at=mail.due_at,
        held_until=mail.held_until,
        sent_at=mail.sent_at,
        error=mail.error,
        notification_id=notification.id,
    )
