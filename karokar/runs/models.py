"""Runs and the result of each of their rows."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from karokar.kernel import clock
from karokar.kernel.db import Base

OPEN = ("QUEUED", "RUNNING")
"""What a worker takes up; PAUSED waits for a person."""


class Run(Base):
    """One piece of long work: who asked for it, over what, how far it is, and what came of it.

    QUEUED → RUNNING → DONE | DONE_WITH_ERRORS | FAILED | CANCELLED; QUEUED, RUNNING ⇄ PAUSED; retrying failed rows
    queues it again. A worker holds it until `claimed_until` and works in short slices, so that another one goes on
    where it died. `starts` counts the claims since a row, a step or the listing last came to its end: what ends its
    worker each time is given up. A run that keeps a pace is not taken up again before `due_at`, unless to be stopped.
    `scope` is how far the permission reached when it was started; `state` is where a file stands.
    """

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_owner", "organization_id", "id"),
        Index(
            "ix_runs_open",
            "created_at",
            postgresql_where=text("status in ('QUEUED', 'RUNNING')"),
            sqlite_where=text("status in ('QUEUED', 'RUNNING')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(80))
    title: Mapped[str] = mapped_column(String(200))
    organization_id: Mapped[UUID]  # owner: organization
    user_id: Mapped[UUID]  # owner: identity
    token_id: Mapped[UUID | None]  # owner: identity; the API token with which it was started
    scope: Mapped[str | None] = mapped_column(String(10))
    parameters: Mapped[dict[str, Any]]
    state: Mapped[dict[str, Any] | None]
    status: Mapped[str] = mapped_column(String(20), default="QUEUED")
    is_listed: Mapped[bool] = mapped_column(default=False)
    is_cancel_wanted: Mapped[bool] = mapped_column(default=False)
    total: Mapped[int] = mapped_column(default=0)
    ok: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)
    file_name: Mapped[str | None] = mapped_column(String(200))
    starts: Mapped[int] = mapped_column(SmallInteger, default=0, server_default=text("0"))
    claimed_until: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    @property
    def done(self) -> int:
        """How many rows have a result."""
        return self.ok + self.failed + self.skipped

    @property
    def is_open(self) -> bool:
        """Whether it still waits, works, or is paused."""
        return self.status in {*OPEN, "PAUSED"}


class RunRow(Base):
    """One row of a run: PENDING until it is OK, FAILED (refused, with the reason) or SKIPPED."""

    __tablename__ = "run_rows"
    __table_args__ = (Index("ix_run_rows_status", "run_id", "status", "number"),)

    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str] = mapped_column(String(300))
    data: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(String(10), default="PENDING")
    message: Mapped[str | None] = mapped_column(Text)


class ImportFile(Base):
    """A file of rows that was checked: its text until its import starts (`run_id`), then only that it was there."""

    __tablename__ = "import_files"
    __table_args__ = (Index("ix_import_files_digest", "organization_id", "kind", "digest"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(80))
    organization_id: Mapped[UUID]  # owner: organization
    user_id: Mapped[UUID]  # owner: identity
    name: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
