"""A hundred approvals of requests that exclude each other, at once, from twenty processes: one wins, the rest hear why."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import insert, select

from karokar.app import create_app
from karokar.booking import rules
from karokar.booking.models import Booking
from karokar.config import PROJECT, Config
from karokar.kernel.db import Base, db, transaction
from karokar.kernel.ids import new_id
from tests.factories import booking as make
from tests.factories.booking import NOON, hours

PROCESSES, REQUESTS = 20, 100
CLEAN = {"VEHICLE_NOT_AVAILABLE", "INVALID_BOOKING_TRANSITION"}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_of_a_hundred_simultaneous_approvals_exactly_one_wins(any_database_url: str, config: Config) -> None:
    app = create_app(replace(config, database_url=any_database_url))
    with app.app_context():
        world = make.make_world()
        wanted = _requests(world)
        db.session.remove()
        outcomes = _approve_all_at_once(any_database_url, str(config.data), world, wanted)
        assert outcomes.pop("approved") == 1
        assert set(outcomes) <= CLEAN
        assert sum(outcomes.values()) == REQUESTS - 1
        states = Counter(db.session.scalars(select(Booking.status)))
        assert states == {"APPROVED": 1, "REJECTED": REQUESTS - 1}
        told = Counter(db.session.scalars(select(Base.metadata.tables["events"].c.event_type)))
        assert (told["BookingApproved"], told["BookingRejected"]) == (1, REQUESTS - 1)
        db.session.remove()
        db.engine.dispose()


def _requests(world: make.World) -> list[str]:
    """Requests that all overlap each other, each a little later than the one before."""
    ids = []
    with transaction() as session:
        for number in range(REQUESTS):
            start = world.start + hours(number / 100)
            ids.append(new_id())
            session.execute(
                insert(Base.metadata.tables["bookings"]).values(
                    id=ids[-1], reference=rules.new_reference(), vehicle_id=world.vehicle, place="Berlin",
                    place_time_zone="Europe/Berlin", vendor_organization_id=world.vendor,
                    corporate_organization_id=world.company, requested_by=world.company_admin.user_id, round=0,
                    start=start, end=start + hours(10), status="REQUESTED", purpose="", note="", submitted_at=NOON,
                    created_at=NOON, updated_at=NOON, version=1, event_count=0,
                )
            )  # fmt: skip
    return [str(one) for one in ids]


def _approve_all_at_once(url: str, data: str, world: make.World, wanted: list[str]) -> Counter[str]:
    who = [str(world.vendor_admin.user_id), str(world.vendor), NOON.isoformat()]
    done = subprocess.run(
        [sys.executable, "-m", "tests.booking.approve_at_once", str(PROCESSES), url, data, *who, *wanted],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Counter(json.loads(done.stdout))
