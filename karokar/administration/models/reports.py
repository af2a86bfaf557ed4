"""What reports are made of: one small row per thing that happened, per day and side, written from events alone."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from karokar.kernel.db import Base


class ReportedVehicle(Base):
    """A vehicle as reports know it: whose it is, of which category, and from when to when it is part of the fleet."""

    __tablename__ = "reported_vehicles"

    id: Mapped[UUID] = mapped_column(primary_key=True)  # owner: fleet
    organization_id: Mapped[UUID] = mapped_column(index=True)  # owner: organization
    label: Mapped[str] = mapped_column(String(200))
    category: Mapped[str] = mapped_column(String(40))
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    last_seq: Mapped[int]


class ReportedUse(Base):
    """A period in which a vehicle was out: since its handover, until its return or still (`back_at` is None).

    The id is the booking's, or that of the assignment of a company's own vehicle, which has no vendor.
    """

    __tablename__ = "reported_uses"
    __table_args__ = (
        Index(None, "vendor_organization_id", "out_at"),
        Index(None, "corporate_organization_id", "out_at"),
        Index(None, "out_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)  # owner: booking or assignment
    vehicle_id: Mapped[UUID]  # owner: fleet
    vendor_organization_id: Mapped[UUID | None]  # owner: organization
    corporate_organization_id: Mapped[UUID]  # owner: organization
    out_at: Mapped[datetime]
    back_at: Mapped[datetime | None]


class DailyFact(Base):
    """One thing that counts, on one day, for one organization.

    `measure`: REQUESTED, DECIDED (seconds from request to decision), REJECTED (by reason), UNMET (seconds of use that
    were asked for and not given, by reason). `day` is the day in UTC, for the index; reports go by `at`.
    `side` says in which role the organization was part of it. The id is derived from the event, so a replay changes
    nothing.
    """

    __tablename__ = "daily_facts"
    __table_args__ = (
        Index("ix_daily_facts_report", "organization_id", "measure", "day"),
        Index("ix_daily_facts_all", "side", "measure", "day"),
        Index("ix_daily_facts_booking", "booking_id", "measure"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date]
    measure: Mapped[str] = mapped_column(String(20))
    side: Mapped[str] = mapped_column(String(10))
    organization_id: Mapped[UUID]  # owner: organization
    vehicle_id: Mapped[UUID]  # owner: fleet
    booking_id: Mapped[UUID]  # owner: booking
    reason: Mapped[str] = mapped_column(String(60), default="")
    seconds: Mapped[int] = mapped_column(default=0)
    at: Mapped[datetime]
