"""Doing runs, in slices of a second: the clock calls `work`, whoever the leading relay is.

All state is in the database. A worker that dies leaves its claim, which ends after some seconds; the next one goes on
with the rows that have no result yet.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import and_, delete, func, or_, select

from karokar.files.intake import hash_of
from karokar.kernel import clock
from karokar.kernel.actor import SYSTEM, Actor, Cause, acting_as
from karokar.kernel.db import db, transaction
from karokar.kernel.errors import Busy, DomainError
from karokar.kernel.log import get_logger
from karokar.kernel.permissions import check
from karokar.kernel.schedule import every
from karokar.runs.kinds import KINDS, End, FileKind, Item, Paced, RowKind, Skipped, Stopped
from karokar.runs.models import OPEN, ImportFile, Run, RunRow
from karokar.runs.queries import folder_of

SLICE_S = 1.0
CLAIM = timedelta(seconds=30)
KEPT = timedelta(days=30)
KEPT_UNUSED = timedelta(days=7)
ROWS_AT_ONCE = 50
LISTED_AT_ONCE = 500


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
    """Do a slice of one run that is claimed, then let it go."""
    run = db.session.get_one(Run, run_id)
    kind = KINDS.get(run.kind)
    actor = _actor_of(run)
    if kind is None or actor is None:
        reason = (
            "This version does not know this kind of work."
            if kind is None
            else "Whoever started it may not act here any more."
        )
        _finish(run_id, "FAILED", reason)
        return
    with acting_as(actor, Cause(correlation_id=run_id, source="runs")):
        try:
            check(kind.permission)
            if isinstance(kind, RowKind):
                _work_rows(run_id, kind, seconds)
            else:
                _work_file(run_id, kind, seconds)
        except Cancelled:
            _finish(run_id, "CANCELLED")
        except Stopped as reason:
            _finish(run_id, "FAILED", str(reason))
        except (Busy, Paused):
            _release(run_id)
        except DomainError as refusal:
            _finish(run_id, "FAILED", refusal.sentence)
        except Exception:
            get_logger(__name__).exception("run_failed", run=str(run_id))
            _finish(run_id, "FAILED", "Something went wrong on our side. The log has the details under this run's id.")
            raise


def _claim() -> UUID | None:
    # What this session read before is no longer how things stand.
    db.session.rollback()
    now = clock.now()
    is_due = or_(Run.due_at.is_(None), Run.due_at <= now, Run.is_cancel_wanted)
    free = and_(or_(Run.claimed_until.is_(None), Run.claimed_until <= now), is_due)
    if db.session.scalar(select(Run.id).where(Run.status.in_(OPEN), free).limit(1)) is None:
        return None
    with transaction() as session:
        # What is to be stopped, then whoever waited longest since a worker let go of it: a long run does not hold up
        # the short ones.
        statement = (
            select(Run)
            .where(Run.status.in_(OPEN), free)
            .order_by(Run.is_cancel_wanted.desc(), func.coalesce(Run.claimed_until, Run.created_at), Run.created_at)
            .limit(1)
        )
        run = session.scalars(statement.with_for_update(skip_locked=True)).one_or_none()
        if run is None:
            return None
        run.claimed_until = now + CLAIM
        run.status = "RUNNING"
        run.started_at = run.started_at or now
        return run.id


def _actor_of(run: Run) -> Actor | None:
    """Whoever started the run, with the rights that they (or their token) hold now; None where they hold none any
    more.
    """
    resolve: Callable[[UUID, UUID, UUID | None], Actor | None] | None = current_app.extensions.get(
        "karokar.actor_of_member"
    )
    return resolve(run.user_id, run.organization_id, run.token_id) if resolve else None


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
            run.claimed_until = clock.now() + CLAIM
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
        run.claimed_until = clock.now() + CLAIM


def _release(run_id: UUID, pause: float = 0.0) -> None:
    db.session.rollback()
    with transaction() as session:
        run = session.get_one(Run, run_id, populate_existing=True)
        run.claimed_until = clock.now()
        run.due_at = clock.now() + timedelta(seconds=pause) if pause else None


def _finish(run_id: UUID, status: str, error: str | None = None) -> None:
    db.session.rollback()
    with transaction() as session:
        run = session.get_one(Run, run_id, populate_existing=True, with_for_update=True)
        if not run.is_open:
            return
        _end(run, status, error)
        kind = KINDS.get(run.kind)
        if isinstance(kind, RowKind) and kind.ended is not None:
            left = run.total - run.done if run.is_listed else None
            # The end is a fact, whatever whoever started the run may still do.
            with acting_as(SYSTEM, Cause(correlation_id=run_id, source="runs")):
                kind.ended(dict(run.parameters), End(status, run.ok, run.failed, run.skipped, left))
    if status in {"CANCELLED", "FAILED"}:
        # Half a file is no use to anybody.
        shutil.rmtree(folder_of(run_id), ignore_errors=True)


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
