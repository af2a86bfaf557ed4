"""Facts about organizations, the tenants of the marketplace."""

from typing import ClassVar

from karokar.events.base import Code, Event, Name, NoteId, OrganizationId, UserId, fact


class _OrganizationEvent(Event, frozen=True, kw_only=True):
    aggregate_type: ClassVar[str] = "Organization"
    aggregate_field: ClassVar[str | None] = "organization_id"
    organization_id: OrganizationId
    name: Name
    type: Code


_REVIEWER = {"reviewer_id": "", "reviewed_by": ""}


@fact("OrganizationCreated", "applied for the marketplace", tone="wait", person="organization_id")
class OrganizationCreated(_OrganizationEvent, frozen=True, kw_only=True):
    """Sent when a company applied: its organization is PENDING."""


@fact("OrganizationReapplied", "applied again", tone="wait")
class OrganizationReapplied(_OrganizationEvent, frozen=True, kw_only=True):
    """Sent when a rejected organization asked for another review: it is PENDING again."""


@fact("OrganizationUpdated", "changed the organization's data")
class OrganizationUpdated(_OrganizationEvent, frozen=True, kw_only=True):
    """Sent when an organization's name, data or settings changed."""


@fact(
    "OrganizationApproved", "approved the organization", version=2, private=_REVIEWER, tone="good", details=("note_id",)
)
class OrganizationApproved(_OrganizationEvent, frozen=True, kw_only=True):
    """Sent when the platform admitted an organization: it is ACTIVE."""

    reviewer_id: UserId | None = None
    note_id: NoteId | None = None


@fact(
    "OrganizationRejected",
    "rejected the organization",
    version=2,
    private=_REVIEWER,
    tone="bad",
    details=("reason", "note_id"),
)
class OrganizationRejected(_OrganizationEvent, frozen=True, kw_only=True):
    """Sent when the platform turned an application down."""

    reviewer_id: UserId | None = None
    reason: Code
    note_id: NoteId | None = None


@fact(
    "OrganizationSuspended",
    "suspended the organization",
    version=2,
    private=_REVIEWER,
    tone="bad",
    details=("reason", "note_id"),
)
class OrganizationSuspended(_OrganizationEvent, frozen=True, kw_only=True):
    """Sent when the platform suspended an organization; its bookings that have not begun are cancelled after it."""

    reviewer_id: UserId | None = None
    reason: Code
    note_id: NoteId | None = None


@fact(
    "OrganizationReinstated",
    "reinstated the organization",
    version=2,
    private=_REVIEWER,
    tone="good",
    details=("note_id",),
)
class OrganizationReinstated(_OrganizationEvent, frozen=True, kw_only=True):
    """Sent when the platform lifted a suspension."""

    reviewer_id: UserId | None = None
    note_id: NoteId | None = None
