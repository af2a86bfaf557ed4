"""How people are told in which time zone a time is."""

from datetime import datetime

MISTAKEN = frozenset({"CDT", "CST", "IST", "PST"})
"""Abbreviations that stand for different times at different places: IST is Irish, Israel and India Standard Time."""


def zone_word(there: datetime) -> str:
    """Return what names the zone of a local time: "CET", or where that could be mistaken the place, "Kolkata time".

    A zone without an abbreviation is named by its offset: "UTC+3", "UTC+5:45".
    """
    name = there.tzname() or "UTC"
    if name[0] in "+-":
        hours, minutes = name[1:3].lstrip("0") or "0", name[3:5].replace("00", "")
        return f"UTC{name[0]}{hours}" + (f":{minutes}" if minutes else "")
    key: str = getattr(there.tzinfo, "key", "")
    if name not in MISTAKEN or not key:
        return name
    return key.rsplit("/", maxsplit=1)[-1].replace("_", " ") + " time"
