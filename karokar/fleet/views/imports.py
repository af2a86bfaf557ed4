"""Vehicles from a CSV file: first a dry run that names every bad cell, then the import of the good rows."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict

from karokar.fleet import actions, queries
from karokar.fleet.forms import NewVehicleForm
from karokar.fleet.permissions import VEHICLE_CREATE
from karokar.fleet.rules import CATEGORIES, plate_key
from karokar.fleet.views.blueprint import bp
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import RuleBroken
from karokar.kernel.permissions import requires

COLUMNS = (
    "make", "model", "year", "license_plate", "category", "seats", "city", "address", "time_zone", "odometer",
)  # fmt: skip
OPTIONAL = {"address", "time_zone", "odometer"}
MOST_ROWS = 1000
MOST_BYTES = 1_000_000
_EXAMPLE = "Škoda,Octavia,2024,KK-A 1001,ESTATE,5,Hamburg,Lagerstraße 4,Europe/Berlin,12000"


@dataclass(frozen=True)
class Problem:
    """What is wrong in one cell; `column` is its letter as spreadsheets count, empty for the whole line."""

    line: int
    column: str
    heading: str
    value: str
    sentence: str


@dataclass
class Report:
    """What a file would do: the rows that are good, and every problem of the others."""

    good: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    total: int = 0

    @property
    def bad_lines(self) -> int:
        """How many lines have a problem."""
        return len({problem.line for problem in self.problems})


@bp.route("/import", methods=["GET", "POST"])
@requires(VEHICLE_CREATE)
def import_() -> Any:
    """Read a file and report what it would do; with `go`, register the good rows of the text that was reported on."""
    if request.method == "GET":
        return _page(None, "")
    text, problem = _sent_text()
    if problem:
        return _page(Report(problems=[Problem(1, "", "", "", problem)]), "")
    report = read(text)
    if "go" not in request.form or not report.good:
        return _page(report, text)
    try:
        ids = actions.import_vehicles(report.good)
    except RuleBroken as error:
        report.problems.append(Problem(0, "", "", "", error.sentence))
        return _page(report, text)
    left = f" {report.bad_lines} lines were left out." if report.bad_lines else ""
    flash(f"{len(ids)} {'vehicle' if len(ids) == 1 else 'vehicles'} registered.{left}", "good")
    return redirect(url_for("fleet.index", sort="-created"), 303)


def _page(report: Report | None, text: str) -> Any:
    status = 422 if report is not None and report.problems else 200
    page = render_template(
        "fleet/import.html", report=report, text=text, columns=COLUMNS, optional=OPTIONAL, categories=CATEGORIES,
        most=MOST_ROWS,
    )  # fmt: skip
    return page, status


@bp.get("/import/example")
@requires(VEHICLE_CREATE)
def import_example() -> Response:
    """Send a file with the headings and one row to fill in."""
    body = "\ufeff" + ",".join(COLUMNS) + "\r\n" + _EXAMPLE + "\r\n"
    headers = {"Content-Disposition": 'attachment; filename="vehicles-example.csv"'}
    return Response(body, mimetype="text/csv", headers=headers)


def _sent_text() -> tuple[str, str]:
    """Return the text of the file that was sent (or reported on before), and what is wrong with it."""
    file = request.files.get("file")
    is_new = file is not None and bool(file.filename)
    data = file.read(MOST_BYTES + 1) if file is not None and is_new else request.form.get("text", "").encode()
    if not data.strip():
        return "", "Choose a CSV file first."
    if len(data) > MOST_BYTES:
        return "", "The file is larger than 1 MB. Split it."
    try:
        return data.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        return "", "The file is not UTF-8. Save it as “CSV UTF-8” and send it again."


def read(text: str) -> Report:
    """Return what the text would do: every cell goes through the same checks as the form and the action."""
    report = Report()
    lines = list(_lines(text))
    if not lines:
        report.problems.append(Problem(1, "", "", "", "The file is empty."))
        return report
    (_, header), *rows = lines
    headings = [heading.strip().lower().replace(" ", "_") for heading in header]
    for index, heading in enumerate(headings):
        if heading not in COLUMNS:
            report.problems.append(Problem(1, letter(index), header[index], heading, "This heading is not known."))
    for name in COLUMNS:
        if name not in headings and name not in OPTIONAL:
            report.problems.append(Problem(1, "", name, "", "This column is missing."))
    if report.problems:
        return report
    if len(rows) > MOST_ROWS:
        report.problems.append(Problem(1, "", "", "", f"More than {MOST_ROWS} rows. Split the file."))
        return report
    report.total = len(rows)
    taken = queries.other_spellings([row[headings.index("license_plate")] for _, row in rows if len(row) > 3])
    seen: dict[str, int] = {}
    for line, row in rows:
        _check(report, line, headings, row, taken=taken, seen=seen)
    return report


def _lines(text: str) -> Iterable[tuple[int, list[str]]]:
    """Yield (line number, cells) of each line that is not empty; the separator is a comma or a semicolon."""
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",")
    for row in reader:
        if any(cell.strip() for cell in row):
            yield reader.line_num, row


def _check(
    report: Report,
    line: int,
    headings: Sequence[str],
    row: Sequence[str],
    *,
    taken: Mapping[str, Any],
    seen: dict[str, int],
) -> None:
    def note(name: str, sentence: str) -> None:
        index = headings.index(name) if name in headings else -1
        value = row[index] if 0 <= index < len(row) else ""
        report.problems.append(Problem(line, letter(index) if index >= 0 else "", name, value, sentence))

    if len(row) > len(headings):
        note("", f"This line has {len(row)} cells, the heading has {len(headings)}.")
        return
    cells = {name: value.strip() for name, value in zip(headings, row, strict=False)}
    cells["category"] = _category(cells.get("category", ""))
    cells["time_zone"] = cells.get("time_zone") or current_actor().time_zone
    cells["odometer"] = cells.get("odometer") or "0"
    form = NewVehicleForm(formdata=MultiDict(cells))
    before = len(report.problems)
    if not form.validate():
        for name, sentences in form.errors.items():
            note(name or "", " ".join(map(str, sentences)))
    plate = cells.get("license_plate", "")
    key = plate_key(plate)
    if key and key in seen:
        note("license_plate", f"Line {seen[key]} has the same plate.")
    elif key and any(plate_key(other) == key for other in taken):
        note("license_plate", "A vehicle in service has this plate.")
    seen.setdefault(key, line)
    if len(report.problems) > before:
        return
    facts = {name: value if value is not None else "" for name, value in form.values().items()}
    try:
        actions.check_registration(facts)
    except RuleBroken as error:
        for name, sentence in (error.fields or {"": error.sentence}).items():
            note(name, sentence)
        return
    report.good.append(facts)


def _category(typed: str) -> str:
    """Return the stored category for a code or for what people call it."""
    named = {name.casefold(): code for code, name in CATEGORIES.items()}
    return named.get(typed.casefold(), typed.upper())


def letter(index: int) -> str:
    """Return a column's letter as spreadsheets count: A, B, … Z, AA."""
    name = ""
    number = index + 1
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(65 + rest) + name
    return name
