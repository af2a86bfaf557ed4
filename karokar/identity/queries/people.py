"""People and members, as every context may ask for them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, not_, or_, select, true
from sqlalchemy.orm import aliased

from karokar.identity.models import ApiToken, Membership, Role, User, UserSession
from karokar.identity.permissions import EMPLOYEE_MANAGE
from karokar.identity.queries.access import permissions_of
from karokar.identity.queries.authority import outranked
from karokar.identity.rules import MembershipStatus
from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope, current_actor
from karokar.kernel.database.columns import finds
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.pages.paging import Page, paginate
from karokar.kernel.permissions import scope_of
from karokar.kernel.text.email_addresses import normal_email


@dataclass(frozen=True)
class Person:
    """Somebody with an account. Times are shown to them in `time_zone`."""

    id: UUID
    name: str
    email: str
    phone: str | None
    time_zone: str
    locale: str


@dataclass(frozen=True)
class Member:
    """A person in an organization; `role` is a system role's code or a composed role's name."""

    user_id: UUID
    organization_id: UUID
    role: str
    status: str
    name: str
    email: str
    membership_id: UUID
    joined_at: datetime | None


@dataclass(frozen=True)
class PlatformPerson:
    """A person as the platform's desk lists them."""

    id: UUID
    name: str
    email: str
    has_second_factor: bool
    has_password: bool
    last_seen_at: datetime | None
    live_sessions: int
    live_tokens: int
    memberships: tuple[Member, ...]
    may_touch: bool


def get_person(user_id: UUID) -> Person:
    """Return the person. Raises NotFound."""
    found = people([user_id])
    if user_id not in found:
        raise NotFound("person")
    return found[user_id]


def people(ids: Iterable[UUID]) -> dict[UUID, Person]:
    """Return the persons by id, in one statement; ids that are nobody's are left out."""
    wanted = set(ids)
    if not wanted:
        return {}
    rows = db.session.execute(select(User, is_stranger(current_actor())).where(User.id.in_(wanted)))
    return {
        row.id: Person(
            row.id,
            shown_name(row, is_hidden=hidden),
            row.email,
            None if hidden else row.phone,
            row.time_zone,
            row.locale,
        )
        for row, hidden in rows
    }


def is_stranger(actor: Actor) -> ColumnElement[bool]:
    """Return the condition of people whom the actor's organization knows by nothing but an address that it invited.

    Who they are, and whether they have an account at all, is another tenant's affair, or their own, until they join:
    everybody who was only invited is shown by their address.
    """
    if actor.is_system or actor.is_platform or actor.organization_id is None:
        return false()
    here = aliased(Membership)
    is_only_invited = exists().where(
        here.user_id == User.id, here.organization_id == actor.organization_id, here.joined_at.is_(None)
    )
    return and_(is_only_invited, User.id != actor.user_id)


def shown_name(user: User, *, is_hidden: bool) -> str:
    """Return what a person is called; by their address where nobody here may know more."""
    return user.email if is_hidden else user.name


def find_person_by_email(email: str) -> Person | None:
    """Return who has this address, in whatever case; None where nobody."""
    row = db.session.scalars(select(User).where(User.email == normal_email(email))).one_or_none()
    return Person(row.id, row.name, row.email, row.phone, row.time_zone, row.locale) if row else None


def list_members(
    organization_id: UUID, *, status: str | None = "ACTIVE", permission: str | None = None
) -> list[Member]:
    """Return an organization's members in this status (None: any), by name; with `permission` only those who hold
    it.
    """
    statement = _members().where(Membership.organization_id == organization_id)
    if status is not None:
        statement = statement.where(Membership.status == status)
    rows = db.session.execute(statement).all()
    return [_member(*row) for row in rows if permission is None or permission in permissions_of(row[2])]


def list_holders(role_id: UUID, organization_id: UUID) -> list[UUID]:
    """Return the active members of an organization who have a role."""
    conditions = (
        Membership.role_id == role_id,
        Membership.organization_id == organization_id,
        Membership.status == MembershipStatus.ACTIVE,
    )
    return list(db.session.scalars(select(Membership.user_id).where(*conditions).order_by(Membership.id)))


def list_memberships_of(user_id: UUID) -> list[Member]:
    """Return the memberships with which a person may act now, oldest first."""
    statement = _members().where(Membership.user_id == user_id, Membership.status == MembershipStatus.ACTIVE)
    return [_member(*row) for row in db.session.execute(statement.order_by(None).order_by(Membership.id))]


def find_membership(user_id: UUID, organization_id: UUID) -> Member | None:
    """Return a person's membership in an organization, whatever its status; None where there never was one."""
    conditions = (Membership.user_id == user_id, Membership.organization_id == organization_id)
    row = db.session.execute(_members().where(*conditions)).one_or_none()
    return _member(*row) if row else None


def count_members(organization_id: UUID) -> int:
    """Return how many active members an organization has."""
    conditions = (Membership.organization_id == organization_id, Membership.status == MembershipStatus.ACTIVE)
    return db.session.scalar(select(func.count()).select_from(Membership).where(*conditions)) or 0


PEOPLE_SORTS = {
    "name": User.search_key,
    "email": User.email,
    "seen": User.last_seen_at,
}
"""What the platform's list of people can be sorted by."""


def count_by_organization(organization_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return how many members organizations have, those who left aside (those without any are left out)."""
    statement = (
        select(Membership.organization_id, func.count())
        .where(Membership.organization_id.in_(organization_ids), Membership.status != MembershipStatus.REMOVED)
        .group_by(Membership.organization_id)
    )
    return dict(db.session.execute(statement).all())


def list_people(
    *, text: str | None = None, organization_id: UUID | None = None, sort: str = "name", cursor: str | None = None
) -> Page[PlatformPerson]:
    """Return one page of people of every organization whose name or address contains the text: for the platform's desk.

    `organization_id`: only those of one organization who have not left it.

    Nobody for an actor who does not manage the people of every organization.
    """
    statement = select(User).where(matches(text or ""))
    if scope_of(EMPLOYEE_MANAGE) is not Scope.ALL:
        statement = statement.where(false())
    if organization_id is not None:
        of_it = select(Membership.user_id).where(
            Membership.organization_id == organization_id, Membership.status != MembershipStatus.REMOVED
        )
        statement = statement.where(User.id.in_(of_it))
    page = paginate(statement, sorts=PEOPLE_SORTS, tie=User.id, sort=sort, cursor=cursor)
    found = _of_platform(page.rows)
    return page.map(lambda user: found[user.id])


def _of_platform(users: Sequence[User]) -> dict[UUID, PlatformPerson]:
    ids = [user.id for user in users]
    touchable = outranked(ids)
    members: dict[UUID, list[Member]] = {user_id: [] for user_id in ids}
    for row in db.session.execute(_members().where(Membership.user_id.in_(ids))):
        members[row[0].user_id].append(_member(*row))
    live = select(UserSession.user_id, func.count()).where(
        UserSession.is_live(clock.now()), UserSession.user_id.in_(ids)
    )
    counts: dict[UUID, int] = {row[0]: row[1] for row in db.session.execute(live.group_by(UserSession.user_id))}
    working = select(ApiToken.user_id, func.count()).where(ApiToken.is_live(clock.now()), ApiToken.user_id.in_(ids))
    tokens: dict[UUID, int] = {row[0]: row[1] for row in db.session.execute(working.group_by(ApiToken.user_id))}
    return {
        user.id: PlatformPerson(
            id=user.id,
            name=user.name,
            email=user.email,
            has_second_factor=user.has_second_factor,
            has_password=user.password_hash is not None,
            last_seen_at=user.last_seen_at,
            live_sessions=counts.get(user.id, 0),
            live_tokens=tokens.get(user.id, 0),
            memberships=tuple(members[user.id]),
            may_touch=user.id in touchable,
        )
        for user in users
    }


def matches(text: str) -> ColumnElement[bool]:
    """Return the condition of people whose name or address contains every word of the text."""
    # Of a stranger nobody may find out more than the address: their name must not answer.
    addressed = and_(true(), *(User.email.contains(word, autoescape=True) for word in normal_email(text).split()))
    return and_(true(), *finds(User.search_key, text), or_(not_(is_stranger(current_actor())), addressed))


def _members() -> Select[Membership, User, Role]:
    return (
        select(Membership, User, Role)
        .join(User, User.id == Membership.user_id)
        .join(Role, Role.id == Membership.role_id)
        .order_by(User.search_key, Membership.id)
    )


def _member(membership: Membership, user: User, role: Role) -> Member:
    return Member(
        user_id=user.id,
        organization_id=membership.organization_id,
        role=role.key,
        status=membership.status,
        name=user.name,
        email=user.email,
        membership_id=membership.id,
        joined_at=membership.joined_at,
    )
