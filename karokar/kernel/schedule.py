"""What the clock does: jobs that run every so often, as the system, each run with a correlation of its own.

A job must be safe to run twice and at any time: the relay that leads runs it when it is due, and a new leader starts
anew. Contexts declare jobs in their `actions`; the relay runs them.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar
from uuid import UUID

from sqlalchemy import Select, String, Text, delete, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, mapped_column

from karokar.kernel import clock
from karokar.kernel.actor import current_cause
from karokar.kernel.db import Base, db, transaction
from karokar.kernel.errors import Busy, DomainError
from karokar.kernel.log import get_logger

F = TypeVar("F", bound=Callable[[], object])

Lane = Literal["clock", "mail", "runs", "webhook", "checkpoint_mail"]
"""Jobs of one lane run one after the other; lanes do not wait for each other. What may take long has its own."""

LOOKED_AT_MOST = 10_000
FAILURES_SHOWN = 100


@dataclass(frozen=True)
class Job:
    """A function of no arguments, run every `seconds`; `name` is `context.function`.

    While it fails, the pause doubles each time up to `longest_pause`; at 0 it always comes at its time.
    """

    name: str
    seconds: float
    run: Callable[[], object]
    lane: Lane = "clock"
    longest_pause: float = 0

    def pause_after(self, failures: int) -> float:
        """Return the seconds until it comes again, after so many failures in a row."""
        return max(self.seconds, min(self.seconds * 2.0 ** min(failures, 10), self.longest_pause))


JOBS: dict[str, Job] = {}


def every(seconds: float, *, lane: Lane = "clock", longest_pause: float = 0) -> Callable[[F], F]:
    """Declare that the clock runs this function every so many seconds. Raises ValueError for a name used twice."""

    def declare(function: F) -> F:
        name = f"{function.__module__.split('.')[1]}.{getattr(function, '__name__', '?')}"
        if name in JOBS:
            message = f"Two clock jobs are called {name}."
            raise ValueError(message)
        JOBS[name] = Job(name, seconds, function, lane, longest_pause)
        return function

    return declare


# What fails -----------------------------------------------------------------------------------------------------------


class ClockFailure(Base):
    """Something that the clock could not do: an entity that a job failed at, or the job itself (`WHOLE_JOB`).

    It is tried again at `due_at`, and the row goes away when that succeeds or there is nothing left to do.
    """

    __tablename__ = "clock_failures"

    job: Mapped[str] = mapped_column(String(120), primary_key=True)
    entity_id: Mapped[UUID] = mapped_column(primary_key=True)  # owner: the job's context
    failures: Mapped[int] = mapped_column(default=1)
    error: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(default=clock.now)
    due_at: Mapped[datetime]


WHOLE_JOB = UUID(int=0)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)


def note_failure(job: str, entity_id: UUID, error: Exception) -> None:
    """Note that a job failed, at one entity or as a whole (`WHOLE_JOB`). The pause before the next try doubles."""
    words = error.sentence if isinstance(error, DomainError) else f"{type(error).__name__}. The log has the details."
    with transaction() as session:
        row = session.get(ClockFailure, (job, entity_id), populate_existing=True)
        if row is None:
            row = ClockFailure(job=job, entity_id=entity_id, failures=0, since=clock.now())
            session.add(row)
        row.failures += 1
        row.error = words
        row.due_at = clock.now() + min(FIRST_PAUSE * 2 ** min(row.failures - 1, 10), LONGEST_PAUSE)


def forget_failures(job: str, entity_ids: Collection[UUID]) -> None:
    """Note that a job no longer fails at these entities."""
    if entity_ids:
        with transaction() as session:
            session.execute(
                delete(ClockFailure)
                .where(ClockFailure.job == job, ClockFailure.entity_id.in_(entity_ids))
                .execution_options(synchronize_session=False)
            )


def list_failures() -> Sequence[ClockFailure]:
    """Return what the clock has failed at more than once, the longest first: once may be that somebody was quicker."""
    return db.session.scalars(
        select(ClockFailure).where(ClockFailure.failures > 1).order_by(ClockFailure.since).limit(FAILURES_SHOWN)
    ).all()


def work_through(
    ids: Select[UUID], change: Callable[[UUID], object], *, at_most: int = 100, part: UUID | None = None
) -> int:
    """Change what a statement finds, each in a transaction of its own, and return how many were changed.

    `change` is an action. One that it refuses (somebody was quicker) or that fails is noted, left alone for a while and
    shown to operators; one that it returns False for does not count. None holds up those behind it. `part` tells
    several such works of one job apart. Raises Busy and OperationalError, where the database is away.
    """
    job = current_cause().source + (f"/{part}" if part else "")
    now = clock.now()
    noted = dict(
        db.session.execute(select(ClockFailure.entity_id, ClockFailure.due_at).where(ClockFailure.job == job)).all()
    )
    # One that is due later than the longest pause was noted by a clock that has been put right since.
    resting = {one for one, due_at in noted.items() if now < due_at <= now + LONGEST_PAUSE}
    if resting:
        column = next(iter(ids.selected_columns))
        waits = select(ClockFailure.entity_id).where(
            ClockFailure.job == job, ClockFailure.due_at > now, ClockFailure.due_at <= now + LONGEST_PAUSE
        )
        ids = ids.where(column.not_in(waits))
    found = db.session.scalars(ids.limit(LOOKED_AT_MOST)).all()
    # What failed before and is not found any more has been settled by somebody else.
    well = noted.keys() - resting - set(found)
    done = 0
    for entity_id in found:
        try:
            is_done = change(entity_id) is not False
        except (Busy, OperationalError):
            raise
        except DomainError as refusal:
            note_failure(job, entity_id, refusal)
            continue
        except Exception as error:  # noqa: BLE001 - one that is broken must not hold up the others
            get_logger(__name__).exception("clock_change_failed", job=job, id=str(entity_id))
            note_failure(job, entity_id, error)
            continue
        if entity_id in noted:
            well.add(entity_id)
        done += is_done
        if done == at_most:
            break
    forget_failures(job, well)
    return done
