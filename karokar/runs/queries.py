"""Reading runs: one's own, and the organization's for whoever manages it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, false, select, true

from karokar.kernel.actor import Actor, Scope, current_actor
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.paging import Page, paginate
from karokar.kernel.permissions import scope_of
from karokar.runs.models import Run, RunRow

_OVERSEES = "setting.manage"


def seen_by(actor: Actor) -> ColumnElement[bool]:
    """Return the condition that keeps runs to those that the actor may see."""
    if actor.is_system:
        return true()
    if actor.user_id is None or actor.organization_id is None:
        return false()
    scope = scope_of(_OVERSEES, actor)
    if scope is Scope.ALL:
        return true()
    own: ColumnElement[bool] = Run.organization_id == actor.organization_id
    return own if scope is not None else own & (Run.user_id == actor.user_id)


def list_runs(
    *, status: str | None = None, kind: str | None = None, sort: str = "-created", cursor: str | None = None
) -> Page[Run]:
    """Return runs that the actor may see, newest first."""
    statement = select(Run).where(seen_by(current_actor()))
    if status:
        statement = statement.where(Run.status == status)
    if kind:
        statement = statement.where(Run.kind == kind)
    return paginate(
        statement, sorts={"created": Run.created_at, "title": Run.title}, tie=Run.id, sort=sort, cursor=cursor
    )


def get_run(run_id: UUID) -> Run:
    """Return a run that the actor may see. Raises NotFound."""
    run = db.session.scalars(select(Run).where(Run.id == run_id, seen_by(current_actor()))).one_or_none()
    if run is None:
        raise NotFound("run")
    return run


def list_rows(run_id: UUID, *, status: str | None = None, cursor: str | None = None) -> Page[RunRow]:
    """Return a run's rows in their order."""
    statement = select(RunRow).where(RunRow.run_id == run_id)
    if status:
        statement = statement.where(RunRow.status == status)
    return paginate(
        statement, sorts={"number": RunRow.number}, tie=RunRow.number, sort="number", cursor=cursor, counted=False
    )


def all_rows(run_id: UUID) -> Sequence[Any]:
    """Return every row of a run with its result, for a file."""
    return db.session.scalars(select(RunRow).where(RunRow.run_id == run_id).order_by(RunRow.number)).all()
