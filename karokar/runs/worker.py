"""Doing runs, in slices of a second: the clock calls `work`, whoever the leading relay is.

All state is in the database. A worker that dies leaves its claim, which ends after some seconds; the next one goes on
with the rows that have no result yet.
"""

import shutil
import time
from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.exc import OperationalError

from karokar.files.intake import hash_of
from karokar.kernel import clock
from karokar.kernel.actor import SYSTEM, Actor, Cause, acting_as
from karokar.kernel.db import database_now, db, transaction
from karokar.kernel.errors import Busy, DomainError
from karokar.kernel.fairness.turns import Turns
from karokar.kernel.log import get_logger
from karokar.kernel.permissions import check
from karokar.kernel.ports import ports
from karokar.kernel.schedule import every
from karokar.runs.kinds import KINDS, End, FileKind, Item, Paced, RowKind, Skipped, Stopped
from karokar.runs.models import OPEN, ImportFile, Run, RunRow
from karokar.runs.queries import folder_of

SLICE_S = 1.0
CLAIM = timedelta(seconds=30)
KEPT = timedelta(days=30)
KEPT_UNUSED = timedelta(days=7)
LOST_STARTS = 3
"""So often a worker may end while it works on one row, one step or the listing."""
ROWS_AT_ONCE = 50
LISTED_AT_ONCE = 500

H = TypeVar("H", bound=Hashable)
_turns = Turns()


class Cancelled(Exception):
    """Somebody stopped the run."""


class Paused(Exception):
    """Somebody lets the run rest."""


@every(1, lane="runs")
def work() -> None:
    """Do a slice of the run that has waited longest."""
    run_id = _claim()
    if run_id is not None:
        work_on(run_id)


def work_on(run_id: UUID, *, seconds: float = SLICE_S) -> None:
    """Do a slice of one run that is claimed, then let it go. Whatever happens on the way is this run's end."""
    try:
        _work_slice(run_id, seconds)
    except Cancelled:
        _finish(run_id, "CANCELLED")
    except Stopped as reason:
        _finish(run_id, "FAILED", str(reason))
    except (Busy, Paused):
        _release(run_id)
    except DomainError as refusal:
        _finish(run_id, "FAILED", refusal.sentence)
    except Exception:  # noqa: BLE001 - else it would be taken up again for ever, and nobody would read why
        get_logger(__name__).exception("run_failed", run=str(run_id))
        _finish(run_id, "FAILED", "Something went wrong on our side. The log has the details under this run's id.")


def _work_slice(run_id: UUID, seconds: float) -> None:
    run = db.session.get_one(Run, run_id)
    kind = KINDS.get(run.kind)
    if kind is None:
        raise Stopped("This version does not know this kind of work.")
    actor = _actor_of(run)
    if actor is None:
        raise Stopped("Whoever started it may not act here any more.")
    with acting_as(actor, Cause(correlation_id=run_id, source="runs")):
        check(kind.permission)
        if run.starts > LOST_STARTS and not _give_up_row(run_id):
            raise Stopped(f"The work was ended {LOST_STARTS} times and came to no end. The log says why.")
        if isinstance(kind, RowKind):
            _work_rows(run_id, kind, seconds)
        else:
            _work_file(run_id, kind, seconds)


def _claim() -> UUID | None:
    # What this session read before is no longer how things stand.
    db.session.rollback()
    for run_id, organization_id in _list_free():
        with transaction() as session:
            statement = select(Run).where(Run.id == run_id, *_is_free(database_now(session)))
            run = session.scalars(statement.with_for_update(skip_locked=True)).one_or_none()
            if run is None:
                continue
            _turns.take(organization_id)
            _turns.take((organization_id, run.user_id))
            run.claimed_until = database_now(session) + CLAIM
            run.starts += 1
            run.status = "RUNNING"
            run.started_at = run.started_at or clock.now()
            return run.id
    return None


def _list_free() -> list[tuple[UUID, UUID]]:
    """Return the runs that can be claimed, each with its organization: first what is to be stopped.

    Then organizations take turns, people of one organization take turns, and of one person's runs the one comes first
    that has waited longest since a worker let go of it: neither a long run nor many runs hold up anybody else's.
    """
    statement = (
        select(Run.id, Run.organization_id, Run.user_id, Run.is_cancel_wanted)
        .where(*_is_free(database_now(db.session())))
        .order_by(func.coalesce(Run.claimed_until, Run.created_at), Run.created_at)
    )
    free = db.session.execute(statement).all()
    organizations = _places(run.organization_id for run in free)
    people = _places((run.organization_id, run.user_id) for run in free)
    ordered = sorted(
        free,
        key=lambda run: (
            not run.is_cancel_wanted,
            organizations[run.organization_id],
            people[run.organization_id, run.user_id],
        ),
    )
    return [(run.id, run.organization_id) for run in ordered]


def _places(waiting: Iterable[H]) -> dict[H, int]:
    return {one: place for place, one in enumerate(_turns.in_order(waiting))}


def _is_free(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on a run that can be claimed.

    A claim that ends later than a claim lasts from now was made by a clock that has been put right since, and so was
    the time when the run is due.
    """
    is_void = Run.claimed_until > now + CLAIM + clock.TOLERANCE
    is_unclaimed = or_(Run.claimed_until.is_(None), Run.claimed_until <= now, is_void)
    is_due = or_(Run.due_at.is_(None), Run.due_at <= now, is_void, Run.is_cancel_wanted)
    return Run.status.in_(OPEN), is_unclaimed, is_due


def _actor_of(run: Run) -> Actor | None:
    """Whoever started the run, with the rights that they (or their token) hold now; None where they hold none any
    more.
    """
    return ports().sign_in.actor_of_member(run.user_id, run.organization_id, run.token_id)


# --- rows -------------------------------------------------------------------------------------------------------------


def _work_rows(run_id: UUID, kind: RowKind, seconds: float) -> None:
    _hold(run_id)
    if not db.session.get_one(Run, run_id).is_listed:
        _list_rows(run_id, kind)
    parameters = dict(db.session.get_one(Run, run_id).parameters)
    until = time.monotonic() + seconds
    pending = (
        select(RunRow.number, RunRow.label, RunRow.data)
        .where(RunRow.run_id == run_id, RunRow.status == "PENDING")
        .order_by(RunRow.number)
        .limit(ROWS_AT_ONCE)
    )
    while rows := db.session.execute(pending).all():
        db.session.rollback()
        for number, label, data in rows:
            pause = _do_row(run_id, number, Item(label, data), kind, parameters)
            _refuse_to_go_on(db.session.get_one(Run, run_id, populate_existing=True))
            if time.monotonic() + pause > until:
                _release(run_id, pause)
                return
            time.sleep(pause)
        _hold(run_id)
    run = db.session.get_one(Run, run_id, populate_existing=True)
    _finish(run_id, "DONE_WITH_ERRORS" if run.failed else "DONE")


def _give_up_row(run_id: UUID) -> bool:
    """Refuse the row that ended its worker each time, so that those behind it are done; False where there is none."""
    with transaction() as session:
        run = session.get_one(Run, run_id, populate_existing=True)
        first = select(RunRow).where(RunRow.run_id == run_id, RunRow.status == "PENDING").order_by(RunRow.number)
        row = session.scalars(first.limit(1)).one_or_none() if run.is_listed else None
        if row is None:
            return False
        get_logger(__name__).error("run_row_given_up", run=str(run_id), row=row.number)
        _keep_result(run_id, row.number, "FAILED", f"The work on this row was ended {LOST_STARTS} times.")
        return True


def _list_rows(run_id: UUID, kind: RowKind) -> None:
    with transaction() as session:
        run = session.get_one(Run, run_id)
        items = iter(kind.list_items(run.parameters))
        number = 0
        while chunk := list(islice(items, LISTED_AT_ONCE)):
            for item in chunk:
                number += 1
                session.add(
                    RunRow(run_id=run_id, number=number, label=item.label[:300], data=dict(item.data), status="PENDING")
                )
            session.flush()
        run.total, run.is_listed = number, True


def _do_row(run_id: UUID, number: int, item: Item, kind: RowKind, parameters: Mapping[str, Any]) -> float:
    """Do one row, unless it is done, and return how many seconds the run is to wait after it."""
    try:
        with transaction() as session:
            # A worker that was held up may come back to a row that another has done since.
            if (
                session.get_one(RunRow, (run_id, number), populate_existing=True, with_for_update=True).status
                != "PENDING"
            ):
                return 0.0
            result = kind.do(item, parameters)
            paced = result if isinstance(result, Paced) else Paced(result, 0.0)
            _keep_result(run_id, number, "OK", paced.message)
            return paced.seconds
    except (Busy, Stopped):
        raise
    except Skipped as reason:
        _keep_refusal(run_id, number, "SKIPPED", str(reason))
    except DomainError as refusal:
        _keep_refusal(run_id, number, "FAILED", refusal.sentence)
    except Exception:  # noqa: BLE001 - one bad row must not hold up the others
        get_logger(__name__).exception("run_row_failed", run=str(run_id), row=number)
        _keep_refusal(run_id, number, "FAILED", "Something went wrong on our side.")
    return 0.0


def _keep_refusal(run_id: UUID, number: int, status: str, message: str) -> None:
    with transaction():
        _keep_result(run_id, number, status, message)


def _keep_result(run_id: UUID, number: int, status: str, message: str | None) -> None:
    session = db.session()
    session.flush()
    row = session.get_one(RunRow, (run_id, number), populate_existing=True)
    if row.status != "PENDING":
        return
    row.status, row.message = status, message
    run = session.get_one(Run, run_id, populate_existing=True, with_for_update=True)
    run.starts = 1
    counter = {"OK": "ok", "FAILED": "failed", "SKIPPED": "skipped"}[status]
    setattr(run, counter, getattr(run, counter) + 1)


# --- files ------------------------------------------------------------------------------------------------------------


def _work_file(run_id: UUID, kind: FileKind, seconds: float) -> None:
    _hold(run_id)
    run = db.session.get_one(Run, run_id)
    parameters, state = dict(run.parameters), dict(run.state or {})
    folder = folder_of(run_id)
    until = time.monotonic() + seconds
    while True:
        if not state:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, mode=0o700)
        step = kind.step(folder, parameters, state)
        state = dict(step.state)
        with transaction() as session:
            run = session.get_one(Run, run_id, populate_existing=True)
            run.state, run.ok, run.total = state, step.done, max(step.total, step.done)
            run.claimed_until, run.starts = database_now(session) + CLAIM, 1
            if step.file:
                run.file_name = step.file.name
                run.state = {**state, "sha256": hash_of(step.file)}
                _end(run, "DONE")
        if step.file:
            for scrap in set(folder.iterdir()) - {step.file}:
                scrap.unlink()
            return
        _refuse_to_go_on(db.session.get_one(Run, run_id, populate_existing=True))
        if time.monotonic() > until:
            _release(run_id)
            return


# --- ends -------------------------------------------------------------------------------------------------------------


def _refuse_to_go_on(run: Run) -> None:
    """Raise Cancelled or Paused where somebody asked for it."""
    if run.is_cancel_wanted:
        raise Cancelled
    if run.status == "PAUSED":
        raise Paused


def _hold(run_id: UUID) -> None:
    with transaction() as session:
        run = session.get_one(Run, run_id, populate_existing=True)
        _refuse_to_go_on(run)
        run.claimed_until = database_now(session) + CLAIM


def _release(run_id: UUID, pause: float = 0.0) -> None:
    db.session.rollback()
    with transaction() as session:
        run = session.get_one(Run, run_id, populate_existing=True)
        now = database_now(session)
        run.claimed_until, run.starts = now, 0
        run.due_at = now + timedelta(seconds=pause) if pause else None


def _finish(run_id: UUID, status: str, error: str | None = None) -> None:
    db.session.rollback()
    try:
        with transaction():
            run = _end_open(run_id, status, error)
            if run is not None:
                _follow(run)
    except (Busy, OperationalError):
        raise
    except Exception:  # noqa: BLE001 - else the run would never end, and be taken up again for ever
        get_logger(__name__).exception("run_end_failed", run=str(run_id))
        with transaction():
            _end_open(run_id, status, "The run has ended, but what follows from it failed. The log has the details.")
    if status in {"CANCELLED", "FAILED"}:
        # Half a file is no use to anybody.
        shutil.rmtree(folder_of(run_id), ignore_errors=True)


def _end_open(run_id: UUID, status: str, error: str | None) -> Run | None:
    run = db.session.get_one(Run, run_id, populate_existing=True, with_for_update=True)
    if not run.is_open:
        return None
    _end(run, status, error)
    return run


def _follow(run: Run) -> None:
    """Do what the kind does at an end, whatever whoever started the run may still do."""
    kind = KINDS.get(run.kind)
    if isinstance(kind, RowKind) and kind.ended is not None:
        left = run.total - run.done if run.is_listed else None
        with acting_as(SYSTEM, Cause(correlation_id=run.id, source="runs")):
            kind.ended(dict(run.parameters), End(run.status, run.ok, run.failed, run.skipped, left))


def _end(run: Run, status: str, error: str | None = None) -> None:
    run.status, run.error = status, error
    run.finished_at, run.claimed_until = clock.now(), None


@every(3600)
def forget_old_runs() -> None:
    """Remove runs that ended more than thirty days ago, with their rows and files, and files never imported."""
    now = clock.now()
    old = db.session.scalars(select(Run.id).where(Run.finished_at < now - KEPT).limit(100)).all()
    unused = (ImportFile.run_id.is_(None)) & (ImportFile.created_at < now - KEPT_UNUSED)
    with transaction() as session:
        session.execute(delete(ImportFile).where(unused))
        session.execute(delete(Run).where(Run.id.in_(old)))
    for run_id in old:
        shutil.rmtree(folder_of(run_id), ignore_errors=True)
