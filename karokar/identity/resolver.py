"""Who is acting in this request: a signed-in browser (Flask-Login) or a program with an API token."""

from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from flask import g, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from karokar.identity import actions, queries
from karokar.kernel.actor import Actor
from karokar.kernel.errors import Busy
from karokar.organization import facts as organization

login_manager = LoginManager()
# A phone changes its address and a browser its version without being stolen: sessions are known by their secret.
login_manager.session_protection = None


@dataclass
class SignedIn(UserMixin):
    """A browser whose cookie holds the secret of a live session."""

    token: str
    acting: queries.Acting

    def get_id(self) -> str:
        """Return what the cookie holds: never the person's id, always a session's secret."""
        return self.token


@login_manager.user_loader
def _load(token: str) -> SignedIn | None:
    acting = queries.acting_by_session(token)
    return SignedIn(token, acting) if acting else None


def begin_session(token: str) -> None:
    """Let this browser be signed in from now on, with nothing left of what its cookie held before."""
    session.clear()
    acting = queries.acting_by_session(token)
    if acting is not None:
        login_user(SignedIn(token, acting))


def forget_session() -> None:
    """Let this browser be signed out."""
    logout_user()
    session.clear()


def current_session_id() -> UUID | None:
    """Return the id of the session of this browser; None where a program acts, or nobody."""
    acting = getattr(g, "karokar_acting", None)
    return acting.session_id if acting is not None else None


def resolve_actor() -> Actor | None:
    """Return who is acting, with the rights that the database says they have now; None where nobody is signed in."""
    # Within one test several requests may share what Flask-Login remembers; each request asks anew.
    for name in ("_login_user", "karokar_acting"):
        g.pop(name, None)
    header = request.headers.get("Authorization", "")
    if header[:7].lower() == "bearer ":
        acting = queries.acting_by_token(header[7:].strip())
    else:
        acting = current_user.acting if current_user.is_authenticated else None
    if acting is None:
        return None
    g.karokar_acting = acting
    _touch(acting)
    return _actor(acting)


def actor_of_member(user_id: UUID, organization_id: UUID, token_id: UUID | None = None) -> Actor | None:
    """Return the actor that a member is now, for work that goes on after their request (`token_id`: after that of a
    program with this token); None for no active member, or where the token has ended.
    """
    acting = queries.acting_by_membership(user_id, organization_id, token_id)
    return _actor(acting) if acting else None


def _actor(acting: queries.Acting) -> Actor:
    facts = organization.get_organization(acting.organization_id)
    return Actor(
        user_id=acting.user_id,
        organization_id=acting.organization_id,
        organization_type=facts.type,
        organization_status=facts.status,
        organization_name=facts.name,
        name=acting.name,
        role=acting.role,
        time_zone=facts.time_zone,
        # Rights that wait for a second factor are not held.
        permissions=MappingProxyType({} if acting.lacks_second_factor else dict(acting.permissions)),
        token_id=acting.token_id,
        session_id=acting.session_id,
        proven_at=acting.proven_at,
        lacks_second_factor=acting.lacks_second_factor,
    )


def _touch(acting: queries.Acting) -> None:
    if not acting.is_touch_due:
        return
    try:
        if acting.token_id is not None:
            actions.touch_token(acting.token_id, request.remote_addr or "")
        elif acting.session_id is not None:
            actions.touch_session(acting.session_id)
    except Busy:
        # It is only a note; the next request writes it.
        pass
