"""The zone of a time is named so that nobody takes it for another one."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest

from karokar.kernel.local.zones import MISTAKEN, zone_word


def words_of(zone: str) -> set[str]:
    return {zone_word(datetime(2026, month, 1, 12, tzinfo=UTC).astimezone(ZoneInfo(zone))) for month in (1, 7)}


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("Europe/Berlin", {"CET", "CEST"}),
        ("Europe/Dublin", {"GMT", "Dublin time"}),
        ("Asia/Kolkata", {"Kolkata time"}),
        ("Asia/Jerusalem", {"Jerusalem time", "IDT"}),
        ("America/Chicago", {"Chicago time"}),
        ("Asia/Shanghai", {"Shanghai time"}),
        ("America/Los_Angeles", {"Los Angeles time", "PDT"}),
        ("Europe/Istanbul", {"UTC+3"}),
        ("Asia/Kathmandu", {"UTC+5:45"}),
        ("America/Argentina/Buenos_Aires", {"UTC-3"}),
        ("UTC", {"UTC"}),
    ],
)
def test_a_zone_is_named_as_people_there_know_it_or_by_place_or_offset(zone, words):
    assert words_of(zone) == words


def test_no_word_means_two_different_times():
    meant: dict[str, set[object]] = {}
    for name in available_timezones():
        if name.startswith("Etc/"):
            continue
        for month in (1, 7):
            there = datetime(2026, month, 1, 12, tzinfo=UTC).astimezone(ZoneInfo(name))
            abbreviation = there.tzname() or ""
            if abbreviation[0] not in "+-":
                meant.setdefault(abbreviation, set()).add(there.utcoffset())
    assert {name for name, offsets in meant.items() if len(offsets) > 1} <= MISTAKEN
