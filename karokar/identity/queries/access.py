"""Who is acting, and what they may do: read from the database on each request."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import ColumnElement, case, select, true

from karokar.identity import rules
from karokar.identity.models import ApiToken, Membership, Role, User, UserSession
from karokar.identity.rules import MembershipStatus, passwords, tokens
from karokar.kernel import clock
from karokar.kernel.actor import Scope
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import PERMISSIONS, Permission
from karokar.kernel.settings import settings
from karokar.kernel.text.email_addresses import normal_email


@dataclass(frozen=True)
class Acting:
    """Somebody who proved who they are, and the membership with which they act."""

    user_id: UUID
    name: str
    organization_id: UUID
    role: str
    permissions: Mapping[str, Scope]
    session_id: UUID | None = None
    token_id: UUID | None = None
    proven_at: datetime | None = None
    lacks_second_factor: bool = False
    is_touch_due: bool = False


@dataclass(frozen=True)
class PasswordCheck:
    """What signing in with an address and a password found.

    `mark` changes with the password: a second factor given later counts only for the password checked here.
    `needs_new_hash`: the hash is of another Unicode form of the password than the one that is compared today.
    """

    is_right: bool
    user_id: UUID | None
    mark: str = ""
    needs_new_hash: bool = False
    needs_code: bool = False
    must_enrol: bool = False
    has_membership: bool = True


@dataclass(frozen=True)
class EffectiveRight:
    """One permission, how far a member holds it, and through which role (scope None: not held)."""

    code: str
    description: str
    scope: Scope | None
    role: str


TOUCH_AFTER_SECONDS = 60


def permissions_of(role: Role) -> Mapping[str, Scope]:
    """Return what a role allows, permission → scope. A system role's rights are the permission matrix itself."""
    if role.code is not None:
        return rights_of_system_role(role.code)
    found: dict[str, Scope] = {}
    for entry in role.permissions:
        code, is_self = rules.split_entry(entry)
        scope = scope_in(PERMISSIONS[code], role.organization_type) if code in PERMISSIONS else None
        if scope is not None:
            found[code] = Scope.SELF if is_self else scope
    return MappingProxyType(found)


def rights_of_system_role(code: str) -> Mapping[str, Scope]:
    """Return a system role's row of the permission matrix: permission → scope."""
    held = {name: permission.scope_for(code) for name, permission in PERMISSIONS.items()}
    return MappingProxyType({name: scope for name, scope in held.items() if scope is not None})


def scope_in(permission: Permission, organization_type: str) -> Scope | None:
    """Return how far a permission reaches for whoever runs an organization of this type; None where its type has it
    not.
    """
    return permission.scope_for(rules.ADMIN_ROLES[organization_type])


def acting_by_session(token: str) -> Acting | None:
    """Return who is signed in with this cookie; None where the session ended or nobody may act with it any more.

    They act for the organization that the session remembers, or, where that is no longer possible, for another of
    theirs.
    """
    now = clock.now()
    # What the session chose comes first, then the oldest membership.
    chosen = case((Membership.organization_id == UserSession.organization_id, 0), else_=1)
    statement = (
        select(UserSession, User, Membership, Role)
        .join(User, User.id == UserSession.user_id)
        .join(Membership, (Membership.user_id == User.id) & (Membership.status == MembershipStatus.ACTIVE))
        .join(Role, Role.id == Membership.role_id)
        .where(UserSession.token_hash == tokens.fingerprint(token), UserSession.is_live(now), _may_act())
        .order_by(chosen, Membership.id)
        .limit(1)
    )
    row = db.session.execute(statement).one_or_none()
    if row is None:
        return None
    session, user, membership, role = row
    held = permissions_of(role)
    has_given_one = session.has_second_factor and user.has_second_factor
    return Acting(
        user_id=user.id,
        name=user.name,
        organization_id=membership.organization_id,
        role=role.key,
        permissions=held,
        session_id=session.id,
        proven_at=session.proven_at,
        lacks_second_factor=needs_second_factor(held) and not has_given_one,
        is_touch_due=(now - session.last_used_at).total_seconds() > TOUCH_AFTER_SECONDS,
    )


def acting_by_token(token: str) -> Acting | None:
    """Return for whom a program acts with this API token: with those of the token's rights that the person still
    has.
    """
    statement = (
        select(ApiToken, User, Role)
        .join(User, User.id == ApiToken.user_id)
        .join(
            Membership,
            (Membership.user_id == User.id)
            & (Membership.organization_id == ApiToken.organization_id)
            & (Membership.status == MembershipStatus.ACTIVE),
        )
        .join(Role, Role.id == Membership.role_id)
        .where(ApiToken.token_hash == tokens.fingerprint(token), ApiToken.is_live(clock.now()), _may_act())
    )
    row = db.session.execute(statement).one_or_none()
    if row is None:
        return None
    kept, user, role = row
    held = limited(permissions_of(role), kept.permissions)
    last = kept.last_used_at
    return Acting(
        user_id=user.id,
        name=user.name,
        organization_id=kept.organization_id,
        role=role.key,
        permissions=held,
        token_id=kept.id,
        lacks_second_factor=needs_second_factor(held) and not user.has_second_factor,
        is_touch_due=last is None or (clock.now() - last).total_seconds() > TOUCH_AFTER_SECONDS,
    )


def limited(held: Mapping[str, Scope], codes: Iterable[str]) -> Mapping[str, Scope]:
    """Return those of the rights that a token names."""
    return MappingProxyType({code: held[code] for code in codes if code in held})


def needs_second_factor(held: Mapping[str, Scope]) -> bool:
    """Whether whoever acts with these rights must have given a second factor."""
    return rules.second_factor_needed(held, required_of_all=settings().require_2fa, is_demo=settings().demo)


def acting_by_membership(user_id: UUID, organization_id: UUID, token_id: UUID | None = None) -> Acting | None:
    """Return an active member as they may act now, without a session of their own; None for anybody else.

    With a token: as a program may act with it. Somebody whose rights ask for a second factor that they do not have is
    nobody here.
    """
    statement = (
        select(User, Role)
        .join(Membership, Membership.user_id == User.id)
        .join(Role, Role.id == Membership.role_id)
        .where(
            User.id == user_id,
            _may_act(),
            Membership.organization_id == organization_id,
            Membership.status == MembershipStatus.ACTIVE,
        )
    )
    row = db.session.execute(statement).one_or_none()
    if row is None:
        return None
    user, role = row
    held = permissions_of(role)
    if token_id is not None:
        is_its = (ApiToken.id == token_id, ApiToken.user_id == user_id, ApiToken.is_live(clock.now()))
        token = db.session.scalars(select(ApiToken).where(*is_its)).one_or_none()
        if token is None:
            return None
        held = limited(held, token.permissions)
    if needs_second_factor(held) and not user.has_second_factor:
        return None
    return Acting(user.id, user.name, organization_id, role.key, held, token_id=token_id)


def check_password(email: str, password: str) -> PasswordCheck:
    """Check an address and a password, in the same time whether or not the address is known."""
    user = db.session.scalars(select(User).where(User.email == normal_email(email))).one_or_none()
    form = passwords.form_hashed(user.password_hash if user else None, password, cheap=settings().testing)
    if user is None:
        return PasswordCheck(is_right=False, user_id=None)
    if form is None:
        return PasswordCheck(is_right=False, user_id=user.id)
    roles = active_roles(user.id)
    must = any(needs_second_factor(permissions_of(role)) for role in roles)
    return PasswordCheck(
        is_right=True,
        user_id=user.id,
        mark=password_mark(user),
        needs_new_hash=form != passwords.normal(password),
        needs_code=user.has_second_factor,
        must_enrol=must and not user.has_second_factor,
        has_membership=bool(roles) and may_act(user),
    )


def may_act(user: User) -> bool:
    """Whether a person can act at all: people of the example data only while the demo is on."""
    return settings().demo or not user.is_example


def _may_act() -> ColumnElement[bool]:
    return true() if settings().demo else User.is_example.is_(False)


def has_example_accounts() -> bool:
    """Whether accounts of the example data are in the database."""
    return db.session.scalar(select(User.id).where(User.is_example).limit(1)) is not None


def password_mark(user: User) -> str:
    """Return what tells one password of a person from the next, without telling the password."""
    return tokens.fingerprint(user.password_hash or "")[:16]


def active_roles(user_id: UUID) -> list[Role]:
    """Return the roles with which a person may act now."""
    statement = select(Role).join(Membership, Membership.role_id == Role.id)
    conditions = (Membership.user_id == user_id, Membership.status == MembershipStatus.ACTIVE)
    return list(db.session.scalars(statement.where(*conditions)))


def effective_rights(user_id: UUID, organization_id: UUID) -> list[EffectiveRight]:
    """Return every permission of the organization's type with how far this person holds it here, and through which
    role.

    Raises NotFound where the person never was a member.
    """
    statement = select(Membership, Role).join(Role, Role.id == Membership.role_id)
    conditions = (Membership.user_id == user_id, Membership.organization_id == organization_id)
    row = db.session.execute(statement.where(*conditions)).one_or_none()
    if row is None:
        raise NotFound("member")
    membership, role = row
    held = permissions_of(role) if membership.status == MembershipStatus.ACTIVE else {}
    return [
        EffectiveRight(code, permission.description, held.get(code), role.name)
        for code, permission in sorted(PERMISSIONS.items())
        if scope_in(permission, role.organization_type) is not None or code in held
    ]
