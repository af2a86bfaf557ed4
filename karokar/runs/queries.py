"""Reading runs: one's own, and the organization's for whoever manages it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select, true

from karokar.files.intake import hash_of
from karokar.files.storage import FileLost
from karokar.kernel.actor import Actor, Scope, current_actor
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound, PermissionDenied
from karokar.kernel.pages.paging import Page, paginate
from karokar.kernel.permissions import PERMISSIONS, check, scope_of
from karokar.kernel.settings import settings
from karokar.runs.kinds import KINDS
from karokar.runs.models import ImportFile, Run, RunRow

_OVERSEES = "setting.manage"
_REACH = {Scope.SELF: 0, Scope.MARKET: 1, Scope.OWN: 1, Scope.PARTY: 1, Scope.ALL: 2}


def seen_by(actor: Actor) -> ColumnElement[bool]:
    """Return the condition that keeps runs to those that the actor may see."""
    if actor.is_system:
        return true()
    if actor.user_id is None or actor.organization_id is None:
        return false()
    scope = scope_of(_OVERSEES, actor)
    own: ColumnElement[bool] = (Run.organization_id == actor.organization_id) & _may_still(actor)
    if scope is Scope.ALL:
        # Of other tenants' runs the platform sees that they ran; for its own, its people need the right like anybody.
        return Run.organization_id.is_distinct_from(actor.organization_id) | own
    return own if scope is not None else own & (Run.user_id == actor.user_id)


def shows_rows(run: Run) -> bool:
    """Whether the actor may read what a run's rows say: those of their own organization's runs that they see, and of
    other tenants' whoever may everywhere do what the run does.
    """
    actor = current_actor()
    if actor.is_system or run.organization_id == actor.organization_id:
        return True
    known = KINDS.get(run.kind)
    return known is not None and scope_of(known.permission, actor) is Scope.ALL


def _may_still(actor: Actor) -> ColumnElement[bool]:
    """Return the condition of runs whose work the actor may do now, as far as it went: their results tell of it."""
    kinds: dict[int, list[str]] = {}
    for kind in KINDS.values():
        scope = scope_of(kind.permission, actor)
        if scope is not None:
            kinds.setdefault(_REACH[scope], []).append(kind.name)
    return or_(
        false(),
        *(
            Run.kind.in_(names)
            & (Run.scope.is_(None) | Run.scope.in_([each for each in _REACH if _REACH[each] <= reach]))
            for reach, names in kinds.items()
        ),
    )


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


def get_file(run_id: UUID) -> Path:
    """Return the file that a run made, for somebody of the same organization who may now what it took to make it.

    Raises NotFound where there is none (any more), FileLost where it is not what the run made, PermissionDenied where
    the right is held no longer, or not as far.
    """
    run = get_run(run_id)
    actor = current_actor()
    if run.organization_id != actor.organization_id:
        raise NotFound("file")
    permission = KINDS[run.kind].permission if run.kind in KINDS else _OVERSEES
    scope = check(permission, reading=True)
    if run.scope is not None and _REACH[scope] < _REACH[Scope(run.scope)]:
        raise PermissionDenied(permission, f"{PERMISSIONS[permission].description}, as far as this file goes")
    path = folder_of(run_id) / (run.file_name or "none")
    if not run.file_name or not path.exists():
        raise NotFound("file")
    made = (run.state or {}).get("sha256")
    if path.is_symlink() or path.parent.is_symlink() or (made is not None and hash_of(path) != made):
        raise FileLost("damaged")
    return path


def folder_of(run_id: UUID) -> Path:
    """Return where a run keeps its file."""
    return settings().data / "runs" / str(run_id)


def list_rows(run_id: UUID, *, status: str | None = None, cursor: str | None = None) -> Page[RunRow]:
    """Return a run's rows in their order."""
    statement = select(RunRow).where(RunRow.run_id == run_id)
    if status:
        statement = statement.where(RunRow.status == status)
    return paginate(
        statement, sorts={"number": RunRow.number}, tie=RunRow.number, sort="number", cursor=cursor, counted=False
    )


def iterate_rows(run_id: UUID, *, status: str | None = None) -> Iterator[Any]:
    """Yield the rows of a run (those with this result) for a file."""
    statement = select(RunRow.number, RunRow.label, RunRow.status, RunRow.message).where(RunRow.run_id == run_id)
    if status:
        statement = statement.where(RunRow.status == status)
    yield from db.session.execute(statement.order_by(RunRow.number).execution_options(yield_per=1000))


def get_import_file(file_id: UUID) -> ImportFile:
    """Return a file that the acting person uploaded to import it. Raises NotFound."""
    file = db.session.scalars(select(ImportFile).where(ImportFile.id == file_id, _own_files())).one_or_none()
    if file is None:
        raise NotFound("file")
    return file


def list_waiting_files(kind: str) -> Sequence[ImportFile]:
    """Return the acting person's files of a kind that were checked and not imported, newest first."""
    statement = select(ImportFile).where(_own_files(), ImportFile.kind == kind, ImportFile.run_id.is_(None))
    return db.session.scalars(statement.order_by(ImportFile.id.desc()).limit(10)).all()


def find_imported_before(file: ImportFile) -> Run | None:
    """Return the newest run that imported a file of the same content in the same organization; None for none."""
    statement = (
        select(Run)
        .join(ImportFile, ImportFile.run_id == Run.id)
        .where(
            ImportFile.organization_id == file.organization_id,
            ImportFile.kind == file.kind,
            ImportFile.digest == file.digest,
            ImportFile.id != file.id,
        )
        .order_by(Run.id.desc())
        .limit(1)
    )
    return db.session.scalars(statement).one_or_none()


def _own_files() -> ColumnElement[bool]:
    actor = current_actor()
    return (ImportFile.user_id == actor.user_id) & (ImportFile.organization_id == actor.organization_id)
