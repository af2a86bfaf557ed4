"""What holds for vehicles, maintenance and odometers, without a database."""

from datetime import UTC, datetime, timedelta

import pytest

from karokar.fleet import rules
from karokar.fleet.rules import (
    VEHICLE_MACHINE,
    WINDOW_MACHINE,
    Reading,
    ReadingMark,
    VehicleStatus,
    WindowStatus,
)
from karokar.kernel.errors import RuleBroken, StateConflict

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def ends(machine):
    """Where each verb leads from each status, written out."""
    return {(row.source, row.verb): row.target for row in machine.rows}


VEHICLE_VERBS = sorted({row.verb for row in VEHICLE_MACHINE.rows})
WINDOW_VERBS = sorted({row.verb for row in WINDOW_MACHINE.rows})


@pytest.mark.parametrize("verb", VEHICLE_VERBS)
@pytest.mark.parametrize("status", list(VehicleStatus))
def test_a_vehicle_moves_only_as_the_table_says(status, verb):
    expected = ends(VEHICLE_MACHINE).get((status, verb))
    if expected is None:
        with pytest.raises(StateConflict) as refusal:
            VEHICLE_MACHINE.next(status, verb)
        assert refusal.value.code == "INVALID_VEHICLE_TRANSITION"
    else:
        assert VEHICLE_MACHINE.next(status, verb) is expected


@pytest.mark.parametrize("verb", WINDOW_VERBS)
@pytest.mark.parametrize("status", list(WindowStatus))
def test_a_maintenance_window_moves_only_as_the_table_says(status, verb):
    expected = ends(WINDOW_MACHINE).get((status, verb))
    if expected is None:
        with pytest.raises(StateConflict) as refusal:
            WINDOW_MACHINE.next(status, verb)
        assert refusal.value.code == "INVALID_MAINTENANCE_TRANSITION"
    else:
        assert WINDOW_MACHINE.next(status, verb) is expected


def test_nothing_leaves_the_last_states():
    assert not [row for row in VEHICLE_MACHINE.rows if row.source is VehicleStatus.RETIRED]
    assert not [row for row in WINDOW_MACHINE.rows if row.source in {WindowStatus.COMPLETED, WindowStatus.CANCELLED}]


@pytest.mark.parametrize(
    ("typed", "shown", "key"),
    [
        (" kk-a  1001 ", "KK-A 1001", "KKA1001"),
        ("ka 01 ab 1234", "KA 01 AB 1234", "KA01AB1234"),
        ("KA·01", "KA·01", "KA01"),
    ],
)
def test_two_spellings_of_one_plate_are_one_plate(typed, shown, key):
    assert rules.tidy_plate(typed) == shown
    assert rules.plate_key(typed) == key


@pytest.mark.parametrize("typed", ["", " ", "-", "A", "=1+1", "KK A 1001 AND MUCH MORE", "<b>"])
def test_what_is_no_plate_is_refused_at_its_field(typed):
    with pytest.raises(RuleBroken) as refusal:
        rules.tidy_plate(typed)
    assert set(refusal.value.fields) == {"license_plate"}


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"year": 1899}, "year"),
        ({"year": 2101}, "year"),
        ({"seats": 0}, "seats"),
        ({"seats": 101}, "seats"),
        ({"category": "SPACESHIP"}, "category"),
    ],
)
def test_facts_out_of_range_are_refused_at_their_field(facts, field):
    with pytest.raises(RuleBroken) as refusal:
        rules.check_facts(**{"year": 2024, "seats": 5, "category": "SALOON", **facts})
    assert set(refusal.value.fields) == {field}


@pytest.mark.parametrize("year", [1900, 2100])
def test_the_first_and_the_last_year_are_allowed(year):
    rules.check_facts(year=year, seats=1, category="VAN")


def test_a_window_ends_after_it_starts_and_lasts_a_year_at_most():
    rules.check_period(NOON, NOON + timedelta(minutes=1))
    with pytest.raises(RuleBroken):
        rules.check_period(NOON, NOON)
    with pytest.raises(RuleBroken):
        rules.check_period(NOON, NOON + timedelta(days=367))


def test_a_reading_that_goes_back_is_out_of_order():
    before = [Reading(10_000, NOON)]
    assert rules.judge_reading(9_999, NOON + timedelta(days=1), before) is ReadingMark.OUT_OF_ORDER


def test_a_late_noted_reading_is_judged_by_its_own_time():
    others = [Reading(10_000, NOON), Reading(10_400, NOON + timedelta(days=2))]
    assert rules.judge_reading(10_200, NOON + timedelta(days=1), others) is ReadingMark.NONE
    assert rules.judge_reading(10_500, NOON + timedelta(days=1), others) is ReadingMark.OUT_OF_ORDER


def test_a_reading_farther_than_anybody_drives_is_implausible():
    before = [Reading(10_000, NOON)]
    assert rules.judge_reading(12_000, NOON + timedelta(hours=24), before) is ReadingMark.NONE
    assert rules.judge_reading(100_000, NOON + timedelta(hours=24), before) is ReadingMark.IMPLAUSIBLE


def test_the_first_reading_has_nothing_to_contradict():
    assert rules.judge_reading(250_000, NOON, []) is ReadingMark.NONE
