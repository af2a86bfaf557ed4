"""Verifications: documents that prove something about an organization, a vehicle or a person."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, String, false, or_
from sqlalchemy.orm import Mapped, mapped_column, relationship

from karokar.events.verification import (
    VerificationApproved,
    VerificationExpired,
    VerificationExpiring,
    VerificationRejected,
    VerificationRequested,
    VerificationRevoked,
)
from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.db import Aggregate, Base
from karokar.kernel.errors import RuleBroken
from karokar.kernel.text.notes import TYPED, Note, new_note
from karokar.verification import rules
from karokar.verification.rules import VerificationStatus


class Verification(Aggregate):
    """One try to prove one thing about one entity."""

    __tablename__ = "verifications"
    __table_args__ = (
        CheckConstraint("status IN ('PENDING', 'APPROVED', 'REJECTED', 'EXPIRED', 'REVOKED')", name="status_is_known"),
        CheckConstraint("entity_type IN ('Organization', 'Vehicle', 'User')", name="entity_type_is_known"),
        Index("ix_verifications_entity", "entity_type", "entity_id", "kind", "status"),
        Index("ix_verifications_status_requested_at", "status", "requested_at"),
        Index("ix_verifications_status_expires_at", "status", "expires_at"),
    )
    aggregate_type: ClassVar[str] = "Verification"
    label: ClassVar[str] = "verification"

    entity_type: Mapped[str]
    entity_id: Mapped[UUID]  # owner: organization, fleet or identity, by entity_type
    organization_id: Mapped[UUID] = mapped_column(index=True)  # owner: organization; the one that handed in
    kind: Mapped[str]
    status: Mapped[str]
    method: Mapped[str] = mapped_column(default="MANUAL")
    requested_by: Mapped[UUID | None]  # owner: identity
    requested_at: Mapped[datetime]
    reviewed_by: Mapped[UUID | None]  # owner: identity
    reviewed_at: Mapped[datetime | None]
    valid_from: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    note: Mapped[str | None] = mapped_column(info=TYPED)
    reminded_days: Mapped[int | None] = mapped_column(info={"untracked": True})

    documents: Mapped[list["VerificationDocument"]] = relationship(order_by="VerificationDocument.id")

    @staticmethod
    def within(scope: Scope, actor: Actor) -> ColumnElement[bool]:
        """OWN: handed in by the acting organization. SELF: about the acting person, for the acting organization."""
        if actor.organization_id is None:
            return false()
        is_own = Verification.organization_id == actor.organization_id
        if scope is Scope.OWN:
            return is_own
        if scope is Scope.SELF and actor.user_id is not None:
            return is_own & (Verification.entity_type == "User") & (Verification.entity_id == actor.user_id)
        return false()

    @staticmethod
    def is_valid(at: datetime) -> ColumnElement[bool]:
        """Return the condition of approvals that count at a moment."""
        unexpired = or_(Verification.expires_at.is_(None), Verification.expires_at > at)
        begun = or_(Verification.valid_from.is_(None), Verification.valid_from <= at)
        return (Verification.status == VerificationStatus.APPROVED) & unexpired & begun

    @classmethod
    def request(cls, **facts: Any) -> tuple["Verification", VerificationRequested]:
        """Return a new try that waits for review, and the event."""
        made = cls(status=VerificationStatus.PENDING, requested_at=clock.now(), **facts)
        return made, VerificationRequested(**made._facts(), requested_by=made.requested_by)

    def approve(
        self, reviewer_id: UUID | None, *, valid_from: datetime | None, expires_at: datetime | None, note: str | None
    ) -> VerificationApproved:
        """Accept the documents. Raises RuleBroken for an end that is missing or has passed."""
        following = self._next("approve", reviewer_id)
        now = clock.now()
        if expires_at is None and rules.must_end(self.kind):
            sentence = "Say until when this document is valid."
            raise RuleBroken("EXPIRY_MISSING", sentence, fields={"expires_on": sentence})
        if expires_at is not None and expires_at <= max(now, valid_from or now):
            sentence = "The end of the validity must be in the future."
            raise RuleBroken("EXPIRY_HAS_PASSED", sentence, fields={"expires_on": sentence})
        self.status, self.reviewed_by, self.reviewed_at = following, reviewer_id, now
        self.valid_from, self.expires_at, self.note = valid_from or now, expires_at, note
        return VerificationApproved(**self._facts(), reviewer_id=reviewer_id)

    def reject(self, reviewer_id: UUID | None, reason: str, note: str | None) -> VerificationRejected:
        """Do not accept the documents."""
        self.status, self.reviewed_by, self.reviewed_at = self._next("reject", reviewer_id), reviewer_id, clock.now()
        self.reason, self.note = reason, note
        return VerificationRejected(**self._facts(), reviewer_id=reviewer_id, reason=reason, note_id=new_note(note))

    def revoke(
        self, reviewer_id: UUID | None, reason: str, note: str | None, *, still_covered: bool
    ) -> VerificationRevoked:
        """Take the approval back."""
        self.status, self.reviewed_by, self.reviewed_at = self._next("revoke", reviewer_id), reviewer_id, clock.now()
        self.reason, self.note = reason, note
        return VerificationRevoked(
            **self._facts(), reviewer_id=reviewer_id, reason=reason, note_id=new_note(note), still_covered=still_covered
        )

    def expire(self, *, still_covered: bool) -> VerificationExpired:
        """Let the approval run out."""
        self.status = self._next("expire")
        return VerificationExpired(**self._facts(), still_covered=still_covered)

    def remind(self, days: int) -> VerificationExpiring:
        """Note that the reminder so many days before the end goes out."""
        self.reminded_days = days
        return VerificationExpiring(**self._facts(), days_left=days)

    def _next(self, verb: str, reviewer_id: UUID | None = None) -> VerificationStatus:
        following = rules.MACHINE.next(self.status, verb)
        if reviewer_id is not None and reviewer_id == self.requested_by:
            raise RuleBroken(
                "OWN_VERIFICATION", "You handed this in yourself, so somebody else on the platform has to review it."
            )
        return following

    def _facts(self) -> dict[str, Any]:
        return {
            "verification_id": self.id,
            "organization_id": self.organization_id,
            "entity_type": self.entity_type,
            "entity_id": self.entity_id,
            "kind": self.kind,
            "expires_at": self.expires_at,
        }


class VerificationNote(Note, producer="verification"):
    """What reviewers typed about documents."""


class VerificationDocument(Base):
    """A file that was handed in. Its content lies in the storage under its hash."""

    __tablename__ = "verification_documents"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    verification_id: Mapped[UUID] = mapped_column(ForeignKey("verifications.id"), index=True)
    sha256: Mapped[str] = mapped_column(index=True)
    received_sha256: Mapped[str | None] = mapped_column(
        String(64), index=True
    )  # of what was handed in, before it was cleaned; a picture without it has not been cleaned
    filename: Mapped[str] = mapped_column(info={"personal": True})
    media_type: Mapped[str]
    size: Mapped[int]
    uploaded_at: Mapped[datetime]


class VerificationOpening(Base):
    """When a reviewer last had a verification's review page open, so that two do not decide at once unknowingly."""

    __tablename__ = "verification_openings"

    verification_id: Mapped[UUID] = mapped_column(ForeignKey("verifications.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)  # owner: identity
    opened_at: Mapped[datetime]
