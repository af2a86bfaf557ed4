"""Days, as documents and licences name them: the last one counts until its midnight, in a time zone."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """Return the zone by its name; UTC for one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def end_of_day(on: date, zone: ZoneInfo) -> datetime:
    """Return the moment at which a day is over in a zone, in UTC."""
    return datetime.combine(on + timedelta(days=1), time(), zone).astimezone(UTC)


def last_day(ends_at: datetime, zone: ZoneInfo) -> date:
    """Return the last day on which something still counts that ends at a moment (not included)."""
    return (ends_at - timedelta(microseconds=1)).astimezone(zone).date()


def day_in_words(on: date) -> str:
    """Return "Fri 20 Nov 2026"."""
    return f"{on.strftime('%a')} {on.day} {on.strftime('%b %Y')}"
