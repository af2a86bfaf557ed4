"""The list of runs, and one run: its progress, what can be done about it, its rows, its results and its file."""

from typing import Any
from uuid import UUID

from flask import flash, make_response, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response

from karokar.kernel.actor import current_actor
from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import signed_in
from karokar.runs import actions, queries
from karokar.runs.models import Run
from karokar.runs.views.blueprint import bp
from karokar.web.lists.exports import Column, export
from karokar.web.lists.filters import Choice, Filters
from karokar.web.shell.links import stand_for
from karokar.web.shell.states import state_choices, state_of

FILTERS = (Choice("status", "Status", choices=state_choices("run")),)
ROW_FILTERS = (Choice("status", "Result", choices=state_choices("row")),)
RESULT_COLUMNS = (
    Column("Row", lambda row: row.number),
    Column("What", lambda row: row.label),
    Column("Result", lambda row: state_of("row", row.status).word),
    Column("Message", lambda row: row.message),
)


@bp.get("/")
@signed_in
def index() -> str:
    """List the runs that the person may see."""
    filters = Filters.of_request(FILTERS, sorts=("created", "title"), default_sort="-created")
    page = queries.list_runs(**filters.values, sort=filters.sort, cursor=filters.cursor)
    return render_template("runs/index.html", filters=filters, page=page)


@bp.get("/<uuid:run_id>")
@signed_in
def show(run_id: UUID) -> str:
    """Show one run: how far it is, and each row's result."""
    return render_template("runs/show.html", **_seen(run_id))


def _seen(run_id: UUID) -> dict[str, Any]:
    run = queries.get_run(run_id)
    filters = Filters.of_request(ROW_FILTERS)
    is_shown = run.is_listed and queries.shows_rows(run)
    return {
        "run": run,
        "state": _state(run),
        "filters": filters,
        "page": queries.list_rows(run_id, **filters.values, cursor=filters.cursor) if is_shown else None,
        "may_retry": queries.shows_rows(run),
        "is_own": run.organization_id == current_actor().organization_id,
    }


@bp.get("/<uuid:run_id>/progress")
@signed_in
def progress(run_id: UUID) -> Response:
    """Answer what changes on a run's page while it works, buttons included; 204 while it stands where the page is."""
    stand_for("runs.show", "at")
    seen = _seen(run_id)
    if request.args.get("at") == seen["state"]:
        return make_response("", 204)
    response = make_response(render_template("runs/_progress.html", **seen))
    response.headers["X-Live-Url"] = url_for(
        "runs.progress",
        run_id=run_id,
        at=seen["state"],
        status=request.args.get("status"),
        cursor=request.args.get("cursor"),
    )
    return response


def _state(run: Run) -> str:
    return f"{run.status}-{run.done}-{run.total}-{run.is_cancel_wanted}"


@bp.post("/<uuid:run_id>/cancel")
@signed_in
def cancel(run_id: UUID) -> Response:
    """Stop a run."""
    actions.cancel_run(run_id)
    flash("The run stops after the row that is being done.", "info")
    return _back(run_id)


@bp.post("/<uuid:run_id>/pause")
@signed_in
def pause(run_id: UUID) -> Response:
    """Let a run rest."""
    actions.pause_run(run_id)
    flash("The run rests after the row that is being done.", "info")
    return _back(run_id)


@bp.post("/<uuid:run_id>/resume")
@signed_in
def resume(run_id: UUID) -> Response:
    """Let a paused run go on."""
    actions.resume_run(run_id)
    flash("The run goes on.", "info")
    return _back(run_id)


@bp.post("/<uuid:run_id>/retry")
@signed_in
def retry(run_id: UUID) -> Response:
    """Queue the refused rows of a run again."""
    count = actions.retry_failed_rows(run_id)
    flash("One row is tried again." if count == 1 else f"{count:,} rows are tried again.", "info")
    return _back(run_id)


def _back(run_id: UUID) -> Response:
    return redirect(url_for("runs.show", run_id=run_id), 303)


@bp.get("/<uuid:run_id>/results")
@signed_in
def results(run_id: UUID) -> Response:
    """Download each row's result; with ?status= those with this result."""
    run = queries.get_run(run_id)
    if run.organization_id != current_actor().organization_id:
        raise NotFound("file")
    filters = Filters.of_request(ROW_FILTERS)
    rows = queries.iterate_rows(run_id, **filters.values)
    return export(f"run-{run.id}", RESULT_COLUMNS, rows, request.args.get("format", "csv"))


@bp.get("/<uuid:run_id>/file")
@signed_in
def file(run_id: UUID) -> Response:
    """Download what the run made: for whoever may still do what it took to make it."""
    path = queries.get_file(run_id)
    return send_file(path, as_attachment=True, download_name=path.name)
