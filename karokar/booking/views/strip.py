"""A vehicle's time around one booking as a table of lanes: what holds it, what asks for it, and the request itself."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from karokar.booking.models import Booking
from karokar.fleet.queries import WindowFacts
from karokar.web.times import local_day, to_local

STEPS = (timedelta(hours=1), timedelta(hours=3), timedelta(hours=6), timedelta(hours=12), timedelta(days=1))
MOST_COLUMNS = 168


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
    """The table: its columns, the days above them, and its lanes."""

    columns: int
    days: Sequence[Cell]
    lanes: Sequence[Lane]


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
    """Return the table for `[first, last)`. Requests that overlap each other get a lane each."""
    step = next((one for one in STEPS if (last - first) / one <= MOST_COLUMNS), STEPS[-1])
    columns = max(1, -(-(last - first) // step))

    def column(at: datetime) -> int:
        return min(columns, max(0, round((at - first) / step)))

    held = [_Stretch(row.start, row.end, "kk-reserved", row.reference, row) for row in holders]
    held += [
        _Stretch(row.end, row.held_until, "kk-maintenance", "Turnaround")
        for row in (stretch.booking for stretch in held)
        if row is not None and row.held_until is not None and row.held_until > row.end
    ]
    held += [_Stretch(window.start, window.end, "kk-maintenance", window.kind_name) for window in windows]
    lanes = [Lane(_numbered("Held", number, held), cells) for number, cells in _laid_out(held, column, columns)]
    wanted = [_Stretch(row.start, row.end, "kk-requested", row.reference, row) for row in requests]
    lanes += [
        Lane(_numbered("Other requests", number, wanted), cells) for number, cells in _laid_out(wanted, column, columns)
    ]
    own = [_Stretch(booking.start, booking.end, "kk-allocated", f"This request, {booking.reference}", booking)]
    if held_until > booking.end:
        own.append(_Stretch(booking.end, held_until, "kk-maintenance", "Turnaround"))
    lanes += [Lane("This request", cells) for _, cells in _laid_out(own, column, columns)]
    return Strip(columns, _days(first, column, columns, last), lanes)


def _numbered(label: str, number: int, _stretches: Sequence[_Stretch]) -> str:
    return label if number == 0 else f"{label} ({number + 1})"


def _laid_out(
    stretches: Sequence[_Stretch], column: Callable[[datetime], int], columns: int
) -> list[tuple[int, list[Cell]]]:
    """Put stretches into as few lanes as they fit in, each a row of cells without gaps."""
    rows: list[list[Cell]] = []
    ends: list[int] = []
    for stretch in sorted(stretches, key=lambda one: one.start):
        start = column(stretch.start)
        end = max(column(stretch.end), start + 1)
        if start >= columns or column(stretch.end) <= 0:
            continue
        row = next((index for index, taken in enumerate(ends) if taken <= start), None)
        if row is None:
            rows.append([])
            ends.append(0)
            row = len(rows) - 1
        if start > ends[row]:
            rows[row].append(Cell(start - ends[row]))
        rows[row].append(Cell(min(end, columns) - start, stretch.kind, stretch.text, stretch.booking))
        ends[row] = min(end, columns)
    for cells, taken in zip(rows, ends, strict=True):
        if taken < columns:
            cells.append(Cell(columns - taken))
    return list(enumerate(rows or [[Cell(columns)]]))


def _days(first: datetime, column: Callable[[datetime], int], columns: int, last: datetime) -> list[Cell]:
    """Return the days above the columns, in the viewer's zone."""
    cells: list[Cell] = []
    at, done = first, 0
    while done < columns:
        local = to_local(at)
        midnight = at + (timedelta(days=1) - timedelta(hours=local.hour, minutes=local.minute, seconds=local.second))
        end = columns if midnight >= last else max(column(midnight), done)
        if end > done:
            is_wide = (end - done) * 16 >= columns
            month = f" {local:%b}" if local.day == 1 or not cells else ""
            cells.append(Cell(end - done, "", local_day(at), short=f"{local:%a} {local.day}{month}" if is_wide else ""))
            done = end
        at = midnight
    return cells
