"""Countries by their ISO 3166 codes, as the time zone database lists them."""

from functools import cache
from importlib.resources import files

_ZONES = files("tzdata") / "zoneinfo"


def _rows(name: str) -> list[list[str]]:
    lines = (_ZONES / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


@cache
def countries() -> dict[str, str]:
    """Return the name of each country by its code of two letters, in the order of names."""
    return dict(sorted(((row[0], row[1]) for row in _rows("iso3166.tab")), key=lambda pair: pair[1]))


@cache
def _by_zone() -> dict[str, str]:
    return {row[2]: row[0] for row in _rows("zone.tab")}


def country_of(time_zone: str) -> str:
    """Return the code of the country in which a time zone lies; "" for one that belongs to none, such as UTC."""
    return _by_zone().get(time_zone, "")
