"""API tokens."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from karokar.events.bus import publish
from karokar.identity import rules
from karokar.identity.actions.own_account import lock_own, lock_user
from karokar.identity.models import ApiToken, User
from karokar.identity.permissions import EMPLOYEE_MANAGE
from karokar.identity.queries.authority import touchable_tokens
from karokar.identity.rules import tokens
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken
from karokar.kernel.fairness import quotas
from karokar.kernel.fairness.limits import TOKENS_OF_ORGANIZATION, TOKENS_OF_PERSON
from karokar.kernel.local.days import end_of_day, zone_of
from karokar.kernel.permissions import check, permitted
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

    Raises LimitReached where they or the organization have too many, ProofNeeded, NotForTokens, and RuleBroken for
    rights that the person does not have, none at all, or another life than those offered.
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
    quotas.ask(TOKENS_OF_PERSON, user.id, used=lambda: _count_live(ApiToken.user_id == user.id))
    of_organization = ApiToken.organization_id == actor.organization_id
    quotas.ask(TOKENS_OF_ORGANIZATION, actor.organization_id, used=lambda: _count_live(of_organization))
    secret, now = tokens.new_token(), clock.now()
    token = ApiToken(
        user_id=user.id,
        organization_id=actor.organization_id,
        name=name,
        token_hash=tokens.fingerprint(secret),
        permissions=wanted,
        created_at=now,
        expires_at=_end_of_life(now, days, actor.time_zone),
    )
    db.session.add(token)
    publish(user.create_token(token))
    return NewToken(token.id, secret)


def _count_live(owner: ColumnElement[bool]) -> int:
    live = select(func.count()).select_from(ApiToken).where(owner, ApiToken.is_live(clock.now()))
    return db.session.scalar(live) or 0


def _end_of_life(now: datetime, days: int, zone_name: str | None) -> datetime:
    """Return the end of the last day: a token that is to live 30 days does not stop in the middle of one."""
    zone = zone_of(zone_name or "UTC")
    return end_of_day(now.astimezone(zone).date() + timedelta(days=days), zone)


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
def revoke_token_of_member(token_id: UUID) -> None:
    """End a token that somebody made for the acting organization (the platform: for any).

    Raises NotFound for a token of another tenant, RuleBroken where its owner may do more there than the acting person,
    and StateConflict where it has ended.
    """
    check(EMPLOYEE_MANAGE)
    token = db.session.scalars(
        select(ApiToken).where(ApiToken.id == token_id, permitted(ApiToken, EMPLOYEE_MANAGE))
    ).one_or_none()
    if token is None:
        raise NotFound("token")
    user = lock_user(token.user_id)
    if token.id not in touchable_tokens([token]):
        raise RuleBroken(
            "TOKEN_ABOVE_OWN", "The owner of this token may do more than you may. Ask an administrator to revoke it."
        )
    db.session.refresh(token)
    publish(user.revoke_token(token))


def revoke_live_tokens(user: User) -> int:
    """End every token of a person, in whatever organization, and return how many ended."""
    live = select(ApiToken).where(ApiToken.user_id == user.id, ApiToken.is_live(clock.now())).order_by(ApiToken.id)
    found = list(db.session.scalars(live.execution_options(populate_existing=True)))
    for token in found:
        publish(user.revoke_token(token))
    return len(found)


@action
def touch_token(token_id: UUID, address: str = "") -> None:
    """Note that a token is in use, and from which network address."""
    token = db.session.get(ApiToken, token_id)
    if token is not None:
        token.last_used_at = clock.now()
        token.last_used_from = address or None
