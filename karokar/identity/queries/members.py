"""Members as the organization's admin sees them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from karokar.identity import rules
from karokar.identity.models import Membership, Role, User, can_be_given
from karokar.identity.permissions import EMPLOYEE_MANAGE
from karokar.identity.queries.authority import may_give
from karokar.identity.queries.people import is_stranger, matches, shown_name
from karokar.identity.rules import MembershipStatus
from karokar.kernel.actor import Actor, current_actor
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.pages.paging import PAGE_SIZE, Page, count_up_to, paginate
from karokar.kernel.pages.waiting import Hit
from karokar.kernel.permissions import permitted, scope_of


@dataclass(frozen=True)
class MemberRow:
    """One line of the members' list, and the head of a member's page."""

    id: UUID
    version: int
    user_id: UUID
    organization_id: UUID
    name: str
    first_name: str
    last_name: str
    email: str
    phone: str | None
    role_id: UUID
    role: str
    role_name: str
    is_admin: bool
    status: str
    reason: str | None
    invited_at: datetime
    joined_at: datetime | None
    last_seen_at: datetime | None
    has_second_factor: bool
    is_invitation_open: bool
    open_until: datetime
    link_copied_at: datetime | None
    may_touch: bool


MEMBER_SORTS = {
    "name": User.search_key,
    "email": User.email,
    "joined": Membership.joined_at,
}
"""What the list of members can be sorted by."""


def standings(organization_id: UUID, emails: Iterable[str]) -> dict[str, str]:
    """Return, by address as stored, how those who were ever invited to an organization stand in it."""
    statement = (
        select(User.email, Membership.status)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.organization_id == organization_id, User.email.in_(set(emails)))
    )
    return {row.email: row.status for row in db.session.execute(statement)}


def list_member_rows(
    *,
    organization_id: UUID,
    status: str | None = None,
    role_id: UUID | None = None,
    text: str | None = None,
    sort: str = "name",
    cursor: str | None = None,
    size: int = PAGE_SIZE,
    counted: bool = True,
) -> Page[MemberRow]:
    """Return one page of the members that the actor may manage; those who left only when asked for."""
    statement = _listed(organization_id, status, role_id, text)
    page = paginate(
        statement, sorts=MEMBER_SORTS, tie=Membership.id, sort=sort, cursor=cursor, size=size, counted=counted
    )
    return page.map(lambda row: _row(*row[:4]))


def count_listed_members(
    *,
    organization_id: UUID,
    status: str | None = None,
    role_id: UUID | None = None,
    text: str | None = None,
    limit: int,
) -> int:
    """Return how many members `list_member_rows` pages through, `limit` + 1 where they are more."""
    return count_up_to(_listed(organization_id, status, role_id, text), limit)


def _listed(organization_id: UUID, status: str | None, role_id: UUID | None, text: str | None) -> Select[Any]:
    statement: Select[Any] = _rows().where(Membership.organization_id == organization_id)  # type: ignore[assignment]
    if status:
        statement = statement.where(Membership.status == status)
    else:
        statement = statement.where(Membership.status != MembershipStatus.REMOVED)
    if role_id:
        statement = statement.where(Membership.role_id == role_id)
    if text:
        statement = statement.where(matches(text))
    return statement


def get_member_row(membership_id: UUID) -> MemberRow:
    """Return one member that the actor may manage. Raises NotFound."""
    row = db.session.execute(_rows().where(Membership.id == membership_id)).one_or_none()
    if row is None:
        raise NotFound("member")
    return _row(*row)


def find_member_row(user_id: UUID, organization_id: UUID | None) -> MemberRow | None:
    """Return a person's membership in an organization, or (None) their oldest anywhere; None where there is none."""
    statement = _rows().where(Membership.user_id == user_id)
    if organization_id is not None:
        statement = statement.where(Membership.organization_id == organization_id)
    row = db.session.execute(statement.order_by(None).order_by(Membership.id).limit(1)).one_or_none()
    return _row(*row) if row else None


def openable() -> dict[str, Select[UUID]]:
    """Return the ids of the things whose page the acting person may open, by kind."""
    actor, may_manage = current_actor(), permitted(Membership, EMPLOYEE_MANAGE)
    found: dict[str, Select[UUID]] = {
        "user": select(Membership.user_id).where(may_manage),
        "membership": select(Membership.id).where(may_manage),
    }
    if actor.organization_id is not None and actor.organization_type is not None:
        found["role"] = select(Role.id).where(can_be_given(actor.organization_id, actor.organization_type))
    return found


def count_admins(organization_id: UUID) -> int:
    """Return how many active members run the organization."""
    statement = (
        select(func.count())
        .select_from(Membership)
        .join(Role, Role.id == Membership.role_id)
        .where(
            Membership.organization_id == organization_id,
            Membership.status == MembershipStatus.ACTIVE,
            Role.code.in_(rules.ADMIN_ROLES.values()),
        )
    )
    return db.session.scalar(statement) or 0


def invitations_from(organization_id: UUID) -> int:
    """Return how many invitations of an organization are open."""
    conditions = (Membership.organization_id == organization_id, Membership.status == MembershipStatus.INVITED)
    return db.session.scalar(select(func.count()).select_from(Membership).where(*conditions)) or 0


def search(actor: Actor, text: str) -> list[Hit]:
    """Find members by name or address, for those who manage them."""
    if len(text.strip()) < 2 or scope_of(EMPLOYEE_MANAGE, actor) is None:
        return []
    statement = _rows(actor).where(matches(text), Membership.status != MembershipStatus.REMOVED)
    statement = statement.order_by(User.search_key, Membership.id).limit(6)
    return [
        Hit(
            kind="Person",
            title=shown_name(user, is_hidden=is_hidden),
            endpoint="identity.member",
            values={"membership_id": str(membership.id)},
            detail=f"{user.email} · {role.name}",
        )
        for membership, user, role, is_hidden in db.session.execute(statement)
    ]


def _rows(actor: Actor | None = None) -> Select[Membership, User, Role, bool]:
    return (
        select(Membership, User, Role, is_stranger(actor or current_actor()).label("is_hidden"))
        .join(User, User.id == Membership.user_id)
        .join(Role, Role.id == Membership.role_id)
        .where(permitted(Membership, EMPLOYEE_MANAGE, actor))
        .execution_options(populate_existing=True)
    )


def _row(membership: Membership, user: User, role: Role, is_hidden: bool) -> MemberRow:  # noqa: FBT001 - a row
    return MemberRow(
        id=membership.id,
        version=membership.version,
        user_id=user.id,
        organization_id=membership.organization_id,
        name=shown_name(user, is_hidden=is_hidden),
        first_name="" if is_hidden else user.first_name,
        last_name="" if is_hidden else user.last_name,
        email=user.email,
        phone=None if is_hidden else user.phone,
        role_id=role.id,
        role=role.key,
        role_name=role.name,
        is_admin=role.is_admin,
        status=membership.status,
        reason=membership.reason,
        invited_at=membership.invited_at,
        joined_at=membership.joined_at,
        last_seen_at=None if is_hidden else user.last_seen_at,
        has_second_factor=user.has_second_factor and not is_hidden,
        is_invitation_open=membership.is_open,
        open_until=membership.open_until,
        link_copied_at=membership.link_copied_at,
        may_touch=may_give(role, membership.organization_id),
    )
