"""The first sheet of a workbook as rows of text. Runs in the process with limits only.

A cell becomes what a person would type: whole numbers without a decimal point, dates as 2026-03-04, and no line breaks,
so that each row of the sheet is one line.
"""

import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

LOCKED = "LOCKED"
UNREADABLE = "UNREADABLE"
TOO_LARGE = "TOO_LARGE"

MOST_UNPACKED = 200 * 1024 * 1024
MOST_COLUMNS = 200
MOST_LETTERS = 8 * 1024 * 1024
_MIDNIGHT = time()

ZIP_MARK = b"PK\x03\x04"
OLE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def is_workbook(head: bytes) -> bool:
    """Whether a file begins as the workbooks of Excel (new and old) and LibreOffice begin."""
    return head.startswith((ZIP_MARK, OLE_MARK))


def read(source: Path, _target: Path, *, most_rows: int) -> dict[str, Any]:
    """Return `rows`, a list of cells each, of the first sheet shown, up to `most_rows` and one more; or `refused`."""
    import python_calamine

    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            if sum(part.file_size for part in archive.infolist()) > MOST_UNPACKED:
                return {"refused": TOO_LARGE}
    elif _ENCRYPTED in source.read_bytes():
        return {"refused": LOCKED}
    try:
        with python_calamine.CalamineWorkbook.from_path(str(source)) as book:
            shown = next(index for index, sheet in enumerate(book.sheets_metadata) if _is_shown(sheet))
            sheet = book.get_sheet_by_index(shown)
            # Lines are counted from the first row of the sheet, as the spreadsheet shows them.
            found = sheet.to_python(skip_empty_area=False, nrows=most_rows + 2)
    except python_calamine.PasswordError:
        return {"refused": LOCKED}
    except (python_calamine.CalamineError, StopIteration, OSError, ValueError):
        return {"refused": UNREADABLE}
    rows = [[_text(value) for value in row] for row in found]
    while rows and not any(rows[-1]):
        rows.pop()
    width = max((at + 1 for row in rows for at, cell in enumerate(row) if cell), default=0)
    if width > MOST_COLUMNS or sum(len(cell) for row in rows for cell in row) > MOST_LETTERS:
        return {"refused": TOO_LARGE}
    return {"rows": [row[:width] for row in rows]}


def _is_shown(sheet: Any) -> bool:
    return str(sheet.visible).endswith("Visible") and str(sheet.typ).endswith("WorkSheet")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == _MIDNIGHT else value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.strftime("%H:%M")
    if isinstance(value, timedelta):
        minutes = round(value.total_seconds() / 60)
        return f"{minutes // 60}:{minutes % 60:02d}"
    return " ".join(str(value).split())
