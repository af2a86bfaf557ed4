"""A date that means a day is shown as that day, which still counts, on pages, in the history and in mails."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from karokar.identity import actions as identity
from karokar.identity import queries
from karokar.kernel import clock
from karokar.kernel.db import Base, transaction
from karokar.kernel.local.days import end_of_day, last_day
from karokar.notification.rules.texts import words
from tests.factories import booking as make
from tests.factories import people
from tests.factories.booking import NOON, World
from tests.factories.browsing import text_of

THE_LAST = datetime(2026, 12, 31, 23, 0, tzinfo=UTC)
"""The end of 31 December 2026 in Berlin, where the example is."""


@given(
    on=st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1)),
    zone=st.sampled_from(["Europe/Berlin", "Asia/Kolkata", "America/New_York", "Pacific/Apia", "UTC"]),
)
def test_the_day_that_was_typed_is_the_day_that_is_shown(on: date, zone: str) -> None:
    there = ZoneInfo(zone)
    if on != date(2011, 12, 30):  # a day that Apia left out
        assert last_day(end_of_day(on, there), there) == on


@pytest.fixture
def world(app: Flask) -> Iterator[World]:
    world = make.make_world()
    with clock.standing_at(NOON):
        for table in ("VEHICLE_REGISTRATION", "VEHICLE_INSURANCE", "VEHICLE_FITNESS"):
            make.verified("Vehicle", world.vehicle, world.vendor, table, expires_at=THE_LAST)
        verifications = Base.metadata.tables["verifications"]
        with transaction() as session:
            is_licence = verifications.c.kind == "DRIVING_LICENSE"
            session.execute(update(verifications).where(is_licence).values(expires_at=THE_LAST))
        yield world


def test_pages_show_the_last_day_of_a_document(world: World, client: FlaskClient) -> None:
    made = world.accepted()
    accepted = f"/booking/{made.id}"
    for who, pages in (
        (world.vendor_admin, (f"/fleet/{world.vehicle}", "/verification/", accepted, f"{accepted}/sheet")),
        (world.company_admin, (accepted, f"{accepted}/assign", "/verification/")),
        (world.employee, ("/verification/",)),
    ):
        make.sign_in(client, who)
        for page in pages:
            shown = text_of(client.get(page))
            assert "Thu 31 Dec 2026" in shown, (who.name, page)
            assert "1 Jan 2027" not in shown, (who.name, page)


@pytest.mark.parametrize(
    ("now", "left"),
    [
        (THE_LAST - timedelta(hours=1), "today is the last day"),
        (THE_LAST - timedelta(hours=25), "1 day left"),
        (THE_LAST - timedelta(days=12, hours=1), "12 days left"),
    ],
)
def test_the_matrix_of_documents_counts_days(world: World, client: FlaskClient, now: datetime, left: str) -> None:
    with clock.standing_at(now):
        make.sign_in(client, world.vendor_admin)
        assert left in text_of(client.get("/fleet/documents"))


def test_mails_name_the_last_day(world: World) -> None:
    data = {"kind": "DRIVING_LICENSE", "expiresAt": THE_LAST.isoformat(), "daysLeft": 7}
    for template in ("VerificationApproved", "VerificationExpiring", "VerificationExpired"):
        body = words(template, data, {}, "Europe/Berlin").body
        assert "Thu 31 Dec 2026" in body, template
        assert "1 Jan" not in body, template


def test_a_token_lives_to_the_end_of_its_last_day(app: Flask) -> None:
    company = people.make_vendor()
    with people.acting(company.admin) as actor:
        made = identity.create_token(name="Export", permissions=["vehicle.read"], days=30)
        token = next(one for one in queries.list_tokens(company.admin.user_id) if one.id == made.id)
        zone = ZoneInfo(actor.time_zone)
        assert token.expires_at.astimezone(zone).time().isoformat() == "00:00:00"
        assert last_day(token.expires_at, zone) == clock.now().astimezone(zone).date() + timedelta(days=30)
