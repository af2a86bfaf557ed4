"""The days over a vehicle's time on the decision page are the viewer's days, also where the clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from karokar.kernel import clock
from karokar.web.lists.grid import Grid
from tests.factories import booking as make
from tests.factories.booking import World

BERLIN, SYDNEY = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Sydney")


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "days", "zone"),
    [
        (at("2027-03-27T08:00"), 3, BERLIN),
        (at("2027-10-30T08:00"), 3, BERLIN),
        (at("2027-03-20T08:00"), 20, BERLIN),
        (at("2027-10-20T08:00"), 60, BERLIN),
        (at("2027-04-01T08:00", SYDNEY), 9, SYDNEY),
    ],
)
def test_every_day_begins_at_its_midnight(start: datetime, days: int, zone: ZoneInfo) -> None:
    grid = Grid.around(start, start + timedelta(days=days), zone, most_days=62, most_columns=168)
    column = 0
    for on, width in grid.days_over_columns():
        begins = grid.moment(column).astimezone(zone)
        assert (begins.date(), begins.hour, begins.minute) == (on, 0, 0)
        column += width
    assert column == grid.columns


def test_the_decision_page_names_each_day_once_and_as_wide_as_it_is(world: World, client: FlaskClient) -> None:
    made = world.requested(start=at("2027-03-28T08:00"), end=at("2027-03-28T18:00"))
    with clock.standing_at(make.NOON):
        make.sign_in(client, world.vendor_admin)
        page = client.get(f"/booking/{made.id}/decide").text
    for day, hours in (("Sat 27 Mar 2027", 24), ("Sun 28 Mar 2027", 23), ("Mon 29 Mar 2027", 24)):
        assert page.count(f'colspan="{hours}" title="{day}"') == 1
    # 08:00 in summer time is seven hours after midnight on the day on which two o'clock is left out.
    assert '<td colspan="31"></td><td colspan="10" class="kk-allocated">' in page
