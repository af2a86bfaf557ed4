"""Facts about people: accounts, memberships, roles. Seen by the organization acted for, and by the person."""

from typing import ClassVar
from uuid import UUID

from karokar.events.base import Code, Event, MembershipId, Name, NoteId, OrganizationId, RoleId, UserId, fact


class _UserEvent(Event, frozen=True, kw_only=True):
    aggregate_type: ClassVar[str] = "User"
    aggregate_field: ClassVar[str | None] = "user_id"
    user_id: UserId


@fact("UserRegistered", "was registered", audience=(), person="user_id")
class UserRegistered(_UserEvent, frozen=True, kw_only=True):
    """Sent when a person is invited who was unknown until then. The platform alone sees it: whoever invites an address
    must not learn whether it was known.
    """


@fact("EmailVerified", "verified their e-mail address", tone="good", person="user_id")
class EmailVerified(_UserEvent, frozen=True, kw_only=True):
    """Sent when a person followed the link in a mail to their address for the first time."""


@fact("UserUpdated", "changed their profile")
class UserUpdated(_UserEvent, frozen=True, kw_only=True):
    """Sent when a person's name, phone, language, time zone or preferences change; the values stay out of it."""


@fact("UserLoggedIn", "signed in")
class UserLoggedIn(_UserEvent, frozen=True, kw_only=True):
    """Sent when a person has signed in, after the second factor where one is needed."""

    session_id: UUID
    with_second_factor: bool = False


@fact("NewBrowserSignedIn", "signed in from a new browser")
class NewBrowserSignedIn(_UserEvent, frozen=True, kw_only=True):
    """Sent when a person signs in with a browser in which they had not signed in before."""

    session_id: UUID


@fact("PasswordResetRequested", "asked for a new password", tone="wait", person="user_id")
class PasswordResetRequested(_UserEvent, frozen=True, kw_only=True):
    """Sent when a known, active person asked for a link to set a new password."""


@fact("PasswordChanged", "changed their password")
class PasswordChanged(_UserEvent, frozen=True, kw_only=True):
    """Sent when a password was set, changed or reset."""

    by_link: bool = False


@fact("SessionsEnded", "ended sessions", details=("reason",))
class SessionsEnded(_UserEvent, frozen=True, kw_only=True):
    """Sent when sessions of a person were ended before their time."""

    count: int
    reason: Code


@fact("TwoFactorEnabled", "turned on the second factor", tone="good")
class TwoFactorEnabled(_UserEvent, frozen=True, kw_only=True):
    """Sent when a person's authenticator app was confirmed with a first code."""


@fact("TwoFactorDisabled", "turned off the second factor", version=2, details=("identity_check",))
class TwoFactorDisabled(_UserEvent, frozen=True, kw_only=True):
    """Sent when a second factor was removed, by the person or by a platform admin, who made sure who asked for it in
    the way that `identity_check` names (empty: by the person, or before it was asked for).
    """

    by_admin: bool = False
    identity_check: Code = ""


@fact("RecoveryCodesRenewed", "made new recovery codes")
class RecoveryCodesRenewed(_UserEvent, frozen=True, kw_only=True):
    """Sent when a person replaced their recovery codes, or used one (`remaining` are left)."""

    remaining: int
    used_one: bool = False


@fact("ApiTokenCreated", "created an API token", tone="wait")
class ApiTokenCreated(_UserEvent, frozen=True, kw_only=True):
    """Sent when a person made an API token for one of their organizations."""

    token_id: UUID
    organization_id: OrganizationId | None = None


@fact("ApiTokenRevoked", "revoked an API token", tone="bad")
class ApiTokenRevoked(_UserEvent, frozen=True, kw_only=True):
    """Sent when an API token was revoked before it expired."""

    token_id: UUID
    organization_id: OrganizationId | None = None


@fact("UserLoginFailed", "failed to sign in", tone="bad", details=("reason",), person="user_id", by_stranger=True)
class UserLoginFailed(Event, frozen=True, kw_only=True):
    """Sent when a sign-in was refused; for an unknown address without a user, as an event of no aggregate."""

    aggregate_type: ClassVar[str] = "User"
    aggregate_field: ClassVar[str | None] = "user_id"
    user_id: UserId | None = None
    reason: Code


class _MemberEvent(Event, frozen=True, kw_only=True):
    aggregate_type: ClassVar[str] = "Membership"
    aggregate_field: ClassVar[str | None] = "membership_id"
    membership_id: MembershipId
    user_id: UserId
    organization_id: OrganizationId
    role: Name


@fact("MemberInvited", "invited a person", tone="wait", details=("role",))
class MemberInvited(_MemberEvent, frozen=True, kw_only=True):
    """Sent when a person is invited to an organization, and again when the invitation is sent anew."""

    resent: bool = False


@fact("InvitationWithdrawn", "withdrew an invitation", tone="neutral", details=("role",))
class InvitationWithdrawn(_MemberEvent, frozen=True, kw_only=True):
    """Sent when an invitation that was not yet accepted is taken back."""


@fact("MemberJoined", "joined", tone="good", details=("role",))
class MemberJoined(_MemberEvent, frozen=True, kw_only=True):
    """Sent when an invited person accepted."""


@fact("MemberRoleChanged", "changed a member's role", details=("former_role", "role"))
class MemberRoleChanged(_MemberEvent, frozen=True, kw_only=True):
    """Sent when a member got another role; `role` is the new one."""

    former_role: Name


@fact("MemberSuspended", "suspended a member", version=2, tone="bad", details=("note_id", "role"))
class MemberSuspended(_MemberEvent, frozen=True, kw_only=True):
    """Sent when a member may no longer act for the organization, for now."""

    note_id: NoteId | None = None


@fact("MemberReinstated", "reinstated a member", tone="good", details=("role",))
class MemberReinstated(_MemberEvent, frozen=True, kw_only=True):
    """Sent when a suspended member may act again."""


@fact("MemberRemoved", "removed a member", version=2, tone="neutral", details=("note_id", "role"))
class MemberRemoved(_MemberEvent, frozen=True, kw_only=True):
    """Sent when a person left an organization for good."""

    note_id: NoteId | None = None


class _RoleEvent(Event, frozen=True, kw_only=True):
    aggregate_type: ClassVar[str] = "Role"
    aggregate_field: ClassVar[str | None] = "role_id"
    role_id: RoleId
    organization_id: OrganizationId
    name: Name


@fact("RoleCreated", "composed a role", tone="wait")
class RoleCreated(_RoleEvent, frozen=True, kw_only=True):
    """Sent when an organization's admin composed a role from permissions."""

    permissions: list[Code]


@fact("RoleChanged", "changed a role")
class RoleChanged(_RoleEvent, frozen=True, kw_only=True):
    """Sent when a composed role's name or permissions changed; lists what it allows now."""

    permissions: list[Code]


@fact("RoleDeleted", "deleted a role", tone="neutral")
class RoleDeleted(_RoleEvent, frozen=True, kw_only=True):
    """Sent when a composed role that nobody holds was deleted."""
