"""Pages of runs: the list, one run with its progress, and the page that asks before many rows are changed."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, make_response, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response

from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import check, signed_in
from karokar.runs import actions, queries
from karokar.runs.kinds import KINDS, RowKind, file_kind
from karokar.runs.models import Run
from karokar.runs.worker import folder_of
from karokar.web.exports import Column, export, write_file
from karokar.web.filters import Choice, Filters
from karokar.web.forms import Form
from karokar.web.states import state_choices

bp = Blueprint("runs", __name__, url_prefix="/runs")

FILTERS = (Choice("status", "Status", choices=state_choices("run")),)
ROW_FILTERS = (Choice("status", "Result", choices=state_choices("row")),)
RESULT_COLUMNS = (
    Column("Row", lambda row: row.number),
    Column("What", lambda row: row.label),
    Column("Result", lambda row: row.status),
    Column("Message", lambda row: row.message),
)
COUNTED_UP_TO = 50_000
SENT_AT_ONCE = 5_000
_SAMPLE = 10
_OWN_FIELDS = {"csrf_token", "acting_for", "form_key", "form_base", "version", "expected", "cursor", "sort"}

_forms: dict[str, type[Form]] = {}


def ask_with(kind: RowKind, form: type[Form]) -> None:
    """Ask for what this form holds before a run of the kind starts; its values become parameters of every row."""
    _forms[kind.name] = form


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
    filters = Filters.of_request(ROW_FILTERS)
    run = queries.get_run(run_id)
    rows = queries.list_rows(run_id, **filters.values, cursor=filters.cursor)
    return render_template("runs/show.html", run=run, filters=filters, page=rows, state=_state(run))


@bp.get("/<uuid:run_id>/progress")
@signed_in
def progress(run_id: UUID) -> Response:
    """Answer the progress of a run as a part of its page; 204 while it stands where the page has it."""
    run = queries.get_run(run_id)
    if request.args.get("at") == _state(run):
        return make_response("", 204)
    response = make_response(render_template("runs/_progress.html", run=run))
    response.headers["X-Live-Url"] = url_for("runs.progress", run_id=run_id, at=_state(run))
    return response


def _state(run: Run) -> str:
    return f"{run.status}-{run.done}-{run.total}-{run.is_cancel_wanted}"


@bp.post("/<uuid:run_id>/cancel")
@signed_in
def cancel(run_id: UUID) -> Response:
    """Stop a run."""
    actions.cancel_run(run_id)
    flash("The run stops after the row that is being done.", "info")
    return redirect(url_for("runs.show", run_id=run_id), 303)


@bp.post("/<uuid:run_id>/retry")
@signed_in
def retry(run_id: UUID) -> Response:
    """Queue the refused rows of a run again."""
    count = actions.retry_failed_rows(run_id)
    flash(f"{count} rows are tried again.", "info")
    return redirect(url_for("runs.show", run_id=run_id), 303)


@bp.get("/<uuid:run_id>/results")
@signed_in
def results(run_id: UUID) -> Response:
    """Download each row's result."""
    run = queries.get_run(run_id)
    return export(f"run-{run.id}", RESULT_COLUMNS, queries.all_rows(run_id), request.args.get("format", "csv"))


@bp.get("/<uuid:run_id>/file")
@signed_in
def file(run_id: UUID) -> Response:
    """Download what the run made."""
    run = queries.get_run(run_id)
    if not run.file_name or not (folder_of(run_id) / run.file_name).is_file():
        raise NotFound("file")
    return send_file(folder_of(run_id) / run.file_name, as_attachment=True, download_name=run.file_name)


# --- "all N that match" -----------------------------------------------------------------------------------------------


@bp.route("/new/<kind>", methods=["GET", "POST"])
@signed_in
def new(kind: str) -> Any:
    """Say how many rows a bulk change is about, show some of them, ask, and start the run.

    The address holds the filters of the list that it came from. If their number changed meanwhile, it asks again.
    """
    known = KINDS.get(kind)
    if not isinstance(known, RowKind):
        raise NotFound("kind of run")
    check(known.permission)
    parameters = _snapshot(request.args.to_dict(flat=False))
    items = list(islice(known.list_items(parameters), COUNTED_UP_TO + 1))
    form = _forms.get(kind, Form)()
    is_changed = False
    if form.is_sent():
        is_changed = request.form.get("expected") != str(len(items))
        if items and not is_changed:
            title = f"{known.title}: {len(items):,}"
            run_id = actions.start_run(kind, {**parameters, **form.values()}, title=title)
            return redirect(url_for("runs.show", run_id=run_id), 303)
    page = render_template(
        "runs/new.html",
        kind=known,
        form=form,
        count=len(items),
        sample=items[:_SAMPLE],
        is_counted_out=len(items) <= COUNTED_UP_TO,
        is_changed=is_changed,
    )
    return page, 409 if is_changed else form.status


def _snapshot(args: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The filters as the list had them, and the rows that were chosen one by one (none: all that match)."""
    filters = {name: values[0] for name, values in args.items() if name not in _OWN_FIELDS | {"chosen"} and values[0]}
    return {"filters": filters, "chosen": list(args.get("chosen", []))}


# --- large exports --------------------------------------------------------------------------------------------------


class ListExport:
    """A list's export: sent at once while it is small, else made by a run.

    BOOKINGS = ListExport("booking.export", "Bookings", permission=BOOKING_READ, columns=COLUMNS, rows=_rows)

    @bp.get("/export")
    @requires(BOOKING_READ)
    def export() -> Response:
        return BOOKINGS.answer(filters.raw)

    `rows(filters)` yields the rows for the filters' texts; it is called again by the run.
    """

    def __init__(
        self,
        name: str,
        title: str,
        *,
        permission: str,
        columns: Sequence[Column],
        rows: Any,
    ) -> None:
        self.title = title
        self.columns = columns
        self.rows = rows
        self.slug = title.lower().replace(" ", "-")
        self.kind = file_kind(name, f"Export: {title}", permission=permission, write=self._write)

    def answer(self, filters: Mapping[str, str], format_: str | None = None) -> Response:
        """Return the file, or lead to the run that makes it."""
        format_ = "xlsx" if (format_ or request.args.get("format")) == "xlsx" else "csv"
        first = list(islice(self.rows(filters), SENT_AT_ONCE + 1))
        if len(first) <= SENT_AT_ONCE:
            return export(self.slug, self.columns, first, format_)
        run_id = actions.start_run(self.kind.name, {"filters": dict(filters), "format": format_})
        flash("This is large, so it is made in the background. You can go on; the file waits here.", "info")
        return redirect(url_for("runs.show", run_id=run_id), 303)

    def _write(self, folder: Any, parameters: Mapping[str, Any], tell: Any) -> Any:
        path = folder / f"{self.slug}.{parameters['format']}"
        with path.open("wb") as target:
            write_file(target, self.columns, self._told(self.rows(parameters["filters"]), tell), parameters["format"])
        return path

    @staticmethod
    def _told(rows: Iterable[Any], tell: Any) -> Iterable[Any]:
        # Telling commits, and a commit in the middle would end the reading of rows; so they are read first.
        found = list(rows)
        for number, row in enumerate(found, start=1):
            if number % 1000 == 0 or number == len(found):
                tell(number, len(found))
            yield row
