"""Links that are sent by mail: signed, for one purpose, for a time, and for one use."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from karokar.identity import rules
from karokar.identity.models import Membership, User
from karokar.identity.queries.accounts import count_live_tokens
from karokar.identity.rules import tokens
from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.settings import settings

PATHS = {"invitation": "/invitation?token=", "password_reset": "/password/new?token="}
"""Where a link of each purpose leads; the token follows. It stands in the query, which access logs leave out, and not
in the path, which they keep.
"""

_LIFE = {
    "invitation": timedelta(days=rules.INVITATION_DAYS),
    "password_reset": timedelta(hours=rules.PASSWORD_RESET_HOURS),
}


@dataclass(frozen=True)
class OpenInvitation:
    """An invitation that its link still opens."""

    membership_id: UUID
    user_id: UUID
    organization_id: UUID
    role_name: str
    name: str
    email: str
    open_until: datetime


@dataclass(frozen=True)
class ResetLink:
    """A link that still sets a new password."""

    user_id: UUID
    email: str
    name: str
    live_tokens: int


def sign_in_link(purpose: str, id: UUID) -> str:  # noqa: A002 - the name that the asking contexts use
    """Return an absolute link that works for a time, and once.

    `purpose` is "invitation" (with the membership's id) or "password_reset" (with the user's id). A mail that is
    rendered twice holds two links, of which the first one used ends both. Raises NotFound for an unknown id and
    LookupError for an unknown purpose.
    """
    path = PATHS[purpose]
    nonce = _nonce(purpose, id)
    return (
        settings().base_url + path + tokens.sign_link(settings().secret_key, purpose, str(id), nonce or "", clock.now())
    )


def _nonce(purpose: str, entity_id: UUID) -> str | None:
    if purpose == "invitation":
        membership = db.session.get(Membership, entity_id)
        if membership is None:
            raise NotFound("invitation")
        return membership.link_nonce
    user = db.session.get(User, entity_id)
    if user is None:
        raise NotFound("person")
    return user.reset_nonce


def find_invitation(token: str) -> OpenInvitation | None:
    """Return the invitation that a link opens; None where it is forged, too old, used or withdrawn."""
    found = _read("invitation", token)
    membership = db.session.get(Membership, found[0]) if found else None
    if found is None or membership is None or not membership.is_open or membership.link_nonce != found[1]:
        return None
    user = membership.user
    return OpenInvitation(
        membership_id=membership.id,
        user_id=user.id,
        organization_id=membership.organization_id,
        role_name=membership.role.name,
        name=user.name,
        email=user.email,
        open_until=membership.open_until,
    )


def find_reset(token: str) -> ResetLink | None:
    """Return for whom a link sets a new password; None where it is forged, too old or used."""
    found = _read("password_reset", token)
    user = db.session.get(User, found[0]) if found else None
    if found is None or user is None or not found[1] or user.reset_nonce != found[1]:
        return None
    return ResetLink(user.id, user.email, user.name, count_live_tokens(user.id))


def _read(purpose: str, token: str) -> tuple[UUID, str] | None:
    found = tokens.read_link(settings().secret_keys, purpose, token, _LIFE[purpose], clock.now())
    try:
        return (UUID(found[0]), found[1]) if found else None
    except ValueError:
        return None
