"""What identity offers to shared pages: people and members, and how people come in and go."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from karokar.identity import queries
from karokar.identity.resolver import actor_of_member
from karokar.kernel.ports import AccountLink, Console, Entry, SignIn


def _names(ids: Collection[UUID]) -> Mapping[UUID, str]:
    return {id_: person.name for id_, person in queries.people(ids).items()}


def _people_of(organization_id: UUID) -> Sequence[tuple[UUID, str]]:
    return [(member.user_id, member.name) for member in queries.list_members(organization_id)]


CONSOLE = Console(
    navigation=(
        Entry(
            label="Members",
            icon="users",
            endpoint="identity.members",
            group="Organization",
            place=30,
            permission="employee.manage",
            key="m",
        ),
        Entry(
            label="Roles",
            icon="key",
            endpoint="identity.roles",
            group="Organization",
            place=40,
            permission="role.manage",
        ),
    ),
    account_links=(AccountLink(label="Profile and security", icon="user-cog", endpoint="identity.profile"),),
    pages={"user": "identity.person", "membership": "identity.member", "role": "identity.role"},
    openable=queries.openable,
    names={"User": _names},
    producers={"identity": "People"},
    search=queries.search,
)

SIGN_IN = SignIn(
    sign_in="identity.login",
    sign_out="identity.logout",
    switch="identity.switch",
    confirm="identity.confirm",
    confirm_with="identity.confirm_with",
    actor_of_member=actor_of_member,
    memberships_of=queries.list_memberships_of,
    people_of=_people_of,
    has_example_accounts=queries.has_example_accounts,
)
