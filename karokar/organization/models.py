"""The tenants of the marketplace, and every decision that was made about them."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, false
from sqlalchemy.orm import Mapped, mapped_column

from karokar.events.organization import (
    OrganizationApproved,
    OrganizationCreated,
    OrganizationReapplied,
    OrganizationReinstated,
    OrganizationRejected,
    OrganizationSuspended,
    OrganizationUpdated,
)
from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.database.columns import NAME, indexes_of_key, key_of
from karokar.kernel.db import Aggregate, Base
from karokar.kernel.errors import RuleBroken
from karokar.kernel.text.notes import Note, new_note
from karokar.organization import rules
from karokar.organization.rules import OrganizationStatus

PERSONAL = {"personal": True}


class Organization(Aggregate):
    """A tenant: the platform itself, a vendor, or a corporate organization."""

    __tablename__ = "organizations"
    __table_args__ = (
        CheckConstraint("type IN ('PLATFORM', 'VENDOR', 'CORPORATE')", name="type_is_known"),
        CheckConstraint("status IN ('PENDING', 'ACTIVE', 'REJECTED', 'SUSPENDED')", name="status_is_known"),
        CheckConstraint("buffer_minutes BETWEEN 0 AND 1440", name="buffer_is_a_day_at_most"),
        CheckConstraint("parent_organization_id IS NULL OR parent_organization_id <> id", name="parent_is_another"),
        Index("ix_organizations_type_status", "type", "status"),
        *indexes_of_key("organizations"),
    )
    aggregate_type: ClassVar[str] = "Organization"
    label: ClassVar[str] = "organization"

    name: Mapped[str] = mapped_column(info=NAME)
    search_key: Mapped[str] = key_of("name")
    type: Mapped[str]
    status: Mapped[str]
    parent_organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id"), index=True)
    details: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict, info=PERSONAL)
    time_zone: Mapped[str]
    buffer_minutes: Mapped[int] = mapped_column(default=60)
    contact_name: Mapped[str | None] = mapped_column(info=PERSONAL | NAME)
    contact_phone: Mapped[str | None] = mapped_column(info=PERSONAL)
    reminders: Mapped[bool] = mapped_column(default=True)
    applied_at: Mapped[datetime] = mapped_column(info={"untracked": True})

    @staticmethod
    def within(scope: Scope, actor: Actor) -> ColumnElement[bool]:
        """OWN: the acting organization itself."""
        if scope is Scope.OWN and actor.organization_id is not None:
            return Organization.id == actor.organization_id
        return false()

    def saved_as(self, field: str) -> Any:
        """What is kept as details has fields of its own."""
        return self.details.get(field) if field in rules.DETAIL_LABELS else super().saved_as(field)

    @classmethod
    def apply(cls, **facts: Any) -> tuple["Organization", OrganizationCreated]:
        """Return a new organization that waits for review, and the event."""
        made = cls(status=OrganizationStatus.PENDING, applied_at=clock.now(), **facts)
        return made, OrganizationCreated(**made._facts())

    def update(self, **changes: Any) -> OrganizationUpdated:
        """Change data and settings. Raises RuleBroken for a time zone or buffer that cannot be."""
        time_zone, buffer = changes.get("time_zone", self.time_zone), changes.get("buffer_minutes", self.buffer_minutes)
        if not rules.is_time_zone(time_zone):
            sentence = "There is no such time zone. Choose one from the list."
            raise RuleBroken("UNKNOWN_TIME_ZONE", sentence, fields={"time_zone": sentence})
        if not 0 <= buffer <= rules.LONGEST_BUFFER_MINUTES:
            sentence = "The time between two bookings is from 0 minutes to a day (1440)."
            raise RuleBroken("BUFFER_OUT_OF_RANGE", sentence, fields={"buffer_minutes": sentence})
        for name, value in changes.items():
            setattr(self, name, value)
        return OrganizationUpdated(**self._facts())

    def approve(self, reviewer_id: UUID | None, notes: str, *, is_verified: bool) -> OrganizationApproved:
        """Admit to the marketplace. Raises RuleBroken until the registration is verified."""
        following = self._next("approve")
        if not is_verified:
            raise RuleBroken(
                "REGISTRATION_NOT_VERIFIED",
                "The registration document is not verified yet. Review it first, then approve the organization.",
            )
        self.status = following
        return OrganizationApproved(**self._facts(), reviewer_id=reviewer_id, note_id=new_note(notes))

    def reject(self, reviewer_id: UUID | None, reason: str, notes: str) -> OrganizationRejected:
        """Turn the application down."""
        self.status = self._next("reject")
        return OrganizationRejected(**self._facts(), reviewer_id=reviewer_id, reason=reason, note_id=new_note(notes))

    def apply_again(self) -> OrganizationReapplied:
        """Ask for another review."""
        self.status, self.applied_at = self._next("apply_again"), clock.now()
        return OrganizationReapplied(**self._facts())

    def suspend(self, reviewer_id: UUID | None, reason: str, notes: str) -> OrganizationSuspended:
        """Take out of the marketplace for now."""
        self.status = self._next("suspend")
        return OrganizationSuspended(**self._facts(), reviewer_id=reviewer_id, reason=reason, note_id=new_note(notes))

    def reinstate(self, reviewer_id: UUID | None, notes: str) -> OrganizationReinstated:
        """Let take part again."""
        self.status = self._next("reinstate")
        return OrganizationReinstated(**self._facts(), reviewer_id=reviewer_id, note_id=new_note(notes))

    def _next(self, verb: str) -> OrganizationStatus:
        if self.type == rules.OrganizationType.PLATFORM:
            raise RuleBroken("PLATFORM_IS_ALWAYS_ACTIVE", "The platform's own organization is not reviewed by itself.")
        return rules.MACHINE.next(self.status, verb)

    def _facts(self) -> dict[str, Any]:
        return {"organization_id": self.id, "name": self.name, "type": self.type}


class OrganizationNote(Note, producer="organization"):
    """What reviewers typed about organizations."""


class OrganizationDecision(Base):
    """What was decided about an organization, by whom and why. Rows are added, never changed (the database refuses
    it).
    """

    __tablename__ = "organization_decisions"
    __table_args__ = (
        CheckConstraint("decision IN ('PENDING', 'APPROVED', 'REJECTED', 'REVOKED')", name="decision_is_known"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    decision: Mapped[str]
    reviewer_id: Mapped[UUID | None]  # owner: identity
    decided_at: Mapped[datetime]
    reason: Mapped[str]
    notes: Mapped[str]


class Applicant(Base):
    """Who applied for an organization: its first administrator, as typed into the public form."""

    __tablename__ = "organization_applicants"

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    first_name: Mapped[str] = mapped_column(info=PERSONAL | NAME)
    last_name: Mapped[str] = mapped_column(info=PERSONAL | NAME)
    email: Mapped[str] = mapped_column(info=PERSONAL)
    phone: Mapped[str | None] = mapped_column(info=PERSONAL)


class OrganizationOpening(Base):
    """When a reviewer last had an organization's review page open, so that two do not decide at once unknowingly."""

    __tablename__ = "organization_openings"

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)  # owner: identity
    opened_at: Mapped[datetime]
