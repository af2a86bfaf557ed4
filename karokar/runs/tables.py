"""What people call a table, as CSV text: a CSV file in any encoding that spreadsheets write, or a workbook."""

import codecs
import csv
import io
import unicodedata
from dataclasses import dataclass

from karokar.files import bounded, scanner
from karokar.files.formats import workbook
from karokar.files.incoming import receive
from karokar.web.lists.exports import safe

MOST_ROWS = 5_000
MOST_BYTES = 2_000_000
"""A file is checked while its sender waits, so it stays small enough for that."""

AS_CSV = "Save the table as “CSV UTF-8” and upload that file."
_TOO_LARGE = f"The file is larger than {MOST_BYTES // 1_000_000} MB. Split it."
_NO_TABLE = f"This file is neither CSV nor a workbook. {AS_CSV}"
_WORKBOOKS = {
    workbook.LOCKED: "This workbook asks for a password. Save a copy without a password and upload that.",
    workbook.TOO_LARGE: f"This workbook is too large to be read here. {AS_CSV}",
    workbook.UNREADABLE: f"This workbook can't be read. {AS_CSV}",
}
_SCANNED = {
    scanner.INFECTED: "This file contains malware and was not kept.",
    scanner.UNREACHABLE: "Files can't be checked for malware at the moment. Try again in a few minutes.",
}
_LAYOUT = frozenset("\t\n\r\f\v")


class FileRefused(Exception):
    """It is no file of rows; the message is the sentence that says why and what to do."""


@dataclass(frozen=True)
class Table:
    """A file's rows as CSV text, and a sentence on how it was read where that may have been wrong."""

    text: str
    note: str = ""


def table_of(data: bytes) -> Table:
    """Return what a file holds, as CSV text.

    Raises FileRefused for one that is empty, too large, or neither text nor a workbook.
    """
    if not data.strip():
        raise FileRefused("Choose a CSV file or a workbook that has rows.")
    if len(data) > MOST_BYTES:
        raise FileRefused(_TOO_LARGE)
    with receive(io.BytesIO(data), MOST_BYTES) as file:
        if refusal := scanner.scan(file.path):
            raise FileRefused(_SCANNED[refusal])
    if workbook.is_workbook(data):
        return Table(_from_workbook(data))
    table = _decoded(data)
    if any(unicodedata.category(letter) == "Cc" and letter not in _LAYOUT for letter in set(table.text)):
        raise FileRefused(_NO_TABLE)
    return table


def _decoded(data: bytes) -> Table:
    """Return text in the encoding that its first bytes name, else UTF-8, else that of Windows in western Europe."""
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return Table(data.decode("utf-16"))
        with_mark = data.startswith(codecs.BOM_UTF8)
        return Table(data.decode("utf-8-sig" if with_mark else "utf-8"))
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        raise FileRefused(f"The file's letters can't be read. {AS_CSV}") from None
    return Table(
        text, f"The file was read as Windows-1252. If letters are wrong below, go back. {AS_CSV.split(' and ', 1)[0]}."
    )


def _from_workbook(data: bytes) -> str:
    try:
        with receive(io.BytesIO(data), MOST_BYTES) as file:
            found = bounded.run("workbook", file.path, most_rows=MOST_ROWS)
    except bounded.LimitReached:
        raise FileRefused(_WORKBOOKS[workbook.TOO_LARGE]) from None
    except bounded.TooBusy:
        raise FileRefused("Too many files are being read at the moment. Upload this one again in a minute.") from None
    if "refused" in found:
        raise FileRefused(_WORKBOOKS[found["refused"]])
    if not found["rows"]:
        raise FileRefused("The first sheet of this workbook is empty. Put the rows there.")
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in found["rows"]:
        # A line of its own for every row of the sheet: an empty one, too, so that lines are counted as it shows them.
        writer.writerow([safe(cell) for cell in row] if any(row) else [])
    return buffer.getvalue()
