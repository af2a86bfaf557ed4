"""Lists as files: CSV and Excel, exactly what the filters show, and no cell that a spreadsheet would run as a formula.

In an Excel file each cell has its type, so text is text and stays as it is. CSV knows no types: there, and only there,
text that a spreadsheet would take for a formula gets an apostrophe in front, which `plain` takes away again.

COLUMNS = (Column("Reference", lambda b: b.reference), Column("Start", lambda b: b.start))
return export("bookings", COLUMNS, rows, request.args.get("format", "csv"))
"""

import csv
import io
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import IO, Any

import xlsxwriter
from flask import Response, send_file
from werkzeug.wrappers import Response as BaseResponse

from karokar.kernel import clock
from karokar.web.shell.times import to_local, viewer_zone

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")
FORMATS = ("csv", "xlsx")
# What a spreadsheet's cell holds. What does not fit is text, never wrong and never missing without a sign.
_FIRST_YEAR = 1900
_LARGEST_NUMBER = 2**53
_LONGEST_TEXT = 32_767
Cell = str | int | float | datetime | date
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True)
class Column:
    """One column: its heading, and what it takes from a row."""

    heading: str
    of: Callable[[Any], Any]


def safe(text: str) -> str:
    """Return text that no spreadsheet takes for a formula when it opens a CSV file; `plain` gives it back."""
    return f"'{text}" if text.lstrip("'").startswith(_DANGEROUS) else text


def plain(text: str) -> str:
    """Return the text that `safe` was given."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_DANGEROUS) else text


def cell(value: Any) -> Cell:
    """Return a value as a cell holds it: numbers stay numbers, times are local to the viewer, the rest is text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return to_local(value) if value.tzinfo else value
    if isinstance(value, date):
        return value
    return str(value)


def export(name: str, columns: Sequence[Column], rows: Iterable[Any], format_: str = "csv") -> BaseResponse:
    """Return the rows as a file to download; an unknown format gives CSV. The heading of times names the zone."""
    stamp = to_local(clock.now()).strftime("%Y-%m-%d-%H%M")
    if format_ == "xlsx":
        file = tempfile.TemporaryFile(suffix=".xlsx")  # noqa: SIM115 - whoever sends it closes it
        write_xlsx(columns, rows, file)
        file.seek(0)
        return send_file(file, XLSX_TYPE, as_attachment=True, download_name=f"{name}-{stamp}.xlsx")
    # Written while the request lasts: what is read after it would be read as nobody in particular, in no zone.
    body = "".join(csv_lines(columns, rows))
    disposition = f'attachment; filename="{name}-{stamp}.csv"'
    return Response(body, mimetype="text/csv", headers={"Content-Disposition": disposition})


def csv_lines(columns: Sequence[Column], rows: Iterable[Any]) -> Iterator[str]:
    """Yield CSV line by line, with a mark that lets spreadsheets see the encoding."""
    yield csv_heading(columns)
    for row in rows:
        yield csv_line(columns, row)


def csv_heading(columns: Sequence[Column]) -> str:
    """Return the first line, with a mark that lets spreadsheets see the encoding."""
    return "\ufeff" + _line(safe(column.heading) for column in columns)


def csv_line(columns: Sequence[Column], row: Any) -> str:
    """Return a row as a line."""
    return _line(_csv_cell(column.of(row)) for column in columns)


def _line(cells: Iterable[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def _csv_cell(value: Any) -> str | int | float:
    made = cell(value)
    if isinstance(made, datetime):
        return made.strftime("%Y-%m-%d %H:%M")
    if isinstance(made, date):
        return made.isoformat()
    return safe(made) if isinstance(made, str) else made


def sheet_cells(columns: Sequence[Column], row: Any) -> list[Cell]:
    """Return a row's cells as a spreadsheet holds them."""
    return [cell(column.of(row)) for column in columns]


def packed(value: Cell) -> Any:
    """Return a cell as JSON holds it; `unpacked` gives it back."""
    if isinstance(value, datetime):
        return {"t": value.isoformat()}
    return {"d": value.isoformat()} if isinstance(value, date) else value


def unpacked(value: Any) -> Cell:
    """Return a cell that `packed` packed."""
    if not isinstance(value, dict):
        made: Cell = value
        return made
    return datetime.fromisoformat(value["t"]) if "t" in value else date.fromisoformat(value["d"])


def write_xlsx(columns: Sequence[Column], rows: Iterable[Any], target: IO[bytes], *, is_ready: bool = False) -> None:
    """Write the rows as an Excel file; `is_ready`: the columns give cells as `sheet_cells` makes them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.xlsx"
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "tmpdir": folder}
        with xlsxwriter.Workbook(path, options) as book:
            sheet = book.add_worksheet()
            bold = book.add_format({"bold": True})
            moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
            day = book.add_format({"num_format": "yyyy-mm-dd"})
            for index, column in enumerate(columns):
                sheet.write_string(0, index, column.heading, bold)
                sheet.set_column(index, index, max(12, len(column.heading) + 2))
            for number, row in enumerate(rows, start=1):
                for index, column in enumerate(columns):
                    value = column.of(row)
                    _write(sheet, number, index, value if is_ready else cell(value), moment=moment, day=day)
        with path.open("rb") as made:
            shutil.copyfileobj(made, target)


def _write(sheet: Any, row: int, column: int, value: Any, *, moment: Any, day: Any) -> None:
    if isinstance(value, date) and value.year < _FIRST_YEAR:
        sheet.write_string(row, column, value.isoformat())
    elif isinstance(value, datetime):
        sheet.write_datetime(row, column, value, moment)
    elif isinstance(value, date):
        sheet.write_datetime(row, column, datetime(value.year, value.month, value.day), day)  # noqa: DTZ001 - a day has no zone
    elif isinstance(value, int | float) and abs(value) <= _LARGEST_NUMBER:
        sheet.write_number(row, column, value)
    else:
        text = str(value)
        sheet.write_string(row, column, text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…")


def zone_note() -> str:
    """Return the sentence that says in which zone an export's times are."""
    return f"Times are in {viewer_zone().key}."
