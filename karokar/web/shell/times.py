"""Times as people read them: in the acting organization's zone, with the zone named."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.local.days import day_in_words, last_day, zone_of
from karokar.kernel.local.zones import zone_word

FIRST_YEAR, LAST_YEAR = 1900, 2199
"""What people can type as a time."""

NO_MOMENT = "This is no time that can be understood. Write it like 2026-11-20T14:30."


def viewer_zone() -> ZoneInfo:
    """Return the zone in which the acting person reads times."""
    return zone_of(current_actor().time_zone or "UTC")


def iso(at: datetime) -> str:
    """Return the moment in UTC as machines read it."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def local_time(at: datetime, zone: str | None = None, seconds: bool = False) -> str:  # noqa: FBT001, FBT002 - a template filter
    """Return "20 Nov 2026, 14:30 CET" in the zone given, else in the viewer's."""
    there = _there(at, zone_of(zone) if zone else viewer_zone())
    return f"{there.day} {there.strftime('%b %Y, %H:%M:%S' if seconds else '%b %Y, %H:%M')} {zone_word(there)}"


def _there(at: datetime, zone: ZoneInfo) -> datetime:
    try:
        return at.astimezone(zone)
    except OverflowError:
        # At the very ends of the calendar some zones have no such day; somebody typed it as text once.
        return at


def local_day(on: date) -> str:
    """Return "Fri 20 Nov 2026"; a moment is taken in the viewer's zone."""
    if isinstance(on, datetime):
        on = _there(on, viewer_zone()).date()
    return day_in_words(on)


def last_local_day(ends_at: datetime, zone: str | None = None) -> date:
    """Return the last day on which a document counts that ends at a moment, in the zone given, else the viewer's."""
    return last_day(ends_at, zone_of(zone) if zone else viewer_zone())


def days_left(ends_at: datetime, zone: str | None = None) -> str:
    """Return "12 days left", "1 day left", or that today is the last day."""
    there = zone_of(zone) if zone else viewer_zone()
    days = (last_day(ends_at, there) - clock.now().astimezone(there).date()).days
    return "today is the last day" if days <= 0 else f"{_some(days, 'day')} left"


_STEPS = ((60, 1, "second"), (3600, 60, "minute"), (86400, 3600, "hour"), (86400 * 45, 86400, "day"))


def time_ago(at: datetime) -> str:
    """Return "3 hours ago" or "in 2 days", as it is now."""
    seconds = int((clock.now() - at).total_seconds())
    distance = abs(seconds)
    if distance < 10:
        return "just now"
    for limit, unit, word in _STEPS:
        if distance < limit:
            text = _some(distance // unit, word)
            break
    else:
        text = _some(distance // (86400 * 30), "month")
    return f"{text} ago" if seconds > 0 else f"in {text}"


def duration(seconds: float) -> str:
    """Return "2 h 05 min" or "3 days 4 h" for a length of time."""
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest:02d} min"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h"


def _some(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def start_of_day(on: date, zone: ZoneInfo | None = None) -> datetime:
    """Return the moment at which a day begins in the viewer's zone, in UTC. Raises ValueError as `from_local`."""
    _expect_a_year_of_ours(on)
    return datetime.combine(on, time(), zone or viewer_zone()).astimezone(UTC)


def end_of_day(on: date, zone: ZoneInfo | None = None) -> datetime:
    """Return the moment at which the next day begins in the viewer's zone, in UTC."""
    return start_of_day(on + timedelta(days=1), zone)


def comes_twice(value: datetime, zone: ZoneInfo | None = None) -> bool:
    """Whether the clocks of the viewer's zone show this local time twice: they are put back over it in autumn."""
    first, second = (value.replace(tzinfo=zone or viewer_zone(), fold=fold).utcoffset() for fold in (0, 1))
    return first is not None and second is not None and first > second


def from_local(value: datetime, zone: ZoneInfo | None = None, *, is_second: bool = False) -> datetime:
    """Return the moment that somebody typed as local time ("2026-11-20T14:30") in the viewer's zone, in UTC.

    An hour that comes twice in autumn is taken as the first one unless `is_second`. Raises ValueError for one that is
    left out in spring, and for a year that no calendar of ours reaches.
    """
    _expect_a_year_of_ours(value)
    zone = zone or viewer_zone()
    moment = value.replace(tzinfo=zone, fold=int(is_second)).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != value:
        message = f"There is no {value:%H:%M} on that day in {zone.key}: the clocks go forward. Choose another time."
        raise ValueError(message)
    return moment


def read_moment(text: str) -> datetime:
    """Return the moment that a text tells, in UTC: ISO with its zone, or local to the viewer.

    Raises ValueError for anything else, and for a year that no calendar of ours reaches.
    """
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        return from_local(value)
    _expect_a_year_of_ours(value)
    return value.astimezone(UTC)


def read_day(text: str) -> date:
    """Return the day that a text tells. Raises ValueError for anything else, and for a year that no calendar of ours
    reaches.
    """
    value = date.fromisoformat(text)
    _expect_a_year_of_ours(value)
    return value


def _expect_a_year_of_ours(value: date) -> None:
    # At the ends of the calendar a shift of zone, a buffer or a day added would leave it.
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        message = f"Choose a year from {FIRST_YEAR} to {LAST_YEAR}."
        raise ValueError(message)


def to_local(at: datetime, zone: ZoneInfo | None = None) -> datetime:
    """Return a moment as the local time that a form field shows."""
    return at.astimezone(zone or viewer_zone()).replace(tzinfo=None)
