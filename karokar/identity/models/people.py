"""People, the organizations they act for, and how they prove who they are."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, UniqueConstraint, exists, false, or_, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from karokar.events.identity import (
    ApiTokenCreated,
    ApiTokenRevoked,
    EmailVerified,
    InvitationWithdrawn,
    MemberInvited,
    MemberJoined,
    MemberReinstated,
    MemberRemoved,
    MemberRoleChanged,
    MemberSuspended,
    NewBrowserSignedIn,
    PasswordChanged,
    PasswordResetRequested,
    RecoveryCodesRenewed,
    RoleChanged,
    RoleCreated,
    RoleDeleted,
    SessionsEnded,
    TwoFactorDisabled,
    TwoFactorEnabled,
    UserLoggedIn,
    UserLoginFailed,
    UserRegistered,
    UserUpdated,
)
from karokar.identity import rules
from karokar.identity.rules import MembershipStatus
from karokar.identity.rules.examples import is_making_examples
from karokar.identity.rules.second_factor import IDENTITY_CHECKS
from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.database.columns import NAME, indexes_of_key, key_of
from karokar.kernel.database.sealed import Sealed
from karokar.kernel.db import Aggregate
from karokar.kernel.errors import RuleBroken, StateConflict
from karokar.kernel.text.notes import TYPED, Note, new_note

if TYPE_CHECKING:
    from karokar.identity.models.sign_in import ApiToken

PERSONAL = {"personal": True}
UNTRACKED = {"untracked": True}
UNTRACKED_SECRET = {"untracked": True, "personal": True}


class User(Aggregate):
    """A person with an account. What they may do comes from their memberships."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("email", name="uq_users_email"),
        CheckConstraint("email = lower(email)", name="email_is_lower_case"),
        *indexes_of_key("users"),
    )
    aggregate_type: ClassVar[str] = "User"
    label: ClassVar[str] = "person"

    first_name: Mapped[str] = mapped_column(info=PERSONAL | NAME)
    last_name: Mapped[str] = mapped_column(info=PERSONAL | NAME)
    email: Mapped[str] = mapped_column(info=PERSONAL)
    search_key: Mapped[str] = key_of("last_name", "first_name", "email")
    phone: Mapped[str | None] = mapped_column(info=PERSONAL)
    password_hash: Mapped[str | None] = mapped_column(info=PERSONAL)
    totp_secret: Mapped[str | None] = mapped_column(Sealed, info=PERSONAL)
    pending_totp_secret: Mapped[str | None] = mapped_column(Sealed, info=UNTRACKED_SECRET)
    totp_last_step: Mapped[int | None] = mapped_column(info=UNTRACKED)
    locale: Mapped[str] = mapped_column(default="en")
    time_zone: Mapped[str] = mapped_column(default="UTC")
    theme: Mapped[str] = mapped_column(default="auto")
    email_verified_at: Mapped[datetime | None]
    reset_nonce: Mapped[str | None] = mapped_column(info=UNTRACKED_SECRET)
    last_seen_at: Mapped[datetime | None] = mapped_column(info=UNTRACKED)
    is_example: Mapped[bool] = mapped_column(
        default=is_making_examples, server_default=false(), index=True, info=UNTRACKED
    )

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def has_second_factor(self) -> bool:
        """Whether an authenticator app is confirmed."""
        return self.totp_secret is not None

    @staticmethod
    def within(scope: Scope, actor: Actor) -> ColumnElement[bool]:
        """OWN: people who have, or had, a membership in the acting organization. SELF: oneself."""
        if scope is Scope.OWN and actor.organization_id is not None:
            of_user = Membership.user_id == User.id
            return exists(select(Membership.id).where(of_user, Membership.organization_id == actor.organization_id))
        if scope is Scope.SELF and actor.user_id is not None:
            return User.id == actor.user_id
        return false()

    @classmethod
    def register(cls, **facts: Any) -> tuple["User", UserRegistered]:
        """Return a new person, and the event."""
        made = cls(**facts)
        return made, UserRegistered(user_id=made.id)

    def verify_email(self) -> EmailVerified:
        """Note that the person reads mail sent to their address."""
        self.email_verified_at = clock.now()
        return EmailVerified(user_id=self.id)

    def update(
        self, *, first_name: str, last_name: str, phone: str | None, locale: str, time_zone: str, theme: str
    ) -> UserUpdated:
        """Change the profile. Raises RuleBroken for a time zone or theme that does not exist."""
        if not rules.is_time_zone(time_zone):
            sentence = "There is no such time zone. Choose one from the list."
            raise RuleBroken("UNKNOWN_TIME_ZONE", sentence, fields={"time_zone": sentence})
        if theme not in rules.THEMES:
            raise RuleBroken("UNKNOWN_THEME", "Choose light, dark or automatic.", fields={"theme": "Choose one."})
        self.first_name, self.last_name, self.phone = first_name, last_name, phone
        self.locale, self.time_zone, self.theme = locale, time_zone, theme
        return UserUpdated(user_id=self.id)

    def note_new_browser(self, session_id: UUID) -> NewBrowserSignedIn:
        """Tell of a sign-in from a browser in which the person had not signed in before."""
        return NewBrowserSignedIn(user_id=self.id, session_id=session_id)

    def log_in(self, session_id: UUID, *, with_second_factor: bool) -> UserLoggedIn:
        """Note a sign-in."""
        self.last_seen_at = clock.now()
        return UserLoggedIn(user_id=self.id, session_id=session_id, with_second_factor=with_second_factor)

    def refuse_log_in(self, reason: str) -> UserLoginFailed:
        """Tell of a refused sign-in to this account."""
        return UserLoginFailed(user_id=self.id, reason=reason)

    def request_password_reset(self, nonce: str) -> PasswordResetRequested:
        """Make a link possible with which a new password is set.

        Links from before go on working until one is used, or their time is over: else a stranger who keeps asking
        would end the link that the person is about to follow.
        """
        self.reset_nonce = self.reset_nonce or nonce
        return PasswordResetRequested(user_id=self.id)

    def set_password(self, password_hash: str, *, by_link: bool) -> PasswordChanged:
        """Set another password. Links for that purpose stop working, and an authenticator app that was begun and not
        confirmed is forgotten: whoever knew the former password may have seen its secret.
        """
        self.password_hash = password_hash
        self.reset_nonce = self.pending_totp_secret = None
        return PasswordChanged(user_id=self.id, by_link=by_link)

    def end_sessions(self, count: int, reason: str) -> SessionsEnded:
        """Tell that sessions were ended before their time."""
        return SessionsEnded(user_id=self.id, count=count, reason=reason)

    def enable_second_factor(self, step: int) -> TwoFactorEnabled:
        """Confirm the authenticator app whose secret was shown. Raises StateConflict where none was."""
        if self.pending_totp_secret is None:
            raise StateConflict("NO_SECOND_FACTOR_BEGUN", "Open the page with the QR code again, and scan it anew.")
        self.totp_secret, self.pending_totp_secret = self.pending_totp_secret, None
        self.totp_last_step = step
        return TwoFactorEnabled(user_id=self.id)

    def disable_second_factor(self, *, by_admin: bool, identity_check: str = "") -> TwoFactorDisabled:
        """Forget the authenticator app. Raises StateConflict where there is none.

        An administrator says how they made sure who the person is: raises RuleBroken for none of the ways listed.
        """
        if by_admin and identity_check not in IDENTITY_CHECKS:
            sentence = "Choose how you made sure who is asking."
            raise RuleBroken("IDENTITY_CHECK_NEEDED", sentence, fields={"identity_check": sentence})
        if self.totp_secret is None:
            raise StateConflict("NO_SECOND_FACTOR", "There is no second factor to turn off.")
        self.totp_secret = self.pending_totp_secret = self.totp_last_step = None
        return TwoFactorDisabled(user_id=self.id, by_admin=by_admin, identity_check=identity_check)

    def renew_recovery_codes(self, remaining: int, *, used_one: bool = False) -> RecoveryCodesRenewed:
        """Tell that the recovery codes are new ones, or that one was used."""
        return RecoveryCodesRenewed(user_id=self.id, remaining=remaining, used_one=used_one)

    def create_token(self, token: "ApiToken") -> ApiTokenCreated:
        """Tell of a new API token."""
        return ApiTokenCreated(user_id=self.id, token_id=token.id, organization_id=token.organization_id)

    def revoke_token(self, token: "ApiToken") -> ApiTokenRevoked:
        """End an API token. Raises StateConflict where it has ended already."""
        if token.revoked_at is not None:
            raise StateConflict("TOKEN_ENDED", "This token was revoked already.")
        token.revoked_at = clock.now()
        return ApiTokenRevoked(user_id=self.id, token_id=token.id, organization_id=token.organization_id)


class Role(Aggregate):
    """What a member may do: one of the four that everybody knows, or one that an organization composed.

    A system role's permissions are the permission matrix in code; a composed role keeps its own list, whose entries are
    permission codes, or codes with `:self` for the member's own things only.
    """

    __tablename__ = "roles"
    __table_args__ = (
        UniqueConstraint("organization_id", "name", name="uq_roles_organization_id_name"),
        UniqueConstraint("code", name="uq_roles_code"),
        CheckConstraint("is_system_role = (code IS NOT NULL)", name="system_role_has_a_code"),
    )
    aggregate_type: ClassVar[str] = "Role"
    label: ClassVar[str] = "role"

    organization_id: Mapped[UUID | None] = mapped_column(index=True)  # owner: organization; none for a system role
    organization_type: Mapped[str]
    code: Mapped[str | None]
    name: Mapped[str] = mapped_column(info=NAME)
    description: Mapped[str] = mapped_column(default="", info=TYPED)
    is_system_role: Mapped[bool] = mapped_column(default=False)
    permissions: Mapped[list[str]] = mapped_column(default=list)

    @property
    def key(self) -> str:
        """What other contexts are told: a system role's code, a composed role's name."""
        return self.code or self.name

    @property
    def is_admin(self) -> bool:
        """Whether its holders run the organization."""
        return self.code is not None and self.code == rules.ADMIN_ROLES.get(self.organization_type)

    def saved_as(self, field: str) -> Any:
        """Each permission has a field of its own, which says how far it reaches."""
        if not field.startswith(rules.PERMISSION_FIELD):
            return super().saved_as(field)
        code = field.removeprefix(rules.PERMISSION_FIELD)
        if rules.as_entry(code, is_self=True) in self.permissions:
            return "self"
        return "own" if code in self.permissions else "no"

    @classmethod
    def compose(cls, *, organization_id: UUID, **facts: Any) -> tuple["Role", RoleCreated]:
        """Return a new role that an organization composed of permissions, and the event."""
        made = cls(organization_id=organization_id, code=None, is_system_role=False, **facts)
        event = RoleCreated(
            role_id=made.id, organization_id=organization_id, name=made.name, permissions=made.permissions
        )
        return made, event

    def change(self, *, name: str, description: str, permissions: list[str]) -> RoleChanged:
        """Let the role allow something else from now on. Raises RuleBroken for a system role."""
        owner = self._owner()
        self.name, self.description, self.permissions = name, description, permissions
        return RoleChanged(role_id=self.id, organization_id=owner, name=name, permissions=permissions)

    def delete(self, holders: int) -> RoleDeleted:
        """Tell that the role goes. Raises RuleBroken for a system role, StateConflict while somebody holds it."""
        owner = self._owner()
        if holders:
            people = "one member holds" if holders == 1 else f"{holders} members hold"
            raise StateConflict("ROLE_IN_USE", f"{people.capitalize()} this role. Give them another one first.")
        return RoleDeleted(role_id=self.id, organization_id=owner, name=self.name)

    def _owner(self) -> UUID:
        if self.organization_id is None:
            raise RuleBroken("SYSTEM_ROLE", "The system roles cannot be changed. Compose a role of your own instead.")
        return self.organization_id


class Membership(Aggregate):
    """One person in one organization, with one role. There is never a second one for the same two."""

    __tablename__ = "memberships"
    __table_args__ = (
        UniqueConstraint("user_id", "organization_id", name="uq_memberships_user_id_organization_id"),
        CheckConstraint("status IN ('INVITED', 'ACTIVE', 'SUSPENDED', 'REMOVED')", name="status_is_known"),
        Index("ix_memberships_organization_id_status", "organization_id", "status"),
    )
    aggregate_type: ClassVar[str] = "Membership"
    label: ClassVar[str] = "member"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    organization_id: Mapped[UUID]  # owner: organization
    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id"), index=True)
    status: Mapped[str]
    invited_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    invited_at: Mapped[datetime]
    joined_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(info=TYPED)
    link_nonce: Mapped[str | None] = mapped_column(info=UNTRACKED_SECRET)
    link_copied_at: Mapped[datetime | None] = mapped_column(info=UNTRACKED)

    user: Mapped[User] = relationship(foreign_keys=[user_id])
    role: Mapped[Role] = relationship()

    @staticmethod
    def within(scope: Scope, actor: Actor) -> ColumnElement[bool]:
        """OWN: of the acting organization. SELF: one's own."""
        if scope is Scope.OWN and actor.organization_id is not None:
            return Membership.organization_id == actor.organization_id
        if scope is Scope.SELF and actor.user_id is not None:
            return Membership.user_id == actor.user_id
        return false()

    @property
    def is_open(self) -> bool:
        """Whether the invitation can still be accepted: it is open, and not too old."""
        return self.status == MembershipStatus.INVITED and clock.now() < self.open_until

    @property
    def open_until(self) -> datetime:
        """When the invitation's link stops working."""
        return self.invited_at + timedelta(days=rules.INVITATION_DAYS)

    def invite(self, role: Role, *, invited_by: UUID | None, nonce: str) -> MemberInvited:
        """Invite the person, for the first time or again after they had left."""
        if self.status is not None:
            self._next("invite")
        self.role, self.status = role, MembershipStatus.INVITED
        self.invited_by, self.invited_at, self.joined_at, self.reason = invited_by, clock.now(), None, None
        self.link_nonce, self.link_copied_at = nonce, None
        return self._invited(resent=False)

    def resend(self, nonce: str) -> MemberInvited:
        """Send the invitation anew; the link of the one before stops working."""
        self._next("resend")
        self.invited_at, self.link_nonce, self.link_copied_at = clock.now(), nonce, None
        return self._invited(resent=True)

    def withdraw(self) -> InvitationWithdrawn:
        """Take the invitation back."""
        self.status, self.link_nonce = self._next("withdraw"), None
        return InvitationWithdrawn(**self._facts())

    def accept(self) -> MemberJoined:
        """Join."""
        self.status, self.joined_at, self.link_nonce = self._next("accept"), clock.now(), None
        return MemberJoined(**self._facts())

    def change_role(self, role: Role) -> MemberRoleChanged:
        """Give the member another role. Raises RuleBroken for the role they hold already."""
        self._next("change_role")
        if role.id == self.role_id:
            sentence = "This is the role they hold already."
            raise RuleBroken("SAME_ROLE", sentence, fields={"role_id": sentence})
        former, self.role, self.role_id = self.role.key, role, role.id
        return MemberRoleChanged(**self._facts(), former_role=former)

    def suspend(self, reason: str) -> MemberSuspended:
        """Take the member's rights away for now."""
        self.status, self.reason = self._next("suspend"), reason
        return MemberSuspended(**self._facts(), note_id=new_note(reason))

    def reinstate(self) -> MemberReinstated:
        """Give a suspended member their rights back."""
        self.status, self.reason = self._next("reinstate"), None
        return MemberReinstated(**self._facts())

    def remove(self, reason: str) -> MemberRemoved:
        """Let the member go."""
        self.status, self.reason = self._next("remove"), reason
        return MemberRemoved(**self._facts(), note_id=new_note(reason))

    def _next(self, verb: str) -> MembershipStatus:
        return rules.MEMBERSHIP_MACHINE.next(self.status, verb)

    def _facts(self) -> dict[str, Any]:
        return {
            "membership_id": self.id,
            "user_id": self.user_id,
            "organization_id": self.organization_id,
            "role": self.role.key,
        }

    def _invited(self, *, resent: bool) -> MemberInvited:
        return MemberInvited(**self._facts(), resent=resent)


def can_be_given(organization_id: UUID, organization_type: str) -> ColumnElement[bool]:
    """Return the condition of roles that an organization of this type may give: the type's system roles and its own."""
    is_own = or_(Role.organization_id.is_(None), Role.organization_id == organization_id)
    return (Role.organization_type == organization_type) & is_own


class IdentityNote(Note, producer="identity"):
    """What people typed about members and roles: why somebody was suspended or removed, what a role is for."""
