"""Tables of the pages themselves: forms that were sent, and filters that people saved."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from karokar.kernel import clock
from karokar.kernel.database.columns import NAME
from karokar.kernel.db import Base


class FormSubmission(Base):
    """One sending of one rendering of a form, so that a second click finds what the first one did.

    `digest` is that of the content: the same form with other content (changed after "Back") is another sending.
    """

    __tablename__ = "form_submissions"
    __table_args__ = (Index("ix_form_submissions_user_id", "user_id", "sent_at"),)

    key: Mapped[UUID] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[UUID | None]  # owner: identity
    sent_at: Mapped[datetime] = mapped_column(default=clock.now, index=True)
    location: Mapped[str | None] = mapped_column(String(2000))


class SavedView(Base):
    """A named set of filters of one list, of one person or of everybody in the organization."""

    __tablename__ = "saved_views"
    __table_args__ = (
        UniqueConstraint("organization_id", "user_id", "endpoint", "name"),
        Index("ix_saved_views_lookup", "organization_id", "endpoint"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID]  # owner: organization
    user_id: Mapped[UUID]  # owner: identity
    endpoint: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(80), info=NAME)
    query: Mapped[str] = mapped_column(String(2000))
    is_shared: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class DefaultView(Base):
    """The saved view with which a list opens for one person in one organization."""

    __tablename__ = "default_views"

    organization_id: Mapped[UUID] = mapped_column(primary_key=True)  # owner: organization
    user_id: Mapped[UUID] = mapped_column(primary_key=True)  # owner: identity
    endpoint: Mapped[str] = mapped_column(String(100), primary_key=True)
    view_id: Mapped[UUID] = mapped_column(ForeignKey("saved_views.id", ondelete="CASCADE"), index=True)


class PutAside(Base):
    """Something on home that a person does not want to see before a moment."""

    __tablename__ = "put_aside"

    organization_id: Mapped[UUID] = mapped_column(primary_key=True)  # owner: organization
    user_id: Mapped[UUID] = mapped_column(primary_key=True)  # owner: identity
    item: Mapped[str] = mapped_column(String(300), primary_key=True)
    until: Mapped[datetime]


class AtIt(Base):
    """Something on home at which one person of the organization is, as far as the others know, until a moment."""

    __tablename__ = "at_it"

    organization_id: Mapped[UUID] = mapped_column(primary_key=True)  # owner: organization
    item: Mapped[str] = mapped_column(String(300), primary_key=True)
    user_id: Mapped[UUID]  # owner: identity
    until: Mapped[datetime]
