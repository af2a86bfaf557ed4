"""Times as people type and read them: on the days when clocks change, over month ends, in two zones at once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karokar.kernel import clock
from tests.factories import booking as make
from tests.factories.booking import World, hours
from tests.factories.browsing import follow, send, text_of


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "stored", "shown"),
    [
        pytest.param(  # clocks jump from two to three: two hours on the clock are one
            ("2027-03-28T01:30", "2027-03-28T03:30"),
            ("2027-03-28 00:30", "2027-03-28 01:30"),
            ("28 Mar 2027, 01:30 CET", "28 Mar 2027, 03:30 CEST"),
            id="spring",
        ),
        pytest.param(  # clocks go back from three to two: two hours on the clock are three
            ("2027-10-31T01:30", "2027-10-31T03:30"),
            ("2027-10-30 23:30", "2027-10-31 02:30"),
            ("31 Oct 2027, 01:30 CEST", "31 Oct 2027, 03:30 CET"),
            id="autumn",
        ),
        pytest.param(
            ("2027-01-31T22:00", "2027-03-01T06:00"),
            ("2027-01-31 21:00", "2027-03-01 05:00"),
            ("31 Jan 2027, 22:00 CET", "1 Mar 2027, 06:00 CET"),
            id="month ends",
        ),
    ],
)
def test_what_is_typed_is_what_the_clocks_at_home_show(world: World, client: FlaskClient, typed, stored, shown) -> None:
    make.sign_in(client, world.company_admin)
    answer = send(client, f"/booking/new?vehicle_id={world.vehicle}", do="keep", start=typed[0], end=typed[1])
    page = follow(client, answer)
    made = make.booking(UUID(answer.location.rsplit("/", 1)[-1]))
    assert (made.start, made.end) == tuple(map(moment, stored))
    assert shown[0] in page
    assert shown[1] in page


def test_an_hour_that_the_clocks_leave_out_is_no_time(world: World, client: FlaskClient) -> None:
    make.sign_in(client, world.company_admin)
    url = f"/booking/new?vehicle_id={world.vehicle}"
    answer = send(client, url, do="keep", start="2027-03-28T02:30", end="2027-03-28T12:00")
    assert answer.status_code == 422
    page = text_of(answer)
    assert "There is no 02:30 on that day in Europe/Berlin: the clocks go forward. Choose another time." in page
    assert 'value="2027-03-28T02:30"' in answer.text, "what was typed is kept"


def test_an_hour_that_comes_twice_is_asked_for_and_kept_as_it_was_meant(world: World, client: FlaskClient) -> None:
    make.sign_in(client, world.company_admin)
    url = f"/booking/new?vehicle_id={world.vehicle}"
    typed = {"do": "keep", "start": "2027-10-31T02:30", "end": "2027-10-31T12:00"}
    asked = send(client, url, **typed)
    assert asked.status_code == 422
    assert "02:30 comes twice on that day: the clocks go back. Choose which one you mean." in text_of(asked)
    assert "02:30 CEST, before the clocks go back 02:30 CET, after the clocks went back" in text_of(asked)
    starts = {}
    for which in ("0", "1"):
        answer = send(client, url, **typed, start_which=which)
        starts[which] = make.booking(UUID(answer.location.rsplit("/", 1)[-1])).start
    assert starts == {"0": moment("2027-10-31 00:30"), "1": moment("2027-10-31 01:30")}
    # What is only looked at and saved again stays the hour that it was.
    edit = f"{answer.location}/edit"
    assert '<option value="1" selected>02:30 CET, after the clocks went back</option>' in client.get(edit).text
    assert send(client, edit, **typed, start_which="1", purpose="Later").status_code == 303
    assert make.booking(UUID(answer.location.rsplit("/", 1)[-1])).start == moment("2027-10-31 01:30")


def test_a_vehicle_in_another_zone_shows_the_clocks_there_as_well(world: World, client: FlaskClient) -> None:
    vehicle = make.vehicle(world.vendor, time_zone="Asia/Kolkata", city="Pune")
    made = world.requested(vehicle_id=vehicle)
    make.sign_in(client, world.company_admin)
    page = text_of(client.get(f"/booking/{made.id}"))
    assert "18 Nov 2026, 13:00 CET" in page
    assert "At the vehicle: 18 Nov 2026, 17:30 Kolkata time" in page


def test_irish_and_indian_time_on_one_page_are_told_apart(app: Flask, client: FlaskClient) -> None:
    world = make.make_world(time_zone="Europe/Dublin")
    vehicle = make.vehicle(world.vendor, time_zone="Asia/Kolkata", city="Pune")
    start = moment("2027-06-18 12:00")
    made = world.requested(vehicle_id=vehicle, start=start, end=start + hours(5))
    make.sign_in(client, world.vendor_admin)
    page = text_of(client.get(f"/booking/{made.id}"))
    assert "18 Jun 2027, 13:00 Dublin time" in page
    assert "At the vehicle: 18 Jun 2027, 17:30 Kolkata time" in page
    assert "IST" not in page


@pytest.fixture(params=["2027-03-28", "2027-10-31"])
def long_or_short_day(request: pytest.FixtureRequest) -> Iterator[datetime]:
    """Six in the morning, UTC, of a day with 23 or 25 hours."""
    at = moment(f"{request.param} 06:00")
    with clock.standing_at(at):
        yield at


def test_today_ends_at_midnight_of_the_place_even_when_the_day_is_longer(
    world: World, client: FlaskClient, long_or_short_day: datetime
) -> None:
    midnight = moment("2027-03-28 22:00" if long_or_short_day.month == 3 else "2027-10-31 23:00")
    before = _promised(world, midnight - timedelta(minutes=1))
    after = _promised(world, midnight)
    make.sign_in(client, world.vendor_admin)
    page = text_of(client.get("/booking/today"))
    assert before in page
    assert after not in page


def _promised(world: World, start: datetime) -> str:
    made = world.approved(vehicle_id=make.vehicle(world.vendor), start=start, end=start + hours(5))
    return str(made.reference)


def test_a_buffer_is_a_length_of_time_not_a_time_on_the_clock(app: Flask) -> None:
    world = make.make_world(buffer_minutes=60)
    made = world.approved(start=moment("2027-03-27 12:00"), end=moment("2027-03-28 00:30"))
    assert made.held_until == moment("2027-03-28 01:30")
