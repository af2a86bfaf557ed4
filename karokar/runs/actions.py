"""Starting, pausing, cancelling and retrying runs. A run is no aggregate: what it does publishes the events."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update

from karokar.kernel.actor import current_actor
from karokar.kernel.database.rows import insert_rows
from karokar.kernel.db import action, db, primitive
from karokar.kernel.errors import NotFound, StateConflict
from karokar.kernel.fairness import quotas
from karokar.kernel.fairness.limits import (
    IMPORT_FILES_OF_ORGANIZATION,
    IMPORT_FILES_OF_PERSON,
    RUNS_OF_ORGANIZATION,
    RUNS_OF_PERSON,
)
from karokar.kernel.ids import new_id
from karokar.kernel.permissions import check
from karokar.runs.kinds import KINDS, Item
from karokar.runs.models import OPEN, ImportFile, Run, RunRow
from karokar.runs.queries import seen_by, shows_rows

_AT_ONCE = 1000


@action
def start_run(
    kind: str, parameters: Mapping[str, Any], *, title: str | None = None, items: Iterable[Item] | None = None
) -> UUID:
    """Queue a run of this kind for the acting person and return its id; a worker begins within a second or two.

    With `items` it is about these rows, which the person was shown; without, the worker lists what there is then.
    Raises PermissionDenied where the person may not do what the kind does, LimitReached where they or their
    organization have as many open runs as they may, LookupError for an unknown kind.
    """
    run = _queue(kind, parameters, title)
    if items is not None:
        _add_rows(run, [_pending(item) for item in items])
    return run.id


def _queue(kind: str, parameters: Mapping[str, Any], title: str | None) -> Run:
    known = KINDS[kind]
    scope = check(known.permission)
    actor = current_actor()
    _ask_for_a_run(actor.user_id, actor.organization_id)
    run = Run(
        id=new_id(),
        kind=kind,
        title=(title or known.title)[:200],
        organization_id=actor.organization_id,
        user_id=actor.user_id,
        token_id=actor.token_id,
        scope=scope.value,
        parameters=primitive(parameters),
        status="QUEUED",
    )
    db.session.add(run)
    return run


def _ask_for_a_run(user_id: UUID | None, organization_id: UUID | None) -> None:
    """Raise LimitReached where one more open run of the person, or of the organization, would be too many."""
    is_open = (Run.organization_id == organization_id, Run.status.in_((*OPEN, "PAUSED")))
    quotas.ask(RUNS_OF_PERSON, _as_member(user_id, organization_id), used=_counter(*is_open, Run.user_id == user_id))
    quotas.ask(RUNS_OF_ORGANIZATION, organization_id, used=_counter(*is_open))


def _as_member(user_id: UUID | None, organization_id: UUID | None) -> str | None:
    return f"{organization_id}:{user_id}" if user_id else None


def _counter(*conditions: ColumnElement[bool]) -> Callable[[], int]:
    return lambda: db.session.scalar(select(func.count()).where(*conditions)) or 0


@action
def keep_file(kind: str, name: str, text: str) -> UUID:
    """Keep a file that is to be imported, for the acting person alone, and return its id.

    Raises PermissionDenied, and LimitReached where too many are kept already.
    """
    check(KINDS[kind].permission)
    actor = current_actor()
    waits = (ImportFile.organization_id == actor.organization_id, ImportFile.run_id.is_(None))
    is_own = ImportFile.user_id == actor.user_id
    owner = _as_member(actor.user_id, actor.organization_id)
    quotas.ask(IMPORT_FILES_OF_PERSON, owner, used=_counter(*waits, is_own))
    quotas.ask(IMPORT_FILES_OF_ORGANIZATION, actor.organization_id, used=_counter(*waits))
    file = ImportFile(
        id=new_id(),
        kind=kind,
        organization_id=actor.organization_id,
        user_id=actor.user_id,
        name=name[:200] or "file.csv",
        digest=hashlib.sha256(text.encode()).hexdigest(),
        text=text,
    )
    db.session.add(file)
    return file.id


@action
def start_import(file_id: UUID, title: str, good: Iterable[Item], left_out: Iterable[tuple[str, str]]) -> UUID:
    """Queue the import of a kept file and return its run's id; one that was started before is not started again.

    `good` are the rows to do; `left_out` are the labels of the others, each with the sentence that says why. The file's
    text is forgotten. Raises NotFound for a file that is not the acting person's own, and LimitReached for too many
    open runs.
    """
    actor = current_actor()
    file = db.session.scalars(
        select(ImportFile)
        .where(
            ImportFile.id == file_id,
            ImportFile.user_id == actor.user_id,
            ImportFile.organization_id == actor.organization_id,
        )
        .with_for_update()
    ).one_or_none()
    if file is None:
        raise NotFound("file")
    if file.run_id is not None:
        return file.run_id
    run = _queue(file.kind, {"file": file.name}, title)
    rows = [_pending(item) for item in good]
    rows += [
        {"label": label[:300], "data": {}, "status": "SKIPPED", "message": sentence} for label, sentence in left_out
    ]
    _add_rows(run, rows)
    file.run_id, file.text = run.id, ""
    return run.id


def _pending(item: Item) -> dict[str, Any]:
    return {"label": item.label[:300], "data": primitive(item.data), "status": "PENDING", "message": None}


def _add_rows(run: Run, rows: Sequence[Mapping[str, Any]]) -> None:
    run.is_listed, run.total = True, len(rows)
    run.skipped = sum(row["status"] == "SKIPPED" for row in rows)
    db.session.flush()
    numbered = [{"run_id": run.id, "number": number, **row} for number, row in enumerate(rows, start=1)]
    for start in range(0, len(numbered), _AT_ONCE):
        insert_rows(RunRow, numbered[start : start + _AT_ONCE])


@action
def cancel_run(run_id: UUID) -> None:
    """Stop a run after the row that is being done; what is done stays done.

    Raises NotFound, and StateConflict for one that has ended.
    """
    run = _own(run_id)
    if not run.is_open:
        raise StateConflict("RUN_ENDED", "This run has already ended, so there is nothing to stop.")
    run.is_cancel_wanted = True
    if run.status == "PAUSED":
        # Only a worker ends a run: it tells those who have to hear of it.
        run.status = "QUEUED"


@action
def pause_run(run_id: UUID) -> None:
    """Let a run rest after the row that is being done, until it is resumed.

    Raises NotFound, and StateConflict for one that has ended, is being stopped or rests already.
    """
    run = _own(run_id)
    if not run.is_open or run.status == "PAUSED" or run.is_cancel_wanted:
        raise StateConflict("RUN_NOT_WORKING", "This run is not working any more, so it cannot be paused.")
    run.status = "PAUSED"


@action
def resume_run(run_id: UUID) -> None:
    """Let a paused run go on where it was. Raises NotFound, and StateConflict for one that is not paused."""
    run = _own(run_id)
    if run.status != "PAUSED":
        raise StateConflict("RUN_NOT_PAUSED", "This run is not paused, so it cannot be resumed.")
    run.status = "QUEUED"


@action
def retry_failed_rows(run_id: UUID) -> int:
    """Queue a run's refused rows again and return how many they are.

    Raises NotFound (also for somebody who may not do what the run does), StateConflict with none, and LimitReached
    where its owner has too many open runs.
    """
    run = _own(run_id)
    if not shows_rows(run):
        raise NotFound("run")
    failed = db.session.scalar(select(func.count()).where(RunRow.run_id == run_id, RunRow.status == "FAILED")) or 0
    if run.is_open or not failed:
        raise StateConflict("NOTHING_TO_RETRY", "This run has no refused rows that could be tried again.")
    _ask_for_a_run(run.user_id, run.organization_id)
    db.session.execute(
        update(RunRow).where(RunRow.run_id == run_id, RunRow.status == "FAILED").values(status="PENDING", message=None)
    )
    run.status, run.failed, run.starts, run.is_cancel_wanted = "QUEUED", 0, 0, False
    run.finished_at = run.claimed_until = run.due_at = run.error = None
    return failed


def _own(run_id: UUID) -> Run:
    run = db.session.scalars(
        select(Run).where(Run.id == run_id, seen_by(current_actor())).with_for_update()
    ).one_or_none()
    if run is None:
        raise NotFound("run")
    return run
