"""What people do: read their messages, choose which they get, decide about mails."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from karokar.events.bus import publish
from karokar.events.handlers import resends
from karokar.events.notification import MailSentAgain, MailSettled, NotificationPreferencesChanged
from karokar.kernel import clock
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.database.rows import insert_if_new
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, PermissionDenied, StateConflict
from karokar.kernel.permissions import check, permitted
from karokar.notification.models import Channel, Mail, MailState, Notification, Preference, Status
from karokar.notification.permissions import MAIL_READ, NOTIFICATION_READ
from karokar.notification.rules.matrix import can_choose, mail_id

_AT_AN_END = (MailState.UNKNOWN, MailState.REFUSED, MailState.FAILED, MailState.KEPT, MailState.LET_GO)


@action
def mark_read(notification_id: UUID) -> None:
    """Mark the acting person's in-app message about the same event as read. Raises NotFound for somebody else's."""
    asked = db.session.scalars(
        select(Notification.source_event_id).where(
            Notification.id == notification_id, Notification.recipient_id == current_actor().user_id
        )
    ).one_or_none()
    if asked is None:
        raise NotFound("notification")
    _mark(Notification.source_event_id == asked, Notification.recipient_id == current_actor().user_id)


@action
def mark_all_read() -> int:
    """Mark every in-app message of the acting person here as read, and return how many were not."""
    check(NOTIFICATION_READ)
    return _mark(permitted(Notification, NOTIFICATION_READ))


def _mark(*conditions: Any) -> int:
    result: Any = db.session.execute(
        update(Notification)
        .where(*conditions, Notification.channel == Channel.IN_APP, Notification.status != Status.READ)
        .values(status=Status.READ, read_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)


@action
def choose(choices: Mapping[tuple[str, str], bool]) -> None:
    """Set which kinds of message reach the acting person on which channels: (kind, channel) → on.

    What cannot be chosen stays as it is. Publishes what is off now, unless nothing changed.
    """
    user_id = current_actor().user_id
    if user_id is None:
        raise NotFound("person")
    kept = {
        (choice.kind, choice.channel): choice
        for choice in db.session.scalars(select(Preference).where(Preference.user_id == user_id))
    }
    has_changed = False
    for (kind, channel), is_on in choices.items():
        if not can_choose(kind, channel):
            continue
        known = kept.get((kind, channel))
        if (known.is_on if known else True) == is_on:
            continue
        has_changed = True
        if known is None:
            known = kept[kind, channel] = Preference(user_id=user_id, kind=kind, channel=channel, is_on=is_on)
            db.session.add(known)
        known.is_on = is_on
    if has_changed:
        off = sorted(f"{kind}:{channel}" for (kind, channel), choice in kept.items() if not choice.is_on)
        publish(NotificationPreferencesChanged(user_id=user_id, turned_off=off))


@action
def send_again(mail: UUID) -> None:
    """Have a mail tried again that was refused, given up or kept, or whose arrival nobody can tell.

    It keeps its Message-ID, so that a second copy is recognised. Raises NotFound, and StateConflict for one that is
    on its way or has arrived.
    """
    row = _decide(mail, *_AT_AN_END)
    publish(
        MailSentAgain(
            mail_id=row.id,
            recipient_id=row.recipient_id,
            organization_id=row.organization_id,
            former_state=row.state,
        )
    )
    row.state, row.attempts, row.lost, row.due_at, row.error = MailState.QUEUED, 0, 0, clock.now(), None
    row.claim_token = row.claimed_until = None
    _set_status(row, Status.PENDING)


@action
def settle_as_arrived(mail: UUID) -> None:
    """Note that a mail whose outcome was unknown has arrived. Raises NotFound, StateConflict for another state."""
    row = _decide(mail, MailState.UNKNOWN)
    row.state, row.sent_at = MailState.SENT, clock.now()
    _set_status(row, Status.SENT)
    _publish_settled(row, has_arrived=True)


@action
def let_go(mail: UUID) -> None:
    """Leave a mail unsent for good. Raises NotFound, StateConflict for one that is on its way or has arrived."""
    row = _decide(mail, *_AT_AN_END)
    row.state = MailState.LET_GO
    _set_status(row, Status.FAILED)
    _publish_settled(row, has_arrived=False)


@resends
@action
def resend(source_event_id: UUID) -> int:
    """Make new mails, with a new number, of every mail about an event, and return how many: a replay that asks for it.

    Mails that are still on their way are left alone.
    """
    rows = db.session.scalars(
        select(Mail)
        .join(Notification)
        .where(Notification.source_event_id == source_event_id)
        .order_by(Mail.notification_id, Mail.resend)
    )
    newest = {row.notification_id: row for row in rows}
    made = 0
    for row in newest.values():
        if row.state in {MailState.QUEUED, MailState.SENDING, MailState.HANDING_OVER}:
            continue
        values = {
            "id": mail_id(row.notification_id, row.resend + 1),
            "notification_id": row.notification_id,
            "resend": row.resend + 1,
            "recipient_id": row.recipient_id,
            "organization_id": row.organization_id,
            "state": MailState.QUEUED,
            "attempts": 0,
            "queued_at": clock.now(),
            "due_at": clock.now(),
        }
        made += insert_if_new(Mail, values)
    return made


def _decide(mail: UUID, *states: MailState) -> Mail:
    if check(MAIL_READ) is Scope.SELF:
        raise PermissionDenied(MAIL_READ, "Decide about mails")
    row = db.session.scalars(
        select(Mail)
        .where(Mail.id == mail, permitted(Mail, MAIL_READ))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFound("mail")
    if row.state not in states:
        raise StateConflict(
            "MAIL_NOT_AT_AN_END",
            "This mail went on in the meantime. Look at where it stands now before you decide.",
            state=row.state,
        )
    return row


def _set_status(row: Mail, status: Status) -> None:
    db.session.execute(update(Notification).where(Notification.id == row.notification_id).values(status=status))


def _publish_settled(row: Mail, *, has_arrived: bool) -> None:
    publish(
        MailSettled(
            mail_id=row.id,
            recipient_id=row.recipient_id,
            organization_id=row.organization_id,
            has_arrived=has_arrived,
        )
    )
