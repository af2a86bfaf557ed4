"""Tables of files that are neither a document nor a photo yet, and of those that were lost."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from karokar.kernel import clock
from karokar.kernel.db import Base


class HeldFile(Base):
    """A file that was accepted and waits, for the person who sent it, until their form goes through."""

    __tablename__ = "held_files"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(index=True)  # owner: identity
    organization_id: Mapped[UUID | None]  # owner: organization
    purpose: Mapped[str] = mapped_column(String(500), comment="The address of the form")
    field: Mapped[str] = mapped_column(String(80))
    filename: Mapped[str] = mapped_column(String(200), info={"personal": True})
    media_type: Mapped[str] = mapped_column(String(40))
    received_sha256: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(default=clock.now, index=True)


class LostFile(Base):
    """A stored file that was found missing or damaged, until it is found whole again."""

    __tablename__ = "lost_files"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    found_at: Mapped[datetime] = mapped_column(default=clock.now)
