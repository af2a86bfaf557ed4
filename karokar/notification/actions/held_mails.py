"""How many mails one person gets: what is beyond that is held back, and sent when there is room again.

Mails about the account and its security are neither held back nor counted: they have limits where they are asked for.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update

from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.kernel.fairness.limits import DAY, MAILS_A_DAY, MAILS_AN_HOUR
from karokar.kernel.fairness.quotas import most_of
from karokar.notification.models import Mail, MailState, Notification

EXEMPT = ("ACCOUNT", "SECURITY")


def is_not_held(now: datetime) -> ColumnElement[bool]:
    """Return the condition of mails that are not held back: none is for more than a day, whatever a clock said."""
    return or_(Mail.held_until.is_(None), Mail.held_until <= now, Mail.held_until > now + DAY + clock.TOLERANCE)


def hold_back(recipient_id: UUID, kind: str, now: datetime) -> bool:
    """Hold back every mail that waits for a person who has been sent as many as they may; whether that was so.

    Call it with a mail of theirs locked; nothing is held back for a kind that is exempt.
    """
    if kind in EXEMPT:
        return False
    for limit in (MAILS_A_DAY, MAILS_AN_HOUR):
        most, period = most_of(limit), limit.period or timedelta()
        sent = (
            select(Mail.sent_at)
            .join(Notification)
            .where(
                Mail.recipient_id == recipient_id,
                Mail.sent_at > now - period,
                Mail.sent_at <= now + clock.TOLERANCE,
                Notification.kind.not_in(EXEMPT),
            )
            .order_by(Mail.sent_at.desc())
            .offset(most - 1)
            .limit(1)
        )
        leaves = db.session.scalar(sent)
        if leaves is not None:
            _hold(recipient_id, leaves + period, limit.sentence.format(most=f"{most:,}"))
            return True
    return False


def _hold(recipient_id: UUID, until: datetime, sentence: str) -> None:
    exempt = select(Notification.id).where(Notification.recipient_id == recipient_id, Notification.kind.in_(EXEMPT))
    waiting = (
        Mail.recipient_id == recipient_id,
        Mail.state == MailState.QUEUED,
        Mail.notification_id.not_in(exempt),
    )
    db.session.execute(
        update(Mail)
        .where(*waiting)
        .values(held_until=until, error=sentence)
        .execution_options(synchronize_session=False)
    )
