"""The one decision whether the acting person may touch a role, a member, an invitation, or how a person signs in.

Actions refuse by it and pages show their buttons by it. What counts is what the actor holds now: an API token decides
with its own rights, never with its owner's.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from karokar.identity.models import ApiToken, Membership, Role
from karokar.identity.permissions import EMPLOYEE_MANAGE
from karokar.identity.queries.access import permissions_of, rights_of_system_role
from karokar.identity.rules import ADMIN_ROLES, MembershipStatus
from karokar.identity.rules.authority import Rights, is_above
from karokar.kernel.actor import Actor, Scope, current_actor
from karokar.kernel.db import db
from karokar.kernel.permissions import scope_of


def outranks(rights: Rights, organization_id: UUID, actor: Actor | None = None) -> bool:
    """Whether the actor may give, change or take away these rights in an organization."""
    actor = actor or current_actor()
    if actor.is_system:
        return True
    is_own = organization_id == actor.organization_id
    if not is_own and scope_of(EMPLOYEE_MANAGE, actor) is not Scope.ALL:
        return False
    administrator = rights_of_system_role(ADMIN_ROLES["PLATFORM"])
    return not is_above(rights, actor.permissions, is_own_organization=is_own, administrator=administrator)


def may_give(role: Role, organization_id: UUID) -> bool:
    """Whether the actor may give this role to somebody in an organization, or take it away."""
    return outranks(permissions_of(role), organization_id)


def outranked(user_ids: Collection[UUID]) -> set[UUID]:
    """Return those of these people whom the actor may touch as people (sessions, second factor, every token).

    They outrank nobody in any of their organizations; oneself is never among them.
    """
    actor = current_actor()
    statement = (
        select(Membership.user_id, Membership.organization_id, Role)
        .join(Role, Role.id == Membership.role_id)
        .where(Membership.user_id.in_(user_ids), Membership.status != MembershipStatus.REMOVED)
    )
    above = {
        user_id
        for user_id, organization_id, role in db.session.execute(statement)
        if not outranks(permissions_of(role), organization_id, actor)
    }
    return set(user_ids) - above - {actor.user_id}


def touchable_tokens(tokens: Collection[ApiToken]) -> set[UUID]:
    """Return the ids of those tokens that the actor may revoke: whose owner does not outrank them where the token
    works. A token whose owner has left there is anybody's who manages its members.
    """
    statement = (
        select(Membership.user_id, Membership.organization_id, Role)
        .join(Role, Role.id == Membership.role_id)
        .where(
            Membership.user_id.in_({token.user_id for token in tokens}), Membership.status != MembershipStatus.REMOVED
        )
    )
    above = {
        (user_id, organization_id)
        for user_id, organization_id, role in db.session.execute(statement)
        if not outranks(permissions_of(role), organization_id)
    }
    return {token.id for token in tokens if (token.user_id, token.organization_id) not in above}


def may_touch(user_id: UUID) -> bool:
    """Whether the actor may see what lets this person in (the links of their mails): never a program's."""
    actor = current_actor()
    return actor.token_id is None and (user_id == actor.user_id or user_id in outranked([user_id]))
