"""How long the market's search takes at the server: 10,000 vehicles, 200,000 blocks, PostgreSQL.

    .venv/bin/python -m bench.search                      # a PostgreSQL of its own, as the tests have one
    .venv/bin/python -m bench.search --sqlite             # the embedded database
    .venv/bin/python -m bench.search --vehicles 1000 --blocks 20000 --runs 50

Measured is the whole answer of `search_market` (everything but the HTML): which vehicles are busy, whose documents run
out, one page of what is free, how many there are, and why the first of the others are not. The data is made by a seed.
"""

import argparse
import os
import random
import statistics
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import insert, text

from karokar.availability.views.market import Wish, search_market
from karokar.fleet.rules import city_key
from karokar.kernel import clock
from karokar.kernel.actor import Actor
from karokar.kernel.db import Base, db, transaction
from karokar.kernel.ids import new_id
from karokar.organization import queries as organizations
from tests.servers import keeper
from tests.servers.databases import Databases

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
"""The blocks lie in the year before and the year after this."""
CITIES = ("Bengaluru", "Chennai", "Delhi", "Hyderabad", "Kolkata", "Mumbai", "Mysuru", "Pune")
CATEGORIES = ("SMALL", "COMPACT", "SALOON", "ESTATE", "SUV", "VAN", "MINIBUS", "PICKUP")
VENDORS = 40


def fill(vehicles: int, blocks: int, seed: int) -> Actor:
    """Write vendors, a company, vehicles with documents, and blocks over two years around the asked weeks."""
    draw = random.Random(seed)
    tables = Base.metadata.tables
    meta = {"created_at": NOW, "updated_at": NOW, "version": 1, "event_count": 1}
    organizations = [
        {
            **meta, "id": new_id(), "name": f"Vendor {number}", "type": "VENDOR", "status": "ACTIVE", "metadata": {},
            "time_zone": "Asia/Kolkata", "buffer_minutes": draw.choice((0, 30, 60)), "reminders": True,
            "applied_at": NOW,
        }
        for number in range(VENDORS)
    ]  # fmt: skip
    company = {**organizations[0], "id": new_id(), "name": "Company", "type": "CORPORATE"}
    rows, documents, periods = [], [], []
    for number in range(vehicles):
        city, owner = draw.choice(CITIES), draw.choice(organizations)
        vehicle_id = new_id()
        rows.append(
            {
                **meta, "id": vehicle_id, "organization_id": owner["id"], "ownership_type": "VENDOR_OWNED",
                "make": draw.choice(("Tata", "Maruti", "Hyundai", "Kia", "Mahindra")), "model": f"Model {number % 30}",
                "year": 2024, "license_plate": f"KA {number:06d}", "plate_key": f"KA{number:06d}",
                "category": draw.choice(CATEGORIES), "seats": draw.choice((4, 5, 5, 7, 9)), "city": city,
                "city_key": city_key(city), "search_key": f"model {number % 30} ka {number:06d}", "address": "", "time_zone": "Asia/Kolkata", "odometer": 1,
                "status": "ACTIVE", "suspension_reason": "", "suspension_note": "",
            }
        )  # fmt: skip
        documents += [
            {
                **meta, "id": new_id(), "entity_type": "Vehicle", "entity_id": vehicle_id,
                "organization_id": owner["id"], "kind": kind, "status": "APPROVED", "method": "MANUAL",
                "requested_at": NOW, "expires_at": clock.now() + timedelta(days=draw.randrange(1, 700)),
            }
            for kind in ("VEHICLE_REGISTRATION", "VEHICLE_INSURANCE", "VEHICLE_FITNESS")
        ]  # fmt: skip
    for number in range(blocks):
        row = rows[number % vehicles]
        start = NOW + timedelta(hours=draw.randrange(-24 * 365, 24 * 365))
        end = start + timedelta(hours=draw.randrange(4, 24 * 7))
        periods.append(
            {
                "id": new_id(), "vehicle_id": row["id"], "organization_id": row["organization_id"],
                "corporate_organization_id": company["id"], "kind": draw.choice(("RESERVED", "RESERVED", "MAINTENANCE")),
                "start": start, "end": end, "source_type": "Booking",
                "source_id": new_id(), "source_event_id": new_id(), "source_seq": 1, "applied_seq": 1,
                "released_at": None if end > clock.now() else end,
            }
        )  # fmt: skip
    with transaction() as session:
        for name, data in (
            ("organizations", [*organizations, company]),
            ("vehicles", rows),
            ("verifications", documents),
            ("availability_blocks", periods),
        ):
            for at in range(0, len(data), 5000):
                session.execute(insert(tables[name]), data[at : at + 5000])
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("analyze"))
    return Actor(
        user_id=new_id(), organization_id=UUID(str(company["id"])), organization_type="CORPORATE",
        organization_status="ACTIVE", time_zone="Asia/Kolkata",
    )  # fmt: skip


def wishes(draw: random.Random, runs: int) -> list[Wish]:
    """What people ask for: half a day to ten days, mostly in a city, sometimes with more."""
    found = []
    for _ in range(runs):
        start = clock.now() + timedelta(hours=draw.randrange(1, 24 * 90))
        found.append(
            Wish(
                start=start,
                end=start + timedelta(hours=draw.choice((12, 24, 48, 72, 240))),
                city=draw.choice((*CITIES, "")),
                category=draw.choice(("", "", *CATEGORIES)),
                seats=draw.choice((None, None, 5, 7)),
                text=draw.choice(("", "", "", "tata")),
            )
        )
    return found


def measure(actor: Actor, runs: int, seed: int) -> tuple[list[float], float]:
    """Return the milliseconds of each search, warmed up, and those that this process itself worked for one."""
    taken = []
    used = 0.0
    for number, wish in enumerate(wishes(random.Random(seed + 1), runs + 5)):
        db.session.rollback()
        began, used_before = time.perf_counter(), time.process_time()
        search_market(wish, actor, organizations.list_active("VENDOR"))
        if number >= 5:
            taken.append((time.perf_counter() - began) * 1000)
            used += (time.process_time() - used_before) * 1000
    return sorted(taken), used / runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vehicles", type=int, default=10_000)
    parser.add_argument("--blocks", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sqlite", action="store_true")
    asked = parser.parse_args()
    keeper.begin_run()
    databases = Databases("bench")
    try:
        with databases.fresh_app("sqlite" if asked.sqlite else "postgresql"):
            actor = fill(asked.vehicles, asked.blocks, asked.seed)
            taken, used = measure(actor, asked.runs, asked.seed)
    finally:
        databases.close()
        keeper.end_run()
    where = "SQLite" if asked.sqlite else "PostgreSQL"
    print(f"{where}, {asked.vehicles:,} vehicles, {asked.blocks:,} blocks, {asked.runs} searches, seed {asked.seed}")
    load = os.getloadavg()[0]
    print(
        f"median {statistics.median(taken):.1f} ms · p95 {taken[int(len(taken) * 0.95)]:.1f} ms · "
        f"longest {taken[-1]:.1f} ms · shortest {taken[0]:.1f} ms · own work {used:.1f} ms · load of the machine {load:.1f} on {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
