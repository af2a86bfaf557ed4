"""Starting, cancelling and retrying runs. A run is no aggregate: what it does publishes the events."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from karokar.kernel.actor import current_actor
from karokar.kernel.db import action, db, primitive
from karokar.kernel.errors import NotFound, StateConflict
from karokar.kernel.ids import new_id
from karokar.kernel.permissions import check
from karokar.runs.kinds import KINDS
from karokar.runs.models import Run, RunRow
from karokar.runs.queries import seen_by


@action
def start_run(kind: str, parameters: Mapping[str, Any], *, title: str | None = None) -> UUID:
    """Queue a run of this kind for the acting person and return its id; a worker begins within a second or two.

    Raises PermissionDenied where the person may not do what the kind does, LookupError for an unknown kind.
    """
    known = KINDS[kind]
    check(known.permission)
    actor = current_actor()
    run = Run(
        id=new_id(),
        kind=kind,
        title=(title or known.title)[:200],
        organization_id=actor.organization_id,
        user_id=actor.user_id,
        parameters=primitive(parameters),
        status="QUEUED",
    )
    db.session.add(run)
    return run.id


@action
def cancel_run(run_id: UUID) -> None:
    """Stop a run after the row that is being done; what is done stays done.

    Raises NotFound, and StateConflict for one that has ended.
    """
    run = _own(run_id)
    if not run.is_open:
        raise StateConflict("RUN_ENDED", "This run has already ended, so there is nothing to stop.")
    run.is_cancel_wanted = True


@action
def retry_failed_rows(run_id: UUID) -> int:
    """Queue a run's refused rows again and return how many they are. Raises NotFound, and StateConflict with none."""
    run = _own(run_id)
    failed = db.session.scalar(select(func.count()).where(RunRow.run_id == run_id, RunRow.status == "FAILED")) or 0
    if run.is_open or not failed:
        raise StateConflict("NOTHING_TO_RETRY", "This run has no refused rows that could be tried again.")
    db.session.execute(
        update(RunRow).where(RunRow.run_id == run_id, RunRow.status == "FAILED").values(status="PENDING", message=None)
    )
    run.status, run.failed, run.is_cancel_wanted = "QUEUED", 0, False
    run.finished_at = run.due_at = None
    return failed


def _own(run_id: UUID) -> Run:
    run = db.session.scalars(
        select(Run).where(Run.id == run_id, seen_by(current_actor())).with_for_update()
    ).one_or_none()
    if run is None:
        raise NotFound("run")
    return run
