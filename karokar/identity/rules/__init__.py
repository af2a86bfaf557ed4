"""Decisions about people, their memberships and their roles."""

from collections.abc import Mapping
from enum import StrEnum
from zoneinfo import available_timezones

from karokar.kernel.actor import Scope
from karokar.kernel.state_machine import StateMachine, Transition


class MembershipStatus(StrEnum):
    """Where a person stands in an organization."""

    INVITED = "INVITED"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    REMOVED = "REMOVED"


_IMPOSSIBLE = {
    "invite": "This person is a member already, or is invited.",
    "resend": "This invitation is no longer open.",
    "withdraw": "This invitation is no longer open.",
    "accept": "This invitation is no longer open. Ask for a new one.",
    "change_role": "Only a member who has joined can get another role.",
    "suspend": "Only an active member can be suspended.",
    "reinstate": "Only a suspended member can be reinstated.",
    "remove": "Only a member who has joined can be removed.",
}

MEMBERSHIP_MACHINE = StateMachine(
    MembershipStatus,
    (
        # Somebody who was removed may be invited again: the membership of a person in an organization is one record.
        Transition(MembershipStatus.REMOVED, MembershipStatus.INVITED, "invite", "MemberInvited"),
        Transition(MembershipStatus.INVITED, MembershipStatus.INVITED, "resend", "MemberInvited"),
        Transition(MembershipStatus.INVITED, MembershipStatus.REMOVED, "withdraw", "InvitationWithdrawn"),
        Transition(MembershipStatus.INVITED, MembershipStatus.ACTIVE, "accept", "MemberJoined"),
        Transition(MembershipStatus.ACTIVE, MembershipStatus.ACTIVE, "change_role", "MemberRoleChanged"),
        Transition(MembershipStatus.SUSPENDED, MembershipStatus.SUSPENDED, "change_role", "MemberRoleChanged"),
        Transition(MembershipStatus.ACTIVE, MembershipStatus.SUSPENDED, "suspend", "MemberSuspended"),
        Transition(MembershipStatus.SUSPENDED, MembershipStatus.ACTIVE, "reinstate", "MemberReinstated"),
        Transition(MembershipStatus.ACTIVE, MembershipStatus.REMOVED, "remove", "MemberRemoved"),
        Transition(MembershipStatus.SUSPENDED, MembershipStatus.REMOVED, "remove", "MemberRemoved"),
    ),
    code="INVALID_MEMBERSHIP_TRANSITION",
    refusal=lambda _status, verb: _IMPOSSIBLE[verb],
)
"""Every change of a membership's status; what is not here is refused."""

SYSTEM_ROLES = {
    "PLATFORM_ADMIN": ("PLATFORM", "Platform administrator", "Reviews organizations and runs the events console."),
    "VENDOR_ADMIN": ("VENDOR", "Vendor administrator", "Runs a fleet and answers booking requests."),
    "CORPORATE_ADMIN": ("CORPORATE", "Corporate administrator", "Books vehicles and assigns them to employees."),
    "EMPLOYEE": ("CORPORATE", "Employee", "Receives vehicles, and sees only what concerns them."),
}
"""The roles that everybody knows: code → organization type, name, description. What they allow is the permission
matrix.
"""

ADMIN_ROLES = {"PLATFORM": "PLATFORM_ADMIN", "VENDOR": "VENDOR_ADMIN", "CORPORATE": "CORPORATE_ADMIN"}
"""The role that runs an organization of each type, and of which one active holder must always remain."""

THEMES = ("auto", "light", "dark")
SESSION_DAYS = 7
"""A session ends so many days after sign-in at the latest."""
SESSION_IDLE_HOURS = 12
"""A session ends when it was not used for so long."""
INVITATION_DAYS = 7
PASSWORD_RESET_HOURS = 2
SECOND_FACTOR_MINUTES = 10
"""How long a right password waits for its second factor."""
TOKEN_DAYS = (30, 90, 365)
"""What an API token's life can be."""
"""How many API tokens of one person may work at the same time."""

_SELF_SUFFIX = ":self"


def split_entry(entry: str) -> tuple[str, bool]:
    """Return a composed role's entry as permission code and whether it reaches the member's own things only."""
    return entry.removesuffix(_SELF_SUFFIX), entry.endswith(_SELF_SUFFIX)


PERMISSION_FIELD = "may."
"""How the fields begin with which a role is composed."""


def as_entry(code: str, *, is_self: bool) -> str:
    """Return the entry that a composed role keeps for a permission."""
    return code + _SELF_SUFFIX if is_self else code


def is_time_zone(name: str) -> bool:
    """Whether a time zone of this name exists."""
    return name in available_timezones()


def second_factor_needed(rights: Mapping[str, Scope], *, required_of_all: bool, is_demo: bool) -> bool:
    """Whether whoever holds these rights must have a second factor: any right that reaches every organization asks for
    one. The example data asks nobody.
    """
    return not is_demo and (required_of_all or Scope.ALL in rights.values())
