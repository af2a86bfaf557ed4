"""Who may decide about whom: rights are compared, never the names of roles."""

from collections.abc import Mapping

from karokar.kernel.actor import Scope

Rights = Mapping[str, Scope]
"""What somebody may do: permission → how far it reaches."""


def exceeds(wanted: Rights, held: Rights) -> bool:
    """Whether rights allow anything that other rights do not: a permission more, or one that reaches further."""
    return any(
        code not in held or (held[code] is Scope.SELF and scope is not Scope.SELF) for code, scope in wanted.items()
    )


def is_above(rights: Rights, held: Rights, *, is_own_organization: bool, administrator: Rights) -> bool:
    """Whether somebody who holds `held` is too low to give, change or take away `rights`.

    In one's own organization nobody touches a right that they do not hold. In other tenants (the platform's people
    only) whoever holds all that an `administrator` of the platform holds may touch anything; others only what they
    hold for every organization, and what reaches nothing but its holder's own things.
    """
    if is_own_organization:
        return exceeds(rights, held)
    if not exceeds(administrator, held):
        return False
    return any(scope is not Scope.SELF and held.get(code) is not Scope.ALL for code, scope in rights.items())
