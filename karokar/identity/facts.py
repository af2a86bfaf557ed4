"""What other contexts may ask about who people are, where they are members, and what they may decide."""

from karokar.identity.queries import (
    PEOPLE_SORTS,
    Person,
    count_by_organization,
    count_members,
    find_membership,
    get_person,
    invitations_from,
    list_holders,
    list_members,
    list_memberships_of,
    list_people,
    may_touch,
    people,
    sign_in_link,
)

__all__ = [
    "PEOPLE_SORTS",
    "Person",
    "count_by_organization",
    "count_members",
    "find_membership",
    "get_person",
    "invitations_from",
    "list_holders",
    "list_members",
    "list_memberships_of",
    "list_people",
    "may_touch",
    "people",
    "sign_in_link",
]
