"""The arithmetic of calendars: from times to the columns of a table, in a zone with its daylight saving."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import accumulate, pairwise
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
    """A span of local days in columns of `step` each.

    Each day begins with a column of its own, whether it has 23, 24 or 25 hours; where they are no multiple of the step,
    the day's last column is a little shorter or longer.
    """

    span: str
    first: date
    days: int
    zone: ZoneInfo
    step: timedelta

    @classmethod
    def of(cls, span: str, on: date, zone: ZoneInfo) -> "Grid":
        """Return the grid of the day, of seven days from `on`, or of the month that `on` lies in."""
        step = STEPS[span]
        if span == "day":
            return cls(span, on, 1, zone, step)
        if span == "month":
            first = on.replace(day=1)
            following = (first + timedelta(days=32)).replace(day=1)
            return cls(span, first, (following - first).days, zone, step)
        return cls("week", on, 7, zone, step)

    @classmethod
    def around(cls, start: datetime, end: datetime, zone: ZoneInfo, *, most_days: int, most_columns: int) -> "Grid":
        """Return the grid of the local days that `[start, end)` touches, the first `most_days` of them, in steps of as
        few hours as `most_columns` allow.
        """
        first = start.astimezone(zone).date()
        last = (end - timedelta(microseconds=1)).astimezone(zone).date()
        days = min(max((last - first).days + 1, 1), most_days)
        hours = next((hours for hours in (1, 3, 6, 12) if days * 24 / hours <= most_columns), 24)
        return cls("around", first, days, zone, timedelta(hours=hours))

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
    def begins(self) -> list[float]:
        """The moments (seconds since 1970) at which the days begin, and the last one ends."""
        return [self.begin_of(self.first + timedelta(days=number)).timestamp() for number in range(self.days + 1)]

    @cached_property
    def offsets(self) -> list[int]:
        """The columns with which the days begin, and how many columns there are."""
        # In real time: local clocks jump, durations do not.
        lengths = [end - begin for begin, end in pairwise(self.begins)]
        return [0, *accumulate(max(1, round(length / self.step.total_seconds())) for length in lengths)]

    @cached_property
    def columns(self) -> int:
        """How many columns there are."""
        return self.offsets[-1]

    def _column(self, moment: datetime, *, up: bool) -> int:
        at = moment.timestamp()
        day = bisect_right(self.begins, at) - 1
        if day < 0:
            return -1
        if day >= self.days:
            return self.columns + (at > self.begins[-1])
        whole, rest = divmod(at - self.begins[day], self.step.total_seconds())
        first, following = self.offsets[day], self.offsets[day + 1]
        return min(first + int(whole) + (1 if up and rest else 0), following if up else following - 1)

    def fits_link(self, cell: "Cell[Any]") -> bool:
        """Whether a link that fills the cell can be met with a finger, on the narrowest screen too."""
        return cell.columns * NARROWEST_LINK >= self.columns

    def moment(self, column: int) -> datetime:
        """Return the moment at which a column begins."""
        day = min(bisect_right(self.offsets, column) - 1, self.days)
        seconds = self.begins[day] + (column - self.offsets[day]) * self.step.total_seconds()
        return datetime.fromtimestamp(seconds, self.zone)

    def days_over_columns(self) -> list[tuple[date, int]]:
        """Return each day with the number of its columns."""
        widths = [end - begin for begin, end in pairwise(self.offsets)]
        return [(self.first + timedelta(days=number), width) for number, width in enumerate(widths)]

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
        for number, (on, width) in enumerate(self.days_over_columns()):
            month = f" {on:%b}" if number == 0 or on.day == 1 else ""
            label = f"{on:%a} {on.day}{month}" if self.span == "week" else str(on.day)
            found.append(Heading(label, width, self._is_in(now, self.offsets[number], width)))
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
