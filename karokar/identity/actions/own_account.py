"""Acting as the person whose account it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import select

from karokar.identity.models import Membership, User, UserSession
from karokar.identity.rules import MembershipStatus
from karokar.kernel import clock
from karokar.kernel.actor import Actor, acting_as, current_actor, current_cause
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound


def lock_user(user_id: UUID, *, version: int | None = None) -> User:
    """Return the person's account, locked until the transaction ends: two sign-ins at once both succeed.

    Raises NotFound, and StaleVersion where `version` is not the current one.
    """
    statement = select(User).where(User.id == user_id).with_for_update().execution_options(populate_existing=True)
    user = db.session.scalars(statement).one_or_none()
    if user is None:
        raise NotFound(User.label)
    user.expect(version)
    return user


def lock_own(*, version: int | None = None) -> User:
    """Return the acting person's own account, locked. Raises NotFound where nobody acts."""
    user_id = current_actor().user_id
    if user_id is None:
        raise NotFound(User.label)
    return lock_user(user_id, version=version)


@contextmanager
def as_oneself(user: User) -> Iterator[None]:
    """Do what follows as this person, where nobody has been acting yet: at the door, they have just shown who they
    are.
    """
    actor = current_actor()
    if actor.user_id is not None:
        yield
        return
    conditions = (Membership.user_id == user.id, Membership.status == MembershipStatus.ACTIVE)
    organization_id = db.session.scalar(
        select(Membership.organization_id).where(*conditions).order_by(Membership.id).limit(1)
    )
    with acting_as(Actor(user_id=user.id, organization_id=organization_id, name=user.name), current_cause()):
        yield


def end_live_sessions(user_id: UUID, *, keep: UUID | None = None) -> int:
    """End the person's sessions but one, and return how many were ended."""
    now = clock.now()
    statement = select(UserSession).where(UserSession.user_id == user_id, UserSession.is_live(now))
    ended = [session for session in db.session.scalars(statement) if session.id != keep]
    for session in ended:
        session.ended_at = now
    return len(ended)


def note_proof(session_id: UUID, user_id: UUID, *, with_second_factor: bool) -> None:
    """Note that the person confirmed in this session, just now, who they are."""
    session = db.session.get(UserSession, session_id, populate_existing=True)
    if session is None or session.user_id != user_id:
        raise NotFound("session")
    session.proven_at = clock.now()
    session.has_second_factor = session.has_second_factor or with_second_factor
