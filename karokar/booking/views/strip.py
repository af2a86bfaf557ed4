"""A vehicle's time around one booking as a table of lanes: what holds it, what asks for it, and the request itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from karokar.booking.models import Booking
from karokar.fleet.facts import WindowFacts
from karokar.web.lists.grid import Grid
from karokar.web.shell.times import local_day, viewer_zone

MOST_COLUMNS = 168
MOST_DAYS = 62
"""A longer time is shown as an extract: its first days."""


@dataclass(frozen=True)
class Cell:
    """A stretch of a lane: `span` columns wide, `kind` as its class ("" is empty), its words (`short`: a day's)."""

    span: int
    kind: str = ""
    text: str = ""
    booking: Booking | None = None
    short: str = ""


@dataclass(frozen=True)
class Lane:
    """A row of the table."""

    label: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Strip:
    """The table: its columns, the days above them, its lanes; `is_extract`: there is more than it shows."""

    columns: int
    days: Sequence[Cell]
    lanes: Sequence[Lane]
    is_extract: bool


@dataclass(frozen=True)
class _Stretch:
    start: datetime
    end: datetime
    kind: str
    text: str
    booking: Booking | None = None


def make_strip(
    booking: Booking,
    held_until: datetime,
    *,
    holders: Iterable[Booking],
    requests: Iterable[Booking],
    windows: Iterable[WindowFacts],
    first: datetime,
    last: datetime,
) -> Strip:
    """Return the table for the viewer's days in `[first, last)`. Requests that overlap each other get a lane each."""
    grid = Grid.around(first, last, viewer_zone(), most_days=MOST_DAYS, most_columns=MOST_COLUMNS)
    held = [_Stretch(row.start, row.end, "kk-reserved", row.reference, row) for row in holders]
    held += [
        _Stretch(row.end, row.held_until, "kk-maintenance", "Turnaround")
        for row in (stretch.booking for stretch in held)
        if row is not None and row.held_until is not None and row.held_until > row.end
    ]
    held += [_Stretch(window.start, window.end, "kk-maintenance", window.kind_name) for window in windows]
    wanted = [_Stretch(row.start, row.end, "kk-requested", row.reference, row) for row in requests]
    own = [_Stretch(booking.start, booking.end, "kk-allocated", f"This request, {booking.reference}", booking)]
    if held_until > booking.end:
        own.append(_Stretch(booking.end, held_until, "kk-maintenance", "Turnaround"))
    lanes = [
        Lane(label if number == 0 else f"{label} ({number + 1})", cells)
        for label, stretches in (("Held", held), ("Other requests", wanted))
        for number, cells in enumerate(_laid_out(grid, stretches))
    ]
    lanes += [Lane("This request", cells) for cells in _laid_out(grid, own)]
    return Strip(grid.columns, _days(grid), lanes, is_extract=grid.end < last)


def _laid_out(grid: Grid, stretches: Sequence[_Stretch]) -> list[list[Cell]]:
    """Put stretches into as few lanes as they fit in, each a row of cells without gaps."""
    return [
        [
            Cell(cell.columns, cell.item.kind, cell.item.text, cell.item.booking) if cell.item else Cell(cell.columns)
            for cell in lane
        ]
        for lane in grid.lanes(stretches)
    ]


def _days(grid: Grid) -> list[Cell]:
    """Return the days above the columns, in the viewer's zone."""
    found = []
    for number, (on, width) in enumerate(grid.days_over_columns()):
        month = f" {on:%b}" if on.day == 1 or number == 0 else ""
        short = f"{on:%a} {on.day}{month}" if width * 16 >= grid.columns else ""
        if not short and width * 31 >= grid.columns:
            short = str(on.day)
        found.append(Cell(width, "", local_day(on), short=short))
    return found
