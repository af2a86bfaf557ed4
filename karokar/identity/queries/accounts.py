"""A person's own account: profile, sessions, tokens, second factor."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import joinedload

from karokar.identity.models import ApiToken, RecoveryCode, User, UserSession
from karokar.identity.permissions import EMPLOYEE_MANAGE
from karokar.identity.queries.authority import touchable_tokens
from karokar.identity.rules import second_factor
from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.pages.paging import Page, paginate
from karokar.kernel.permissions import permitted


@dataclass(frozen=True)
class Account:
    """What a person sees of their own account."""

    id: UUID
    version: int
    first_name: str
    last_name: str
    email: str
    phone: str | None
    locale: str
    time_zone: str
    theme: str
    has_second_factor: bool
    has_password: bool


@dataclass(frozen=True)
class SessionRow:
    """A browser in which the person is signed in."""

    id: UUID
    device: str
    address: str
    has_second_factor: bool
    started_at: datetime
    last_used_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class TokenRow:
    """An API token, without its secret. `may_touch`: whether the actor may revoke it as somebody else's."""

    id: UUID
    user_id: UUID
    owner: str
    name: str
    organization_id: UUID
    permissions: list[str]
    created_at: datetime
    last_used_at: datetime | None
    last_used_from: str | None
    expires_at: datetime
    revoked_at: datetime | None
    is_live: bool
    may_touch: bool


@dataclass(frozen=True)
class EnrolmentKey:
    """What an authenticator app needs: the secret for typing, the address for the QR code."""

    secret: str
    address: str


def get_account(user_id: UUID) -> Account:
    """Return a person's account. Raises NotFound."""
    user = db.session.get(User, user_id, populate_existing=True)
    if user is None:
        raise NotFound("person")
    return Account(
        id=user.id,
        version=user.version,
        first_name=user.first_name,
        last_name=user.last_name,
        email=user.email,
        phone=user.phone,
        locale=user.locale,
        time_zone=user.time_zone,
        theme=user.theme,
        has_second_factor=user.has_second_factor,
        has_password=user.password_hash is not None,
    )


def list_sessions(user_id: UUID) -> list[SessionRow]:
    """Return where a person is signed in, last used first."""
    conditions = (UserSession.user_id == user_id, UserSession.is_live(clock.now()))
    rows = db.session.scalars(select(UserSession).where(*conditions).order_by(UserSession.last_used_at.desc()))
    return [
        SessionRow(
            row.id, row.device, row.address, row.has_second_factor, row.started_at, row.last_used_at, row.expires_at
        )
        for row in rows
    ]


def has_used_device(user_id: UUID, device: str) -> bool:
    """Whether the person ever signed in with this kind of device before."""
    conditions = (UserSession.user_id == user_id, UserSession.device == device)
    return db.session.scalar(select(func.count()).select_from(UserSession).where(*conditions)) != 0


def list_tokens(user_id: UUID) -> list[TokenRow]:
    """Return a person's API tokens, newest first; ended ones, too."""
    return _token_rows(db.session.scalars(_tokens().where(ApiToken.user_id == user_id).order_by(ApiToken.id.desc())))


def count_live_tokens(user_id: UUID) -> int:
    """Return how many of a person's API tokens work."""
    conditions = (ApiToken.user_id == user_id, ApiToken.is_live(clock.now()))
    return db.session.scalar(select(func.count()).select_from(ApiToken).where(*conditions)) or 0


TOKEN_SORTS = {"made": ApiToken.created_at, "used": ApiToken.last_used_at, "ends": ApiToken.expires_at}
"""What the list of an organization's tokens can be sorted by."""


def list_tokens_to_manage(
    *,
    text: str | None = None,
    organization_id: UUID | None = None,
    sort: str = "-made",
    cursor: str | None = None,
) -> Page[TokenRow]:
    """Return one page of the tokens that work for the organizations whose members the actor manages.

    `text` is searched in the token's name and its owner's address.
    """
    statement = _tokens().join(ApiToken.user).where(permitted(ApiToken, EMPLOYEE_MANAGE), ApiToken.is_live(clock.now()))
    if organization_id is not None:
        statement = statement.where(ApiToken.organization_id == organization_id)
    full = func.lower(ApiToken.name + " " + User.email)
    for word in (text or "").lower().split():
        statement = statement.where(full.contains(word, autoescape=True))
    page = paginate(statement, sorts=TOKEN_SORTS, tie=ApiToken.id, sort=sort, cursor=cursor)
    found = {row.id: row for row in _token_rows(page.rows)}
    return page.map(lambda token: found[token.id])


def _tokens() -> Select[ApiToken]:
    return select(ApiToken).options(joinedload(ApiToken.user)).execution_options(populate_existing=True)


def _token_rows(tokens: Iterable[ApiToken]) -> list[TokenRow]:
    now, rows = clock.now(), list(tokens)
    touchable = touchable_tokens(rows)
    return [
        TokenRow(
            id=row.id,
            user_id=row.user_id,
            owner=row.user.name,
            name=row.name,
            organization_id=row.organization_id,
            permissions=row.permissions,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            last_used_from=row.last_used_from,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            is_live=row.revoked_at is None and row.expires_at > now,
            may_touch=row.id in touchable,
        )
        for row in rows
    ]


def count_recovery_codes(user_id: UUID) -> int:
    """Return how many recovery codes are left."""
    conditions = (RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return db.session.scalar(select(func.count()).select_from(RecoveryCode).where(*conditions)) or 0


def find_enrolment(user_id: UUID) -> EnrolmentKey | None:
    """Return the secret that waits for its first code; None where none was begun."""
    user = db.session.get(User, user_id, populate_existing=True)
    if user is None or user.pending_totp_secret is None:
        return None
    return EnrolmentKey(user.pending_totp_secret, second_factor.address(user.pending_totp_secret, user.email))
