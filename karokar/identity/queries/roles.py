"""Roles: which there are, who holds them, and of what they can be composed."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from karokar.identity.models import Membership, Role, can_be_given
from karokar.identity.queries.access import permissions_of, scope_in
from karokar.identity.queries.authority import outranks
from karokar.identity.rules import MembershipStatus
from karokar.kernel.actor import Scope
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import PERMISSIONS
from karokar.kernel.text.normalization import search_key


@dataclass(frozen=True)
class RoleFacts:
    """A role, and what it allows: permission → scope."""

    id: UUID
    version: int
    name: str
    description: str
    code: str | None
    is_system_role: bool
    organization_type: str
    entries: tuple[str, ...]
    permissions: Mapping[str, Scope]


@dataclass(frozen=True)
class RoleRow:
    """One line of the list of roles."""

    role: RoleFacts
    holders: int


@dataclass(frozen=True)
class Grantable:
    """A permission that a composed role of a type may hold; `can_be_self`: also for the member's own things only."""

    code: str
    description: str
    resource: str
    can_be_self: bool
    only_self: bool


SELF_GRANTABLE = frozenset({"booking.create", "booking.edit", "booking.discard", "booking.submit", "booking.read"})
"""What a composed role may allow for a member's own things although no system role does: own drafts."""


def grantable_permissions(organization_type: str) -> list[Grantable]:
    """Return what roles of an organization type can be composed of: what its administrators may do themselves."""
    found = []
    for code, permission in sorted(PERMISSIONS.items()):
        scope = scope_in(permission, organization_type)
        if scope is None:
            continue
        is_corporate = organization_type == "CORPORATE"
        can_be_self = is_corporate and (permission.employee is Scope.SELF or code in SELF_GRANTABLE)
        found.append(
            Grantable(
                code=code,
                description=permission.description,
                resource=code.split(".", maxsplit=1)[0],
                can_be_self=can_be_self and scope is not Scope.SELF,
                only_self=scope is Scope.SELF,
            )
        )
    return found


def get_role(role_id: UUID, organization_id: UUID, organization_type: str) -> RoleFacts:
    """Return a role that the organization may give. Raises NotFound."""
    statement = select(Role).where(Role.id == role_id, can_be_given(organization_id, organization_type))
    role = db.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if role is None:
        raise NotFound("role")
    return _facts(role)


def list_roles_to_give(organization_id: UUID, organization_type: str) -> list[RoleFacts]:
    """Return the roles that members of the organization can have: the type's own first, then the composed ones."""
    statement = select(Role).where(can_be_given(organization_id, organization_type))
    found = sorted(db.session.scalars(statement), key=lambda role: (not role.is_system_role, search_key(role.name)))
    return [_facts(role) for role in found]


def list_roles_within_reach(organization_id: UUID, organization_type: str) -> list[RoleFacts]:
    """Return those of the roles to give that the actor may give: none that is above their own rights."""
    found = list_roles_to_give(organization_id, organization_type)
    return [role for role in found if outranks(role.permissions, organization_id)]


def list_role_rows(organization_id: UUID, organization_type: str) -> list[RoleRow]:
    """Return the organization's roles with how many members hold each."""
    statement = (
        select(Membership.role_id, func.count())
        .where(Membership.organization_id == organization_id, Membership.status != MembershipStatus.REMOVED)
        .group_by(Membership.role_id)
    )
    holders: dict[UUID, int] = {row[0]: row[1] for row in db.session.execute(statement)}
    return [RoleRow(role, holders.get(role.id, 0)) for role in list_roles_to_give(organization_id, organization_type)]


def _facts(role: Role) -> RoleFacts:
    return RoleFacts(
        id=role.id,
        version=role.version,
        name=role.name,
        description=role.description,
        code=role.code,
        is_system_role=role.is_system_role,
        organization_type=role.organization_type,
        entries=tuple(role.permissions),
        permissions=permissions_of(role),
    )
