"""The timeline's arithmetic: days of 23 and 25 hours, the ends of months, and lanes."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karokar.web.lists.grid import Grid

BERLIN, KOLKATA, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"), ZoneInfo("Australia/Lord_Howe")


@dataclass(frozen=True)
class Item:
    start: datetime
    end: datetime | None


def at(text, zone=BERLIN):
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("on", "zone", "hours"),
    [
        (date(2026, 3, 28), BERLIN, 24),
        (date(2026, 3, 29), BERLIN, 23),
        (date(2026, 10, 25), BERLIN, 25),
        (date(2026, 3, 29), KOLKATA, 24),
        (date(2026, 4, 5), LORD_HOWE, 24.5),
    ],
)
def test_a_day_has_as_many_columns_as_it_has_half_hours(on, zone, hours):
    grid = Grid.of("day", on, zone)
    assert grid.columns == hours * 2
    assert sum(heading.columns for heading in grid.headings(datetime.now(UTC))) == grid.columns  # noqa: TID251


@pytest.mark.parametrize(
    ("on", "days"), [(date(2026, 2, 10), 28), (date(2028, 2, 29), 29), (date(2026, 12, 31), 31), (date(2026, 4, 1), 30)]
)
def test_a_month_ends_where_it_ends(on, days):
    grid = Grid.of("month", on, KOLKATA)
    assert grid.days == days
    assert grid.first.day == 1
    assert (grid.first + timedelta(days=grid.days)).day == 1


def test_a_week_begins_on_the_day_asked_and_may_hold_a_short_day():
    grid = Grid.of("week", date(2026, 3, 23), BERLIN)
    assert grid.first == date(2026, 3, 23)
    assert grid.columns == 7 * 24 - 1
    widths = [heading.columns for heading in grid.headings(at("2026-03-29T12:00"))]
    assert widths == [24, 24, 24, 24, 24, 24, 23]
    assert [heading.is_now for heading in grid.headings(at("2026-03-29T12:00"))] == [False] * 6 + [True]


def test_a_bar_over_the_missing_hour_is_as_long_as_it_really_is():
    grid = Grid.of("day", date(2026, 3, 29), BERLIN)
    ((gap, bar, rest),) = grid.lanes([Item(at("2026-03-29T01:00"), at("2026-03-29T04:00"))])
    assert (gap.columns, bar.columns, rest.columns) == (2, 4, 40)
    assert rest.start == at("2026-03-29T04:00")


def test_a_bar_that_lasts_for_days_is_cut_at_the_edges():
    grid = Grid.of("day", date(2026, 5, 2), BERLIN)
    (cells,) = grid.lanes([Item(at("2026-04-28T10:00"), None)])
    assert [cell.columns for cell in cells] == [48]


def test_what_overlaps_gets_a_lane_of_its_own_and_what_touches_does_not():
    grid = Grid.of("day", date(2026, 5, 2), KOLKATA)
    first = Item(at("2026-05-02T08:00", KOLKATA), at("2026-05-02T10:00", KOLKATA))
    touching = Item(at("2026-05-02T10:00", KOLKATA), at("2026-05-02T12:00", KOLKATA))
    over = Item(at("2026-05-02T09:00", KOLKATA), at("2026-05-02T11:00", KOLKATA))
    lanes = grid.lanes([touching, over, first])
    assert [[cell.item for cell in lane if cell.item] for lane in lanes] == [[first, touching], [over]]


moments = st.floats(0, 230 * 24).map(lambda hours: datetime(2026, 3, 20, tzinfo=UTC) + timedelta(hours=hours))
items = st.builds(
    lambda start, hours: Item(start, None if hours is None else start + timedelta(hours=hours)),
    moments,
    st.one_of(st.none(), st.floats(0.1, 400)),
)


@given(
    st.sampled_from(["day", "week", "month"]),
    st.dates(date(2026, 3, 20), date(2026, 11, 5)),
    st.lists(items, max_size=8),
)
def test_every_lane_fills_the_table_exactly_and_shows_what_lies_in_it(span, on, found):
    grid = Grid.of(span, on, BERLIN)
    lanes = grid.lanes(found)
    assert all(sum(cell.columns for cell in lane) == grid.columns for lane in lanes)
    assert all(cell.columns > 0 for lane in lanes for cell in lane)
    shown = [cell.item for lane in lanes for cell in lane if cell.item]
    expected = [one for one in found if one.start < grid.end and (one.end is None or one.end > grid.start)]
    assert sorted(map(repr, shown)) == sorted(map(repr, expected))
