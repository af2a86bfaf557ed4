"""Asking for a link with which a new password is set."""

from uuid import UUID

from sqlalchemy import select

from karokar.events.bus import publish
from karokar.identity.actions.own_account import as_oneself, lock_user
from karokar.identity.models import Membership, ResetRequest, User
from karokar.identity.rules import MembershipStatus, tokens
from karokar.kernel import clock
from karokar.kernel.db import action, db
from karokar.kernel.errors import LimitReached
from karokar.kernel.fairness import quotas
from karokar.kernel.fairness.limits import RESETS_OF_ADDRESS
from karokar.kernel.ids import new_id
from karokar.kernel.schedule import every, work_through
from karokar.kernel.text.email_addresses import normal_email

_AT_ONCE = 50


@action
def request_password_reset(email: str) -> None:
    """Note that somebody asked for a link to set a new password: the same work for every address.

    `answer_reset_requests` looks whose it is, a moment later.
    """
    db.session.add(ResetRequest(id=new_id(), email=normal_email(email), asked_at=clock.now()))


@every(1)
def answer_reset_requests() -> int:
    """Have links sent to those who asked and can sign in, oldest first, and return how many requests were answered."""
    return work_through(select(ResetRequest.id).order_by(ResetRequest.id), _answer, at_most=_AT_ONCE)


@action
def _answer(request_id: UUID) -> None:
    request = db.session.get(ResetRequest, request_id, with_for_update=True)
    if request is None:
        return
    email = request.email
    db.session.delete(request)
    user = db.session.scalars(select(User).where(User.email == email)).one_or_none()
    if user is None or user.password_hash is None:
        return
    conditions = (Membership.user_id == user.id, Membership.status == MembershipStatus.ACTIVE)
    if db.session.scalar(select(Membership.id).where(*conditions).limit(1)) is None:
        return
    user = lock_user(user.id)
    try:
        quotas.ask(RESETS_OF_ADDRESS, user.id)
    except LimitReached:
        return  # Whoever asked is told nothing in any case: only the owner of the mailbox may know of the account.
    with as_oneself(user):
        publish(user.request_password_reset(tokens.new_nonce()))
