"""A person's own account: profile, sessions, tokens, second factor."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from karokar.identity.models import ApiToken, RecoveryCode, User, UserSession
from karokar.identity.rules import second_factor
from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound


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
    """An API token, without its secret."""

    id: UUID
    name: str
    organization_id: UUID
    permissions: list[str]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime
    revoked_at: datetime | None
    is_live: bool


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
    now = clock.now()
    rows = db.session.scalars(select(ApiToken).where(ApiToken.user_id == user_id).order_by(ApiToken.id.desc()))
    return [
        TokenRow(
            id=row.id,
            name=row.name,
            organization_id=row.organization_id,
            permissions=row.permissions,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            is_live=row.revoked_at is None and row.expires_at > now,
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
