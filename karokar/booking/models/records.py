"""What belongs to a booking: notes, messages, handover records and their pictures; and work that a suspension left."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from karokar.kernel import clock
from karokar.kernel.db import Base
from karokar.kernel.text.notes import Note
from karokar.kernel.vehicles.handover import HandoverColumns, PhotoColumns


class BookingNote(Note, producer="booking"):
    """What people typed about bookings: purposes, and why one was rejected, cancelled or ended."""


class BookingComment(Base):
    """A message that one side left the other; never changed."""

    __tablename__ = "booking_comments"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    booking_id: Mapped[UUID] = mapped_column(ForeignKey("bookings.id"), index=True)
    organization_id: Mapped[UUID] = mapped_column(comment="organization.organizations")
    author_id: Mapped[UUID] = mapped_column(comment="identity.users")
    text: Mapped[str] = mapped_column(String(2000), info={"personal": True})
    written_at: Mapped[datetime] = mapped_column(default=clock.now)


class BookingHandover(HandoverColumns, Base):
    """What was found when the vehicle went out (OUT) or came back (IN)."""

    __tablename__ = "booking_handovers"
    __table_args__ = (
        CheckConstraint("kind IN ('OUT', 'IN')", name="kind_is_known"),
        Index("uq_booking_handovers_booking_id_kind", "booking_id", "kind", unique=True),
    )

    booking_id: Mapped[UUID] = mapped_column(ForeignKey("bookings.id"))


class BookingPhoto(PhotoColumns, Base):
    """A picture taken at a handover, kept with its record."""

    __tablename__ = "booking_photos"

    handover_id: Mapped[UUID] = mapped_column(ForeignKey("booking_handovers.id"), index=True)
    booking_id: Mapped[UUID] = mapped_column(ForeignKey("bookings.id"), index=True)


class SuspensionWork(Base):
    """An organization was suspended: its bookings that have not begun are to be called off, some at a time."""

    __tablename__ = "booking_suspension_works"

    event_id: Mapped[UUID] = mapped_column(primary_key=True, comment="The OrganizationSuspended that asked for it")
    organization_id: Mapped[UUID] = mapped_column(index=True, comment="organization.organizations")
    asked_at: Mapped[datetime]
    cancelled: Mapped[int] = mapped_column(default=0)
    ended_at: Mapped[datetime | None]

    def __init__(self, **values: Any) -> None:
        values.setdefault("cancelled", 0)
        super().__init__(**values)
