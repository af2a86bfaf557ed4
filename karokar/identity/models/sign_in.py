"""How people and programs get in: sessions, API tokens, recovery codes, and what is counted against guessing."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from karokar.identity import rules
from karokar.identity.models.people import PERSONAL, User
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.database.columns import NAME
from karokar.kernel.db import Base


class UserSession(Base):
    """A signed-in browser. The cookie holds a secret; only its hash is kept here."""

    __tablename__ = "user_sessions"
    __table_args__ = (UniqueConstraint("token_hash", name="uq_user_sessions_token_hash"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    organization_id: Mapped[UUID | None]  # owner: organization; the one acted for
    token_hash: Mapped[str] = mapped_column(info=PERSONAL)
    device: Mapped[str] = mapped_column(info=PERSONAL)
    address: Mapped[str] = mapped_column(info=PERSONAL)
    has_second_factor: Mapped[bool]
    proven_at: Mapped[datetime | None]
    started_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    @staticmethod
    def is_live(at: datetime) -> ColumnElement[bool]:
        """Return the condition of sessions that still count."""
        idle_since = at - timedelta(hours=rules.SESSION_IDLE_HOURS)
        return UserSession.ended_at.is_(None) & (UserSession.expires_at > at) & (UserSession.last_used_at > idle_since)


class ApiToken(Base):
    """A program's way in, on behalf of one person in one organization, with some of that person's rights."""

    __tablename__ = "api_tokens"
    __table_args__ = (UniqueConstraint("token_hash", name="uq_api_tokens_token_hash"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    organization_id: Mapped[UUID]  # owner: organization
    name: Mapped[str] = mapped_column(info=NAME)
    token_hash: Mapped[str] = mapped_column(info=PERSONAL)
    permissions: Mapped[list[str]]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    last_used_from: Mapped[str | None] = mapped_column(info=PERSONAL)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    user: Mapped[User] = relationship()

    @staticmethod
    def within(scope: Scope, actor: Actor) -> ColumnElement[bool]:
        """OWN: tokens for the acting organization, whoever made them. SELF: one's own."""
        if scope is Scope.OWN and actor.organization_id is not None:
            return ApiToken.organization_id == actor.organization_id
        if scope is Scope.SELF and actor.user_id is not None:
            return ApiToken.user_id == actor.user_id
        return false()

    @staticmethod
    def is_live(at: datetime) -> ColumnElement[bool]:
        """Return the condition of tokens that still count."""
        return ApiToken.revoked_at.is_(None) & (ApiToken.expires_at > at)


class RecoveryCode(Base):
    """A code that stands in for the authenticator app, once."""

    __tablename__ = "recovery_codes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    code_hash: Mapped[str] = mapped_column(info=PERSONAL)
    used_at: Mapped[datetime | None]


class TryCount(Base):
    """How often something was guessed under one name (its fingerprint), and until when nobody may guess again."""

    __tablename__ = "try_counts"

    key: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str | None] = mapped_column(index=True)
    count: Mapped[int] = mapped_column(default=0)
    last_at: Mapped[datetime] = mapped_column(index=True)
    blocked_until: Mapped[datetime | None]


class ResetRequest(Base):
    """Somebody asked for a link to set a new password. Whether the address is anybody's is looked at afterwards, so
    that asking takes the same time for every address.
    """

    __tablename__ = "reset_requests"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(info=PERSONAL)
    asked_at: Mapped[datetime]
