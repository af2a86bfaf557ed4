"""What other contexts may ask about who organizations are, and whether they may act."""

from karokar.organization.queries import (
    OrganizationFacts,
    describe,
    get_applicant,
    get_organization,
    hold_active,
    list_active,
    list_platform_ids,
    list_waiting,
    name_of,
    organizations,
)

__all__ = [
    "OrganizationFacts",
    "describe",
    "get_applicant",
    "get_organization",
    "hold_active",
    "list_active",
    "list_platform_ids",
    "list_waiting",
    "name_of",
    "organizations",
]
