"""Reading a CSV file into lines, and the report on what importing it would do."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from karokar.kernel.text import normal

MOST_ROWS = 5_000
MOST_BYTES = 2_000_000
"""A file is checked while its sender waits, so it stays small enough for that."""


class FileRefused(Exception):
    """It is no file of rows; the message is the sentence that says why and what to do."""


@dataclass(frozen=True)
class Heading:
    """A column that the file has or may have."""

    name: str
    is_optional: bool = False


@dataclass(frozen=True)
class Line:
    """One row of the file: the line on which it ends, and what stands under each heading."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Problem:
    """What is wrong in one cell; `column` is its letter as spreadsheets count, empty for the whole line."""

    line: int
    column: str
    heading: str
    value: str
    sentence: str

    @property
    def place(self) -> str:
        """The column in words, empty for the whole line."""
        return f"{self.column} ({self.heading})" if self.column else self.heading


@dataclass(frozen=True)
class Good:
    """A row that can be imported: its line, what people call it, and what the action takes."""

    line: Line
    label: str
    facts: Mapping[str, Any]


@dataclass
class Report:
    """What a file would do: the rows that are good, and every problem of the others."""

    lines: list[Line] = field(default_factory=list)
    letters: Mapping[str, str] = field(default_factory=dict)
    good: list[Good] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def bad_lines(self) -> dict[int, list[Problem]]:
        """The problems of each line that has any."""
        found: dict[int, list[Problem]] = {}
        for problem in self.problems:
            found.setdefault(problem.line, []).append(problem)
        return found

    def note(self, line: Line, heading: str, sentence: str) -> None:
        """Note what is wrong with a line under a heading; one that the file does not have means the whole line."""
        letter = self.letters.get(heading, "")
        self.problems.append(Problem(line.number, letter, heading, line.cells.get(heading, ""), sentence))


def text_of(data: bytes) -> str:
    """Return a file's text. Raises FileRefused for one that is empty, too large or no UTF-8 text."""
    if not data.strip():
        raise FileRefused("Choose a CSV file that has rows.")
    if len(data) > MOST_BYTES:
        raise FileRefused(f"The file is larger than {MOST_BYTES // 1_000_000} MB. Split it.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefused("The file is not UTF-8. Save it as “CSV UTF-8” and send it again.") from None
    if "\0" in text:
        raise FileRefused("This is no text file. Save the table as CSV and send it again.")
    return text


def read(text: str, headings: Sequence[Heading]) -> Report:
    """Return the file's lines, and what is wrong with its headings and their number of cells.

    Raises FileRefused for what is no CSV or has too many rows.
    """
    rows = _rows(text)
    if not rows:
        raise FileRefused("Choose a CSV file that has rows.")
    (first, header), *rest = rows
    if len(rest) > MOST_ROWS:
        raise FileRefused(f"The file has {len(rest):,} rows; one file may have {MOST_ROWS:,}. Split it into several.")
    names = [_name(cell) for cell in header]
    report = Report(letters={name: letter(index) for index, name in reversed(list(enumerate(names)))})
    known = {heading.name for heading in headings}
    head = Line(first, dict(zip(names, header, strict=True)))
    for index, name in enumerate(names):
        if name in names[:index]:
            report.problems.append(Problem(first, letter(index), name, header[index], "This heading is there twice."))
        elif name not in known:
            report.note(head, name, "This heading is not known.")
    for heading in headings:
        if heading.name not in names and not heading.is_optional:
            report.note(head, heading.name, "This column is missing.")
    if report.problems:
        return report
    for number, row in rest:
        line = Line(number, {name: normal(cell.strip()) for name, cell in zip(names, row, strict=False)})
        report.lines.append(line)
        if len(row) > len(names):
            report.note(line, "", f"This line has {len(row)} cells, the heading has {len(names)}.")
    return report


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Return (line number, cells) of each line that is not empty; cells are divided by comma, semicolon or tab."""
    first = text.lstrip("\r\n").split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    begun = 0
    rows: list[tuple[int, list[str]]] = []
    try:
        while True:
            begun = reader.line_num + 1
            row = next(reader)
            if any(cell.strip() for cell in row):
                rows.append((reader.line_num, row))
    except StopIteration:
        return rows
    except csv.Error as error:
        # A quotation mark that is never closed takes in the rest of the file: what is wrong is where it begins.
        raise FileRefused(_unreadable(begun, str(error))) from None


def _unreadable(line: int, error: str) -> str:
    if "unexpected end of data" in error:
        return f'Line {line} opens a quotation mark (") that nothing closes, so that the rest cannot be read. Close it.'
    if "expected after" in error:
        return f'Line {line} has a quotation mark (") within a cell. Write it twice, and the cell in such marks.'
    return f"Line {line} cannot be read as CSV: {error}."


def _name(heading: str) -> str:
    return "_".join(normal(heading).strip().lower().split())


def letter(index: int) -> str:
    """Return a column's letter as spreadsheets count: A, B, … Z, AA."""
    name = ""
    number = index + 1
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(65 + rest) + name
    return name
