"""Decisions about organizations."""

from enum import StrEnum
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import available_timezones

from karokar.kernel.state_machine import StateMachine, Transition
from karokar.kernel.text.codes import name_codes

PLATFORM_ID = UUID("01900000-0000-7000-8000-000000000001")
"""The platform's own organization. It is there from the first migration on."""


class OrganizationType(StrEnum):
    """What a tenant is on the marketplace."""

    PLATFORM = "PLATFORM"
    VENDOR = "VENDOR"
    CORPORATE = "CORPORATE"


class OrganizationStatus(StrEnum):
    """Whether a tenant may take part."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    REJECTED = "REJECTED"
    SUSPENDED = "SUSPENDED"


_IMPOSSIBLE = {
    "approve": "Only an organization that waits for review can be approved.",
    "reject": "Only an organization that waits for review can be rejected.",
    "apply_again": "Only a rejected organization can apply again.",
    "suspend": "Only an active organization can be suspended.",
    "reinstate": "Only a suspended organization can be reinstated.",
}

MACHINE = StateMachine(
    OrganizationStatus,
    (
        Transition(OrganizationStatus.PENDING, OrganizationStatus.ACTIVE, "approve", "OrganizationApproved"),
        Transition(OrganizationStatus.PENDING, OrganizationStatus.REJECTED, "reject", "OrganizationRejected"),
        Transition(OrganizationStatus.REJECTED, OrganizationStatus.PENDING, "apply_again", "OrganizationReapplied"),
        Transition(OrganizationStatus.ACTIVE, OrganizationStatus.SUSPENDED, "suspend", "OrganizationSuspended"),
        Transition(OrganizationStatus.SUSPENDED, OrganizationStatus.ACTIVE, "reinstate", "OrganizationReinstated"),
    ),
    code="INVALID_ORGANIZATION_TRANSITION",
    refusal=lambda status, verb: f"{_IMPOSSIBLE[verb]} This one is {status.lower()} now.",
)
"""Every change of an organization's status; what is not here is refused."""

REJECTION_REASONS = {
    "NOT_A_COMPANY": "No registered company was found under this name",
    "DATA_WRONG": "The data does not match the documents",
    "NOT_ELIGIBLE": "This kind of company is not served here",
    "DUPLICATE": "The company has an account already",
    "OTHER": "Something else (see the note)",
}

SUSPENSION_REASONS = {
    "SAFETY": "Vehicles or drivers are not safe",
    "FRAUD": "Suspected fraud",
    "DOCUMENTS": "Documents were found to be wrong",
    "CONDUCT": "Repeated cancellations or complaints",
    "REQUESTED": "The company asked for it",
    "OTHER": "Something else (see the note)",
}

name_codes("Organization", "reason", REJECTION_REASONS, SUSPENSION_REASONS)

LONGEST_BUFFER_MINUTES = 24 * 60

DETAIL_LABELS = {
    "tax_number": "Tax number",
    "registration_number": "Registration number",
    "contract": "Contract",
    "region": "Region",
    "address": "Address",
    "website": "Website",
}
"""What is kept about an organization beyond its name, and how people call it."""


def is_website(address: str) -> bool:
    """Whether an address leads to a website, and to nothing that a browser would run."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc


def is_time_zone(name: str) -> bool:
    """Whether a time zone of this name exists."""
    return name in available_timezones()


def makes_a_cycle(organization_id: UUID, ancestors: list[UUID]) -> bool:
    """Whether the organization is among those above its new parent."""
    return organization_id in ancestors
