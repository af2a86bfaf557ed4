"""Rows from a CSV file or a workbook: checked first (nothing changes), then imported by a run, a row at a time.

    def _check(report: Report) -> None: …      # adds to report.good, or report.note(line, heading, sentence)
    def _do(item: Item, _parameters: Mapping[str, Any]) -> str | None:
        actions.register_vehicle(**item.data)

    VEHICLES = ListImport(
        "fleet.import", "Import vehicles", permission=VEHICLE_CREATE, headings=HEADINGS, check=_check, do=_do,
        endpoint="fleet.import_", back=("Vehicles", "fleet.index"), noun=("vehicle", "vehicles"),
    )

    @bp.route("/import", methods=["GET", "POST"])
    @requires(VEHICLE_CREATE)
    def import_() -> Any:
        return VEHICLES.upload()

`check` goes through the same validators as the form and the action; what it lets pass, `do` may still refuse.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from karokar.kernel.errors import LimitReached, NotFound
from karokar.kernel.pages.shown import digest_of
from karokar.kernel.permissions import check, signed_in
from karokar.runs import actions, queries
from karokar.runs.imports import Heading, Problem, Report, read
from karokar.runs.kinds import Item, row_kind
from karokar.runs.models import ImportFile
from karokar.runs.tables import MOST_BYTES, MOST_ROWS, FileRefused, table_of
from karokar.runs.views.blueprint import bp
from karokar.web.lists.exports import Column, export
from karokar.web.requests.uploads import count_upload

IMPORTS: dict[str, "ListImport"] = {}
"""Every import, by the name of its kind."""
_SHOWN = 100
_SAMPLE = 10
_ERROR_COLUMNS = (
    Column("Line", lambda problem: problem.line),
    Column("Column", lambda problem: problem.column),
    Column("Heading", lambda problem: problem.heading),
    Column("Value", lambda problem: problem.value),
    Column("What is wrong", lambda problem: problem.sentence),
)


class ListImport:
    """An import: see above. `hint` is a sentence for the page, `example` the address of a file to fill in.

    `exported` are the columns of the list's export. What is exported can be imported: the headings of those that are
    not needed are known, and left out.
    """

    def __init__(
        self,
        name: str,
        title: str,
        *,
        permission: str,
        headings: Sequence[Heading],
        check: Callable[[Report], None],
        do: Callable[[Item, Mapping[str, Any]], str | None],
        endpoint: str,
        back: tuple[str, str],
        noun: tuple[str, str],
        exported: Sequence[Column] = (),
        hint: str = "",
        example: str = "",
    ) -> None:
        self.left_out = [column.heading for column in exported]
        self.name, self.title, self.permission = name, title, permission
        self.headings, self.check = headings, check
        self.endpoint, self.back, self.noun = endpoint, back, noun
        self.hint, self.example = hint, example
        row_kind(name, title, permission=permission, list_items=_listed_already, do=do, is_bulk=False)
        IMPORTS[name] = self

    def many(self, count: int) -> str:
        """Return "1 vehicle" or "2,000 vehicles"."""
        return f"{count:,} {self.noun[0] if count == 1 else self.noun[1]}"

    def upload(self) -> Any:
        """Show the form; keep the file that was sent, and lead to what importing it would do."""
        problem = ""
        if request.method == "POST":
            file = request.files.get("file")
            try:
                if file is not None:
                    count_upload(file.stream)
                table = table_of(file.read(MOST_BYTES + 1) if file is not None else b"")
                read(table.text, self.headings, self.left_out)
                file_id = actions.keep_file(self.name, (file.filename if file else "") or "", table.text)
            except FileRefused as refusal:
                problem = str(refusal)
            except LimitReached as refusal:
                problem = refusal.sentence
            else:
                if table.note:
                    flash(table.note, "info")
                return redirect(url_for("runs.check_import", import_id=file_id), 303)
        waiting = queries.list_waiting_files(self.name)
        page = render_template(
            "runs/new_import.html", known=self, problem=problem, waiting=waiting, most=MOST_ROWS, most_bytes=MOST_BYTES
        )
        return page, 422 if problem else 200

    def report(self, text: str) -> Report:
        """Return what importing the text would do."""
        report = read(text, self.headings, self.left_out)
        if report.has_headings:
            self.check(report)
        # As the file has them: what was noted first is what reading it showed, then what checking its cells did.
        report.problems.sort(key=lambda problem: problem.line)
        return report


def _listed_already(_parameters: Mapping[str, Any]) -> Sequence[Item]:
    return ()


@bp.route("/imports/<uuid:import_id>", methods=["GET", "POST"])
@signed_in
def check_import(import_id: UUID) -> Any:
    """Show what importing a file would do; once confirmed, start the run with its good rows.

    Asks again where the good rows are no longer the ones that were shown. One that was started leads to its run.
    """
    file, known = _found(import_id)
    if file.run_id is not None:
        return redirect(url_for("runs.show", run_id=file.run_id), 303)
    report = known.report(file.text)
    shown = digest_of([one.line.number, one.facts] for one in report.good)
    is_changed = request.method == "POST" and request.form.get("expected") != shown
    if request.method == "POST" and report.good and not is_changed:
        return redirect(url_for("runs.show", run_id=_start(file, known, report)), 303)
    page = render_template(
        "runs/check_import.html",
        known=known,
        file=file,
        report=report,
        before=queries.find_imported_before(file),
        is_changed=is_changed,
        digest=shown,
        shown=_SHOWN,
        sample=_SAMPLE,
    )
    return page, 409 if is_changed else 200


@bp.get("/imports/<uuid:import_id>/errors")
@signed_in
def import_errors(import_id: UUID) -> Response:
    """Download what is wrong with a file, a line for each problem."""
    file, known = _found(import_id)
    if file.run_id is not None:
        raise NotFound("file")
    return export("import-errors", _ERROR_COLUMNS, known.report(file.text).problems, request.args.get("format", "csv"))


def _found(import_id: UUID) -> tuple[ImportFile, ListImport]:
    file = queries.get_import_file(import_id)
    known = IMPORTS.get(file.kind)
    if known is None:
        raise NotFound("file")
    check(known.permission)
    return file, known


def _start(file: ImportFile, known: ListImport, report: Report) -> UUID:
    good = [Item(f"Line {one.line.number}: {one.label}", one.facts) for one in report.good]
    left_out = [(f"Line {number}", f"Left out. {_words(problems)}") for number, problems in report.bad_lines.items()]
    title = f"{known.title}: {len(good):,} from {file.name}"
    return actions.start_import(file.id, title, good, left_out)


def _words(problems: Sequence[Problem]) -> str:
    return " ".join(
        f"{problem.place}: {problem.sentence}" if problem.place else problem.sentence for problem in problems
    )
