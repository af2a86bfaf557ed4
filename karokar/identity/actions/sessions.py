"""Signing in and out, and the sessions in between."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select

from karokar.events.bus import publish
from karokar.events.identity import UserLoginFailed
from karokar.identity import rules
from karokar.identity.actions.other_accounts import lock_outranked
from karokar.identity.actions.own_account import as_oneself, end_live_sessions, lock_own, lock_user, note_proof
from karokar.identity.actions.tokens import revoke_live_tokens
from karokar.identity.models import Membership, RecoveryCode, User, UserSession
from karokar.identity.queries.access import active_roles, may_act, needs_second_factor, password_mark, permissions_of
from karokar.identity.rules import MembershipStatus, passwords, recovery, second_factor, tokens
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.database.sealed import UNREADABLE
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, StateConflict
from karokar.kernel.schedule import every
from karokar.kernel.settings import settings

LONGEST_DEVICE = 120


@action
def open_session(
    user_id: UUID,
    *,
    mark: str,
    device: str,
    address: str,
    code: str | None = None,
    has_enrolled: bool = False,
    is_known_browser: bool = False,
) -> str | None:
    """Sign a person in whose password was right, and return the new session's secret.

    `mark` is that password's; `code` is of the authenticator app, or a recovery code. `has_enrolled`: the second factor
    was confirmed a moment ago. `is_known_browser`: the person signed in there before, so that nobody has to hear of it.
    Returns None (and tells of the failure) for a wrong code. Raises StateConflict where the
    password has changed since, or where nobody may sign in with this account any more.
    """
    user = lock_user(user_id)
    with as_oneself(user):
        if password_mark(user) != mark:
            raise StateConflict("SIGN_IN_TOO_OLD", "Please sign in again.")
        if not may_act(user):
            raise StateConflict(
                "EXAMPLE_ACCOUNT", "This account belongs to the example data. It can sign in only while the demo is on."
            )
        roles = active_roles(user.id)
        if not roles:
            raise StateConflict("NO_MEMBERSHIP", "Your account belongs to no organization at the moment.")
        if not _passes(user, code, has_enrolled=has_enrolled):
            publish(user.refuse_log_in("second factor"))
            return None
        must = any(needs_second_factor(permissions_of(role)) for role in roles)
        if must and not user.has_second_factor:
            raise StateConflict("SECOND_FACTOR_MISSING", "Set up the second factor first, then sign in again.")
        now = clock.now()
        _make_room(user)
        secret = tokens.new_token()
        session = UserSession(
            user_id=user.id,
            organization_id=None,
            token_hash=tokens.fingerprint(secret),
            device=device[:LONGEST_DEVICE],
            address=address,
            has_second_factor=user.has_second_factor,
            proven_at=now,
            started_at=now,
            last_used_at=now,
            expires_at=now + timedelta(days=rules.SESSION_DAYS),
        )
        db.session.add(session)
        if user.last_seen_at is not None and not is_known_browser:
            publish(user.note_new_browser(session.id))
        publish(user.log_in(session.id, with_second_factor=user.has_second_factor))
    return secret


def _make_room(user: User) -> None:
    """End the sessions used longest ago, so that with one more the person has no more than the setting allows."""
    live = (
        select(UserSession)
        .where(UserSession.user_id == user.id, UserSession.is_live(clock.now()))
        .order_by(UserSession.last_used_at.desc(), UserSession.id.desc())
        .offset(settings().max_sessions - 1)
    )
    surplus = list(db.session.scalars(live))
    for session in surplus:
        session.ended_at = clock.now()
    if surplus:
        publish(user.end_sessions(len(surplus), "too many sessions"))


def _passes(user: User, code: str | None, *, has_enrolled: bool) -> bool:
    if not user.has_second_factor or has_enrolled:
        return True
    if code is None or user.totp_secret is None:
        return False
    # A seed that no key opens is worth nothing: only a recovery code helps.
    is_readable = user.totp_secret != UNREADABLE
    step = second_factor.step_of(user.totp_secret, code, clock.now(), user.totp_last_step) if is_readable else None
    if step is not None:
        user.totp_last_step = step
        return True
    return _use_recovery_code(user, code)


def _use_recovery_code(user: User, code: str) -> bool:
    unused = select(RecoveryCode).where(RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None))
    codes = list(db.session.scalars(unused))
    quick = tokens.fingerprint(tokens.normal_recovery_code(code))
    # Codes of earlier versions are hashed slowly by the clock, some at a time.
    wanted = {quick, recovery.slow_hash(quick, user.id, cheap=settings().testing)}
    for kept in codes:
        if kept.code_hash in wanted:
            kept.used_at = clock.now()
            publish(user.renew_recovery_codes(len(codes) - 1, used_one=True))
            return True
    return False


@action
def refuse_sign_in(user_id: UUID | None, *, reason: str) -> None:
    """Tell of a refused sign-in; of an unknown address without saying which."""
    if user_id is None:
        publish(UserLoginFailed(user_id=None, reason=reason))
        return
    user = lock_user(user_id)
    publish(user.refuse_log_in(reason))


@action
def prove(session_id: UUID, proof: str) -> bool:
    """Note that the acting person confirmed who they are, with a code of their authenticator app, a recovery code, or
    their password; return whether it was right (and tell of it where it was not).

    Where their rights wait for a second factor, only a code counts.
    """
    user = lock_own()
    if user.has_second_factor and _passes(user, proof, has_enrolled=False):
        note_proof(session_id, user.id, with_second_factor=True)
        return True
    is_enough = not (current_actor().lacks_second_factor and user.has_second_factor)
    if is_enough and passwords.verify(user.password_hash, proof, cheap=settings().testing):
        note_proof(session_id, user.id, with_second_factor=False)
        return True
    publish(user.refuse_log_in("confirmation"))
    return False


@action
def sign_out(session_id: UUID) -> None:
    """End the acting person's session in this browser. Signing out twice is no error."""
    session = db.session.get(UserSession, session_id)
    if session is not None and session.user_id == current_actor().user_id and session.ended_at is None:
        session.ended_at = clock.now()


@action
def end_session(session_id: UUID) -> None:
    """End one of the acting person's sessions. Raises NotFound where it is not theirs."""
    user = lock_own()
    session = db.session.get(UserSession, session_id, populate_existing=True)
    if session is None or session.user_id != user.id:
        raise NotFound("session")
    if session.ended_at is None:
        session.ended_at = clock.now()
        publish(user.end_sessions(1, "ended by the person"))


@action
def end_other_sessions(kept_session_id: UUID | None, *, keeps_tokens: bool = False) -> int:
    """End all of the acting person's sessions but this one and, unless they are kept, their API tokens; return how many
    sessions ended.
    """
    user = lock_own()
    count = end_live_sessions(user.id, keep=kept_session_id)
    if count:
        publish(user.end_sessions(count, "ended by the person"))
    if not keeps_tokens:
        revoke_live_tokens(user)
    return count


@action
def end_sessions_of(user_id: UUID, *, keeps_tokens: bool = False) -> int:
    """End every session of a person and, unless they are kept, every API token, as the platform; return how many
    sessions ended.

    Raises PermissionDenied for others, NotFound, ProofNeeded, NotForTokens, and RuleBroken for somebody who may do more
    than the acting person.
    """
    user = lock_outranked(user_id, "End the sessions of other people")
    count = end_live_sessions(user.id)
    if count:
        publish(user.end_sessions(count, "ended by the platform"))
    if not keeps_tokens:
        revoke_live_tokens(user)
    return count


@action
def switch_organization(session_id: UUID, organization_id: UUID) -> None:
    """Act for another of one's organizations from now on, in this browser. Raises NotFound where one is not a
    member.
    """
    session = db.session.get(UserSession, session_id, populate_existing=True)
    conditions = (
        Membership.user_id == current_actor().user_id,
        Membership.organization_id == organization_id,
        Membership.status == MembershipStatus.ACTIVE,
    )
    is_member = db.session.scalar(select(Membership.id).where(*conditions)) is not None
    if session is None or session.user_id != current_actor().user_id or not is_member:
        raise NotFound("organization")
    session.organization_id = organization_id


@action
def touch_session(session_id: UUID) -> None:
    """Note that a session is in use, and that the person was seen."""
    session = db.session.get(UserSession, session_id)
    if session is not None:
        session.last_used_at = clock.now()


@every(3600)
@action
def forget_old_sessions() -> int:
    """Forget sessions that ended or ran out more than 30 days ago, and return how many."""
    before = clock.now() - timedelta(days=30)
    statement = delete(UserSession).where(UserSession.last_used_at < before)
    return db.session.execute(statement.execution_options(synchronize_session=False)).rowcount  # type: ignore[attr-defined, no-any-return]
