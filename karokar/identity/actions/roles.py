"""Composing roles."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import func, select

from karokar.events.bus import publish
from karokar.identity import rules
from karokar.identity.models import Membership, Role
from karokar.identity.permissions import ROLE_MANAGE
from karokar.identity.queries.authority import may_give
from karokar.identity.queries.roles import grantable_permissions
from karokar.identity.rules import MembershipStatus
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken, StateConflict
from karokar.kernel.permissions import check
from karokar.kernel.proof import demand_proof
from karokar.kernel.text.normalization import same_key

_NAME_TAKEN = "Your organization has a role of this name already. Choose another name."
REFUSALS = {
    "uq_roles_organization_id_name": RuleBroken("ROLE_NAME_TAKEN", _NAME_TAKEN, fields={"name": _NAME_TAKEN}),
    "roles.organization_id, roles.name": RuleBroken("ROLE_NAME_TAKEN", _NAME_TAKEN, fields={"name": _NAME_TAKEN}),
}


@action(refusals=REFUSALS)
def create_role(*, name: str, description: str = "", permissions: Iterable[str]) -> Role:
    """Compose a role for the acting organization from what its type allows.

    An entry is a permission's code, or the code with `:self` for the member's own things only. Raises RuleBroken for a
    permission that cannot be granted here, none at all, or a name that is taken.
    """
    check(ROLE_MANAGE)
    demand_proof()
    actor = current_actor()
    if actor.organization_id is None or actor.organization_type is None:
        raise NotFound("organization")
    role, event = Role.compose(
        organization_id=actor.organization_id,
        organization_type=actor.organization_type,
        name=_free_name(name, actor.organization_id),
        description=description,
        permissions=_checked(permissions, actor.organization_type),
    )
    db.session.add(role)
    publish(event)
    return role


@action(refusals=REFUSALS)
def update_role(
    role_id: UUID, *, name: str, description: str = "", permissions: Iterable[str], version: int | None = None
) -> Role:
    """Change a composed role; its holders' rights change at their next click. Raises as `create_role`, and
    StaleVersion.
    """
    role = _load(role_id, version)
    event = role.change(
        name=_free_name(name, role.organization_id, except_id=role.id),
        description=description,
        permissions=_checked(permissions, role.organization_type),
    )
    publish(event)
    return role


@action
def delete_role(role_id: UUID, *, version: int | None = None) -> None:
    """Delete a composed role that nobody holds.

    Raises StateConflict while somebody does, and RuleBroken where it allows more than the acting person may.
    """
    role = _load(role_id, version)
    holders = (
        select(func.count())
        .select_from(Membership)
        .where(Membership.role_id == role.id, Membership.status != MembershipStatus.REMOVED)
    )
    event = role.delete(db.session.scalar(holders) or 0)
    former = select(func.count()).select_from(Membership).where(Membership.role_id == role.id)
    if db.session.scalar(former):
        raise StateConflict(
            "ROLE_WAS_HELD",
            "People who left held this role, and the record of it stays. Take its permissions away instead.",
        )
    publish(event)
    db.session.delete(role)


def _load(role_id: UUID, version: int | None) -> Role:
    check(ROLE_MANAGE)
    demand_proof()
    conditions = (Role.id == role_id, Role.organization_id == current_actor().organization_id)
    statement = select(Role).where(*conditions).with_for_update().execution_options(populate_existing=True)
    role = db.session.scalars(statement).one_or_none()
    if role is None:
        raise NotFound(Role.label)
    role.expect(version)
    if role.organization_id is not None and not may_give(role, role.organization_id):
        raise RuleBroken(
            "ROLE_ABOVE_OWN", "This role allows more than you may yourself. Ask an administrator to change it."
        )
    return role


def _free_name(name: str, organization_id: UUID | None, *, except_id: UUID | None = None) -> str:
    taken = {label for _type, label, _description in rules.SYSTEM_ROLES.values()}
    if same_key(name) in {same_key(text) for text in (*taken, *rules.SYSTEM_ROLES)}:
        sentence = "This is the name of a system role. Choose another name."
        raise RuleBroken("ROLE_NAME_TAKEN", sentence, fields={"name": sentence})
    others = select(Role.name).where(Role.organization_id == organization_id, Role.id != except_id)
    if same_key(name) in {same_key(other) for other in db.session.scalars(others)}:
        raise RuleBroken("ROLE_NAME_TAKEN", _NAME_TAKEN, fields={"name": _NAME_TAKEN})
    return name.strip()


def _checked(permissions: Iterable[str], organization_type: str) -> list[str]:
    entries = sorted(set(permissions))
    if not entries:
        sentence = "Choose at least one permission."
        raise RuleBroken("ROLE_ALLOWS_NOTHING", sentence, fields={"permissions": sentence})
    grantable = {item.code: item for item in grantable_permissions(organization_type)}
    for entry in entries:
        code, is_self = rules.split_entry(entry)
        item = grantable.get(code)
        if item is None or (is_self and not item.can_be_self):
            sentence = f"“{entry}” cannot be granted in an organization of this type."
            raise RuleBroken("PERMISSION_NOT_GRANTABLE", sentence, fields={"permissions": sentence})
        held = current_actor().permissions.get(code)
        if held is None or (held is Scope.SELF and not is_self and not item.only_self):
            sentence = f"You cannot grant “{entry}”: you may not do it yourself."
            raise RuleBroken("PERMISSION_ABOVE_OWN", sentence, fields={"permissions": sentence})
    return entries
