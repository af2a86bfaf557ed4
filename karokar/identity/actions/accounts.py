"""A person's own account: profile, password, second factor."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import delete, select, update

from karokar.events.bus import publish
from karokar.identity.actions.other_accounts import lock_outranked
from karokar.identity.actions.own_account import as_oneself, end_live_sessions, lock_own, lock_user, note_proof
from karokar.identity.actions.tokens import revoke_live_tokens
from karokar.identity.actions.tries import forget_tries
from karokar.identity.models import Membership, RecoveryCode, User
from karokar.identity.queries.access import active_roles, needs_second_factor, password_mark, permissions_of
from karokar.identity.queries.links import find_reset
from karokar.identity.rules import passwords, recovery, second_factor, tokens
from karokar.kernel import clock
from karokar.kernel.database.sealed import UNREADABLE
from karokar.kernel.db import action, db
from karokar.kernel.errors import RuleBroken, StateConflict
from karokar.kernel.proof import demand_proof
from karokar.kernel.settings import settings
from karokar.organization import facts as organization

LINK_ENDED = StateConflict(
    "LINK_ENDED", "This link has been used, or is too old. Ask for a new one on the sign-in page."
)


@action
def update_profile(
    *,
    first_name: str,
    last_name: str,
    phone: str | None = None,
    locale: str = "en",
    time_zone: str = "UTC",
    theme: str = "auto",
    version: int | None = None,
) -> User:
    """Change the acting person's profile. Raises RuleBroken for a time zone or theme that does not exist."""
    user = lock_own(version=version)
    event = user.update(
        first_name=first_name, last_name=last_name, phone=phone, locale=locale, time_zone=time_zone, theme=theme
    )
    publish(event)
    return user


@action
def change_password(*, current: str, new: str, kept_session_id: UUID | None, keeps_tokens: bool = False) -> None:
    """Change the acting person's password, and end their sessions elsewhere and (unless kept) their API tokens.

    Raises RuleBroken where the current one is wrong or the new one is not accepted.
    """
    user = lock_own()
    if not passwords.verify(user.password_hash, current, cheap=settings().testing):
        sentence = "This is not your current password."
        raise RuleBroken("PASSWORD_WRONG", sentence, fields={"current": sentence})
    if passwords.normal(current) == passwords.normal(new):
        sentence = "This is the password you have already. Choose another one."
        raise RuleBroken("PASSWORD_SAME", sentence, fields={"new": sentence})
    set_password(user, new, by_link=False, keep=kept_session_id)
    if not keeps_tokens:
        revoke_live_tokens(user)


def set_password(
    user: User,
    password: str,
    *,
    by_link: bool,
    keep: UUID | None = None,
    field: str = "new",
    is_example: bool = False,
) -> None:
    """Give the account another password and end its sessions but one. Raises RuleBroken for a password not accepted.

    The password of the example data is known to everybody anyway, and taken as it is.
    """
    if not is_example:
        check_new_password(user, password, field=field)
    publish(user.set_password(passwords.hash_password(password, cheap=settings().testing), by_link=by_link))
    count = end_live_sessions(user.id, keep=keep)
    if count:
        publish(user.end_sessions(count, "password changed"))


@action
def renew_hash(user_id: UUID, password: str, *, mark: str) -> str:
    """Hash a password that was just found right once more, in the form that is compared today, and return its new mark.

    The password stays the same, so nothing is published. Where it was changed meanwhile, the old mark is returned.
    """
    user = lock_user(user_id)
    if password_mark(user) != mark:
        return mark
    made = passwords.hash_password(password, cheap=settings().testing)
    db.session.execute(update(User).where(User.id == user_id).values(password_hash=made))
    db.session.refresh(user)
    return password_mark(user)


def check_new_password(user: User, password: str, *, field: str) -> None:
    """Raise RuleBroken where the person must not have this password, because others would guess it."""
    of_user = select(Membership.organization_id).where(Membership.user_id == user.id)
    organizations = organization.organizations(db.session.scalars(of_user)).values()
    names = (user.first_name, user.last_name, user.email.rpartition(".")[0], *(facts.name for facts in organizations))
    check_password_for(names, password, field=field)


def check_password_for(words: Iterable[str], password: str, *, field: str) -> None:
    """Raise RuleBroken for a password that is too short, known, or contains one of these words."""
    problem = passwords.problem_of(password, words=words)
    if problem:
        raise RuleBroken("PASSWORD_NOT_ACCEPTED", problem, fields={field: problem})


@action
def reset_password(token: str, *, new: str, keeps_tokens: bool = False) -> UUID:
    """Set a new password by the link of a mail, end all sessions and, unless they are kept, all API tokens, and return
    whose it was.

    Raises StateConflict for a link that is forged, too old or used, and RuleBroken for a password not accepted.
    """
    found = find_reset(token)
    if found is None:
        raise LINK_ENDED
    user = lock_user(found.user_id)
    # Two clicks at once: whoever comes second finds the link used.
    if find_reset(token) is None:
        raise LINK_ENDED
    with as_oneself(user):
        is_first_proof = user.email_verified_at is None
        if is_first_proof:
            publish(user.verify_email())
            _forget_what_a_stranger_set_up(user)
        set_password(user, new, by_link=True)
        forget_tries(user.email)
        if is_first_proof or not keeps_tokens:
            revoke_live_tokens(user)
    return user.id


def _forget_what_a_stranger_set_up(user: User) -> None:
    """Remove a second factor and its codes from an account whose mailbox nobody had proved.

    Whoever was handed the invitation's link could set up the account of an address that isn't theirs. When the owner of
    the address comes, that person must not keep a way in.
    """
    if user.has_second_factor:
        publish(user.disable_second_factor(by_admin=False))
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))


# --- the second factor ------------------------------------------------------------------------------------------------


@action
def begin_enrolment(user_id: UUID) -> None:
    """Make a secret for an authenticator app, to be confirmed with a first code; one begun before stays as it is.

    Raises ProofNeeded, NotForTokens, and StateConflict where a second factor is in use already.
    """
    user = lock_user(user_id)
    demand_proof()
    if user.has_second_factor:
        raise StateConflict("SECOND_FACTOR_EXISTS", "The second factor is on already. Turn it off first to move it.")
    if user.pending_totp_secret in {None, UNREADABLE}:
        user.pending_totp_secret = second_factor.new_secret()


@action
def confirm_enrolment(user_id: UUID, code: str, *, session_id: UUID | None = None) -> list[str]:
    """Turn the second factor on with a first code, and return the recovery codes, which are shown once.

    The session in which that was done counts as one that gave a second factor. Raises RuleBroken for a wrong code,
    ProofNeeded, NotForTokens, and StateConflict where no enrolment was begun.
    """
    user = lock_user(user_id)
    demand_proof()
    if user.pending_totp_secret is None or user.pending_totp_secret == UNREADABLE:
        raise StateConflict("NO_SECOND_FACTOR_BEGUN", "Open the page with the QR code again, and scan it anew.")
    step = second_factor.step_of(user.pending_totp_secret, code, clock.now(), None)
    if step is None:
        sentence = "This code is wrong. Check that your phone's clock is right, and type the newest code."
        raise RuleBroken("CODE_WRONG", sentence, fields={"code": sentence})
    with as_oneself(user):
        publish(user.enable_second_factor(step))
        if session_id is not None:
            note_proof(session_id, user.id, with_second_factor=True)
        return _new_codes(user)


@action
def renew_recovery_codes(*, password: str) -> list[str]:
    """Replace the acting person's recovery codes, and return the new ones, which are shown once.

    Raises RuleBroken for a wrong password, and StateConflict without a second factor.
    """
    user = lock_own()
    _check_password(user, password)
    if not user.has_second_factor:
        raise StateConflict("NO_SECOND_FACTOR", "Turn the second factor on first.")
    return _new_codes(user)


def _kept(code: str, user_id: UUID) -> str:
    return recovery.slow_hash(tokens.fingerprint(code), user_id, cheap=settings().testing)


def _new_codes(user: User) -> list[str]:
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = tokens.new_recovery_codes()
    db.session.add_all(RecoveryCode(user_id=user.id, code_hash=_kept(code, user.id)) for code in codes)
    publish(user.renew_recovery_codes(len(codes)))
    return codes


@action
def disable_second_factor(*, password: str) -> None:
    """Turn the acting person's second factor off. Raises RuleBroken for a wrong password, or where it is required."""
    user = lock_own()
    _check_password(user, password)
    if any(needs_second_factor(permissions_of(role)) for role in active_roles(user.id)):
        raise RuleBroken("SECOND_FACTOR_REQUIRED", "Your role requires a second factor, so it cannot be turned off.")
    publish(user.disable_second_factor(by_admin=False))
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))


@action
def reset_second_factor_of(user_id: UUID, *, identity_check: str) -> None:
    """Remove the second factor of somebody who lost it, as the platform, and end their sessions and API tokens.

    `identity_check` names the way in which the acting person made sure who is asking (`rules.second_factor`).

    Raises PermissionDenied for others, NotFound, ProofNeeded, NotForTokens, RuleBroken for somebody who may do more
    than the acting person or without such a way, and StateConflict where there is no second factor.
    """
    user = lock_outranked(user_id, "Remove the second factor of other people")
    publish(user.disable_second_factor(by_admin=True, identity_check=identity_check))
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    count = end_live_sessions(user.id)
    if count:
        publish(user.end_sessions(count, "second factor removed by the platform"))
    revoke_live_tokens(user)


def _check_password(user: User, password: str) -> None:
    if not passwords.verify(user.password_hash, password, cheap=settings().testing):
        sentence = "This is not your password."
        raise RuleBroken("PASSWORD_WRONG", sentence, fields={"password": sentence})
