"""Facts about verifications: documents that prove something about an organization, a vehicle or a person."""

from typing import ClassVar
from uuid import UUID

from karokar.events.base import Code, Event, Moment, NoteId, OrganizationId, UserId, VerificationId, fact


class _VerificationEvent(Event, frozen=True, kw_only=True):
    """`entity_type` is Organization, Vehicle or User; `kind` is one of the seven of the domain."""

    aggregate_type: ClassVar[str] = "Verification"
    aggregate_field: ClassVar[str | None] = "verification_id"
    verification_id: VerificationId
    organization_id: OrganizationId
    entity_type: Code
    entity_id: UUID
    kind: Code
    expires_at: Moment | None = None

    def subjects(self) -> frozenset[tuple[str, UUID]]:
        """Every entity that this event concerns; the one that is verified, too."""
        return super().subjects() | {(self.entity_type, self.entity_id)}


_REVIEWER = {"reviewer_id": "", "reviewed_by": ""}


@fact("VerificationRequested", "asked for a verification", tone="wait", details=("expires_at",))
class VerificationRequested(_VerificationEvent, frozen=True, kw_only=True):
    """Sent when documents were handed in for review."""

    requested_by: UserId | None = None


@fact("VerificationApproved", "approved the verification", private=_REVIEWER, tone="good", details=("expires_at",))
class VerificationApproved(_VerificationEvent, frozen=True, kw_only=True):
    """Sent when the platform accepted the documents, until `expires_at` where they expire."""

    reviewer_id: UserId | None = None


@fact(
    "VerificationRejected",
    "rejected the verification",
    version=2,
    private=_REVIEWER,
    tone="bad",
    details=("reason", "note_id", "expires_at"),
)
class VerificationRejected(_VerificationEvent, frozen=True, kw_only=True):
    """Sent when the platform did not accept the documents; a new try is a new verification."""

    reviewer_id: UserId | None = None
    reason: Code
    note_id: NoteId | None = None


@fact(
    "VerificationRevoked",
    "revoked the verification",
    version=2,
    private=_REVIEWER,
    tone="bad",
    details=("reason", "note_id", "expires_at"),
)
class VerificationRevoked(_VerificationEvent, frozen=True, kw_only=True):
    """Sent when the platform took an approval back."""

    reviewer_id: UserId | None = None
    reason: Code
    note_id: NoteId | None = None
    still_covered: bool = False


@fact("VerificationExpired", "let a verification expire", tone="bad", details=("expires_at",))
class VerificationExpired(_VerificationEvent, frozen=True, kw_only=True):
    """Sent by the clock when an approval ran out.

    `still_covered`: another approved, unexpired verification of the same kind and entity exists.
    """

    still_covered: bool = False


@fact(
    "VerificationExpiring",
    "sent a reminder: a verification expires soon",
    tone="wait",
    details=("days_left", "expires_at"),
)
class VerificationExpiring(_VerificationEvent, frozen=True, kw_only=True):
    """Sent by the clock 30, 7 and 1 days before an approval runs out and nothing newer covers it."""

    days_left: int
