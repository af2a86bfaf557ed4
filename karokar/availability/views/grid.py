"""The arithmetic of the timeline: from times to the columns of a table, in a zone with its daylight saving."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar
from zoneinfo import ZoneInfo

NARROWEST_LINK = 31
"""A link takes at least this part of the columns' width, which is 49 rem or more (`.kk-plan` in the stylesheet): 24
pixels and the line between two cells.
"""
STEPS = {"day": timedelta(minutes=30), "week": timedelta(hours=1), "month": timedelta(hours=3)}


class Placed(Protocol):
    """Something with a period; `end` is None while it is open."""

    @property
    def start(self) -> datetime: ...  # noqa: D102
    @property
    def end(self) -> datetime | None: ...  # noqa: D102


T = TypeVar("T", bound=Placed)


@dataclass(frozen=True)
class Heading:
    """A day (or an hour of one) above the columns that it covers."""

    label: str
    columns: int
    is_now: bool = False


@dataclass(frozen=True)
class Cell(Generic[T]):
    """A run of columns: something, or (None) a gap from `start` to `end`."""

    item: T | None
    columns: int
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Grid:
    """A span of local days in steps of equal length; a day has 23, 24 or 25 hours, and its columns accordingly."""

    span: str
    first: date
    days: int
    zone: ZoneInfo

    @classmethod
    def of(cls, span: str, on: date, zone: ZoneInfo) -> "Grid":
        """Return the grid of the day, of seven days from `on`, or of the month that `on` lies in."""
        if span == "day":
            return cls(span, on, 1, zone)
        if span == "month":
            first = on.replace(day=1)
            following = (first + timedelta(days=32)).replace(day=1)
            return cls(span, first, (following - first).days, zone)
        return cls("week", on, 7, zone)

    @property
    def step(self) -> timedelta:
        """The length of a column."""
        return STEPS[self.span]

    def begin_of(self, on: date) -> datetime:
        """Return the moment at which a local day begins."""
        return datetime.combine(on, time(), self.zone)

    @cached_property
    def start(self) -> datetime:
        """The moment at which the first column begins."""
        return self.begin_of(self.first)

    @cached_property
    def end(self) -> datetime:
        """The moment at which the last column is over."""
        return self.begin_of(self.first + timedelta(days=self.days))

    @cached_property
    def columns(self) -> int:
        """How many columns there are."""
        return self._column(self.end, up=True)

    def _column(self, moment: datetime, *, up: bool) -> int:
        # Seconds since the first column, in real time: local clocks jump, durations do not.
        seconds = moment.timestamp() - self.start.timestamp()
        whole, rest = divmod(seconds, self.step.total_seconds())
        return int(whole) + (1 if up and rest else 0)

    def fits_link(self, cell: "Cell[Any]") -> bool:
        """Whether a link that fills the cell can be met with a finger, on the narrowest screen too."""
        return cell.columns * NARROWEST_LINK >= self.columns

    def moment(self, column: int) -> datetime:
        """Return the moment at which a column begins."""
        seconds = self.start.timestamp() + column * self.step.total_seconds()
        return datetime.fromtimestamp(seconds, self.zone)

    def headings(self, now: datetime) -> list[Heading]:
        """Return the days (of one day: the hours) over the columns."""
        if self.span == "day":
            per_hour = int(timedelta(hours=1) / self.step)
            hours = range(0, self.columns, per_hour)
            return [
                Heading(
                    f"{self.moment(column):%H}",
                    min(per_hour, self.columns - column),
                    self._is_in(now, column, per_hour),
                )
                for column in hours
            ]
        found = []
        for number in range(self.days):
            on = self.first + timedelta(days=number)
            begin, end = (
                self._column(self.begin_of(on), up=False),
                self._column(self.begin_of(on + timedelta(days=1)), up=False),
            )
            month = f" {on:%b}" if number == 0 or on.day == 1 else ""
            label = f"{on:%a} {on.day}{month}" if self.span == "week" else str(on.day)
            found.append(Heading(label, end - begin, begin <= self._column(now, up=False) < end))
        return found

    def _is_in(self, now: datetime, column: int, width: int) -> bool:
        return column <= self._column(now, up=False) < column + width

    def lanes(self, items: Iterable[T]) -> list[list[Cell[T]]]:
        """Return the items in as few lanes as they need so that none covers another, with the gaps between them."""
        lanes: list[list[tuple[int, int, T]]] = []
        for item in sorted(items, key=lambda one: one.start):
            begin = max(0, self._column(item.start, up=False))
            end = self.columns if item.end is None else min(self.columns, self._column(item.end, up=True))
            if begin >= self.columns or end <= 0:
                continue
            end = max(end, begin + 1)
            for lane in lanes:
                if lane[-1][1] <= begin:
                    lane.append((begin, end, item))
                    break
            else:
                lanes.append([(begin, end, item)])
        return [self._filled(lane) for lane in lanes] or [self._filled([])]

    def _filled(self, lane: Sequence[tuple[int, int, T]]) -> list[Cell[T]]:
        cells: list[Cell[T]] = []
        at = 0
        for begin, end, item in lane:
            if begin > at:
                cells.append(Cell(None, begin - at, self.moment(at), self.moment(begin)))
            cells.append(Cell(item, end - begin, self.moment(begin), self.moment(end)))
            at = end
        if at < self.columns:
            cells.append(Cell(None, self.columns - at, self.moment(at), self.moment(self.columns)))
        return cells
