"""API tokens."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from karokar.events.bus import publish
from karokar.identity import rules
from karokar.identity.actions.oneself import lock_own
from karokar.identity.models import ApiToken
from karokar.identity.rules import tokens
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken
from karokar.kernel.proof import demand_proof


@dataclass(frozen=True)
class NewToken:
    """A token that was just made; `secret` is shown this once."""

    id: UUID
    secret: str


@action
def create_token(*, name: str, permissions: Iterable[str], days: int) -> NewToken:
    """Make a token with which a program acts as the acting person in the acting organization, with some of their
    rights.

    Raises RuleBroken for rights that the person does not have, none at all, or another life than those offered;
    ProofNeeded and NotForTokens.
    """
    demand_proof()
    user = lock_own()
    actor = current_actor()
    wanted = sorted(set(permissions))
    if actor.organization_id is None:
        raise NotFound("organization")
    if not wanted or not set(wanted) <= set(actor.permissions):
        sentence = "Choose at least one of the permissions that you have."
        raise RuleBroken("TOKEN_PERMISSIONS", sentence, fields={"permissions": sentence})
    if days not in rules.TOKEN_DAYS:
        sentence = "Choose one of the offered lives."
        raise RuleBroken("TOKEN_LIFE", sentence, fields={"days": sentence})
    secret, now = tokens.new_token(), clock.now()
    token = ApiToken(
        user_id=user.id,
        organization_id=actor.organization_id,
        name=name,
        token_hash=tokens.fingerprint(secret),
        permissions=wanted,
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    db.session.add(token)
    publish(user.create_token(token))
    return NewToken(token.id, secret)


@action
def revoke_token(token_id: UUID) -> None:
    """End one of the acting person's tokens. Raises NotFound where it is not theirs, StateConflict where it has
    ended.
    """
    user = lock_own()
    token = db.session.get(ApiToken, token_id, populate_existing=True)
    if token is None or token.user_id != user.id:
        raise NotFound("token")
    publish(user.revoke_token(token))


@action
def touch_token(token_id: UUID) -> None:
    """Note that a token is in use."""
    token = db.session.get(ApiToken, token_id)
    if token is not None:
        token.last_used_at = clock.now()
