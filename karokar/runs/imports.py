"""Reading CSV text into lines, and the report on what importing it would do."""

import csv
import io
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from karokar.kernel.text.normalization import is_of_a_word, normal
from karokar.runs.tables import MOST_ROWS, FileRefused
from karokar.web.lists.exports import plain

_DIVIDERS = ",;\t"


@dataclass(frozen=True)
class Heading:
    """A column that the file has or may have: the name of the form's field, what the console calls it, and what else
    it is called. A file may have any of these, in any case.
    """

    name: str
    label: str = ""
    is_optional: bool = False
    also: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """What people read."""
        return self.label or self.name


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
        return f"{self.column} ({self.heading})" if self.column and self.heading else self.column or self.heading


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
    titles: Mapping[str, str] = field(default_factory=dict)
    good: list[Good] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    has_headings: bool = True
    """Whether each column is known for what it is, so that cells can be checked."""

    @property
    def bad_lines(self) -> dict[int, list[Problem]]:
        """The problems of each line that has any."""
        found: dict[int, list[Problem]] = {}
        for problem in self.problems:
            found.setdefault(problem.line, []).append(problem)
        return found

    def note(self, line: Line, heading: str, sentence: str) -> None:
        """Note what is wrong with a line under a field's name; one that the file has not means the whole line."""
        letter, title = self.letters.get(heading, ""), self.titles.get(heading, heading)
        self.problems.append(Problem(line.number, letter, title, line.cells.get(heading, ""), sentence))

    def note_heading(self, number: int, at: int, heading: str, sentence: str) -> None:
        """Note what is wrong with the heading of a column; `at` counts columns from 0, -1 for one that is not there."""
        self.has_headings = False
        self.problems.append(
            Problem(number, letter(at) if at >= 0 else "", heading, heading if at >= 0 else "", sentence)
        )


def read(text: str, headings: Sequence[Heading], left_out: Collection[str] = ()) -> Report:
    """Return the file's lines, and what is wrong with its headings and their number of cells.

    `left_out` are headings that are known and not needed. A column without heading or cells is nothing. Raises
    FileRefused for what is no CSV or has too many rows.
    """
    rows = _rows(normal(text))
    if not rows:
        raise FileRefused("Choose a CSV file or a workbook that has rows.")
    (_, header), *rest = rows
    if len(rest) > MOST_ROWS:
        raise FileRefused(f"The file has more than {MOST_ROWS:,} rows. Split it into several.")
    report = Report()
    fields = _fields_of(report, rows, headings, left_out)
    report.letters = {name: letter(index) for index, name in reversed(fields.items())}
    report.titles = {heading.name: heading.shown for heading in headings}
    report.titles |= {name: header[index].strip() for index, name in reversed(fields.items())}
    for number, row in rest:
        cells = {name: plain(row[index].strip()).strip() for index, name in fields.items() if index < len(row)}
        line = Line(number, cells)
        report.lines.append(line)
        if any(cell.strip() for cell in row[len(header) :]):
            report.note(line, "", f"This line has {len(row)} cells, the heading has {len(header)}.")
    return report


def _fields_of(
    report: Report, rows: Sequence[tuple[int, list[str]]], headings: Sequence[Heading], left_out: Collection[str]
) -> dict[int, str]:
    """Return which column holds which field, and note what cannot be told."""
    (number, header), *rest = rows
    known = {_key(name): heading.name for heading in headings for name in (heading.name, heading.label, *heading.also)}
    ignored = {_key(name) for name in left_out} - set(known)
    fields: dict[int, str] = {}
    for index, typed in enumerate(header):
        title, key = typed.strip(), _key(typed)
        if key in known:
            if known[key] in fields.values():
                report.note_heading(number, index, title, "This heading is there twice.")
            fields[index] = known[key]
        elif key in ignored:
            report.left_out.append(title)
        elif not any(row[index].strip() for _, row in rest if index < len(row)):
            continue
        elif not title:
            report.note_heading(number, index, "", "This column has cells and no heading.")
        else:
            report.unknown.append(title)
            report.note_heading(number, index, title, "This heading is not known.")
    for heading in headings:
        if heading.name not in fields.values() and not heading.is_optional:
            report.missing.append(heading.shown)
            report.note_heading(number, -1, heading.shown, "This column is missing.")
    return fields


def _key(heading: str) -> str:
    """Return what two spellings of a heading have in common: its letters and digits."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", heading).casefold() if is_of_a_word(sign))


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Return (line number, cells) of each line that is not empty; cells are divided by comma, semicolon or tab."""
    lines = iter(text.lstrip("\r\n").splitlines())
    first, named = next(lines, ""), ""
    if first.lower().startswith("sep=") and first[4:5] in _DIVIDERS:
        # Excel writes and reads this line; it is no row.
        named = first[4:5]
    divider = named or max(_DIVIDERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=divider, strict=True)
    begun = 0
    rows: list[tuple[int, list[str]]] = []
    try:
        while True:
            begun = reader.line_num + 1
            row = next(reader)
            if any(cell.strip() for cell in row):
                rows.append((reader.line_num, row))
    except StopIteration:
        return rows[1:] if named else rows
    except csv.Error as error:
        # A quotation mark that is never closed takes in the rest of the file: what is wrong is where it begins.
        raise FileRefused(_unreadable(begun, str(error))) from None


def _unreadable(line: int, error: str) -> str:
    if "unexpected end of data" in error:
        return f'Line {line} opens a quotation mark (") that nothing closes, so that the rest cannot be read. Close it.'
    if "expected after" in error:
        return f'Line {line} has a quotation mark (") within a cell. Write it twice, and the cell in such marks.'
    return f"Line {line} cannot be read as CSV: {error}."


def letter(index: int) -> str:
    """Return a column's letter as spreadsheets count: A, B, … Z, AA."""
    name = ""
    number = index + 1
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(65 + rest) + name
    return name
