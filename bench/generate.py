"""Fill a database with many bookings, to see how the console behaves when a marketplace is large.

    bin/up --data /tmp/large            # once, for the example's organizations and people; then stop it
    KAROKAR_DATA=/tmp/large .venv/bin/python -m bench.generate --bookings 1000000 --vehicles 5000
    bin/up --data /tmp/large

Vehicles, bookings and calendar blocks are written past the actions, with past and future states as a marketplace would
have them; their events are not written (bench/timeline.py and bench/engine.py make events, as many as asked for). The
database is the one of the settings (KAROKAR_DATA or DATABASE_URL). The same seed makes the same data.
"""

import argparse
import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import insert, select

from karokar.app import create_app
from karokar.booking.models import Booking
from karokar.booking.rules import ALPHABET, check_sign
from karokar.fleet.models import Vehicle
from karokar.fleet.rules import city_key
from karokar.kernel import clock
from karokar.kernel.db import Base, db, transaction
from karokar.kernel.ids import new_id
from karokar.kernel.text.normalization import search_key

CHUNK = 5_000
CITIES = ("Bengaluru", "Chennai", "Delhi", "Hyderabad", "Kochi", "Mumbai", "Mysuru", "Pune")
LENGTH, PITCH = timedelta(hours=8), timedelta(hours=12)
STRIDE = 7_368_787
CALENDAR = UUID("4ff54c6c-5f3d-5d7c-9d8f-0c2f8b6d0a11")


def main() -> None:
    """Write vehicles, then bookings with their blocks, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bookings", type=int, default=1_000_000)
    parser.add_argument("--vehicles", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with create_app().app_context():
        example = db.session.scalars(select(Vehicle).where(Vehicle.ownership_type == "VENDOR_OWNED")).all()
        asked = db.session.scalars(select(Booking)).all()
        if not example or not asked:
            parser.error("This database has no example data: start bin/up on it once.")
        companies = sorted({(row.corporate_organization_id, row.requested_by) for row in asked})
        taken = {row.reference for row in asked}
        owners = sorted({row.organization_id for row in example})
        facts = {column.key: getattr(example[0], column.key) for column in Vehicle.__table__.columns}
        db.session.rollback()
        began = time.perf_counter()
        vehicles = list(make_vehicles(facts, owners, options.vehicles, draw))
        write("vehicles", vehicles)
        write("vehicle_calendars", ({"vehicle_id": row["id"]} for row in vehicles))
        blocks: list[dict[str, Any]] = []
        write("bookings", make_bookings(vehicles, companies, taken, options.bookings, draw, blocks))
        write("availability_blocks", blocks)
        with transaction() as session:
            session.connection().exec_driver_sql("ANALYZE")
        seconds = time.perf_counter() - began
        print(f"{options.vehicles:,} vehicles, {options.bookings:,} bookings, {len(blocks):,} blocks: {seconds:,.0f} s")


def write(table: str, rows: Any) -> None:
    """Insert rows in chunks, each a transaction."""
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            _write_chunk(table, chunk)
            chunk = []
    if chunk:
        _write_chunk(table, chunk)


def _write_chunk(table: str, rows: list[dict[str, Any]]) -> None:
    with transaction() as session:
        session.connection().execute(insert(Base.metadata.tables[table]), rows)


def make_vehicles(
    facts: dict[str, Any], owners: list[UUID], count: int, draw: random.Random
) -> Iterator[dict[str, Any]]:
    """Yield vehicles like the example's first one, with owners, places and plates of their own."""
    for number in range(count):
        city = draw.choice(CITIES)
        plate = f"KA {number % 60:02d} ZZ {number:05d}"
        yield {
            **facts,
            "id": new_id(),
            "organization_id": draw.choice(owners),
            "license_plate": plate,
            "plate_key": plate.replace(" ", ""),
            "city": city,
            "city_key": city_key(city),
            "search_key": search_key(f"{facts['make']} {facts['model']} {plate} {plate.replace(' ', '')}"),
            "seats": draw.choice((4, 5, 5, 7)),
        }


def make_bookings(  # noqa: PLR0917
    vehicles: list[dict[str, Any]],
    companies: list[tuple[UUID, UUID]],
    taken: set[str],
    count: int,
    draw: random.Random,
    blocks: list[dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Yield bookings, a tenth of them to come, one after the other for each vehicle; their blocks are added to `blocks`."""
    now = clock.now().replace(minute=0, second=0, microsecond=0)
    turns = -(-count // len(vehicles))
    for number, reference in zip(range(count), _references(taken), strict=False):
        vehicle, turn = vehicles[number % len(vehicles)], number // len(vehicles)
        company, person = draw.choice(companies)
        start = now + PITCH * (turn - turns * 9 // 10) + timedelta(hours=1)
        row = _booking(reference, vehicle, company, person, start, _status(start < now, draw))
        if row["held_until"] is not None:
            blocks.append(_block(row, vehicle))
        yield row


def _status(is_past: bool, draw: random.Random) -> str:
    past = ("COMPLETED",) * 17 + ("CANCELLED", "REJECTED", "TERMINATED")
    return draw.choice(past if is_past else ("REQUESTED", "REQUESTED", "APPROVED", "CANCELLED"))


def _booking(  # noqa: PLR0917
    reference: str, vehicle: dict[str, Any], company: UUID, person: UUID, start: datetime, status: str
) -> dict[str, Any]:
    end = start + LENGTH
    has_run = status in {"COMPLETED", "TERMINATED"}
    reason = {"CANCELLED": "PLANS_CHANGED", "REJECTED": "ALREADY_PROMISED", "TERMINATED": "NO_LONGER_NEEDED"}.get(
        status
    )
    return {
        "id": new_id(),
        "created_at": start - timedelta(days=2),
        "updated_at": min(end, clock.now()),
        "version": 1,
        "event_count": 0,
        "reference": reference,
        "vehicle_id": vehicle["id"],
        "place": f"12 Residency Road, {vehicle['city']}",
        "place_time_zone": vehicle["time_zone"],
        "vendor_organization_id": vehicle["organization_id"],
        "corporate_organization_id": company,
        "requested_by": person,
        "employee_id": person if has_run else None,
        "round": int(has_run),
        "start": start,
        "end": end,
        "held_until": end if has_run or status == "APPROVED" else None,
        "status": status,
        "purpose": "Generated",
        "reason": reason,
        "note": "Generated" if reason else "",
        "offered_vehicle_id": None,
        "submitted_at": start - timedelta(days=2),
        "answered_at": None if status == "REQUESTED" else start - timedelta(days=1),
        "activated_at": start if has_run else None,
        "actual_end": end if has_run else None,
        "overdue_at": None,
        "reminded_at": None,
    }


def _block(row: dict[str, Any], vehicle: dict[str, Any]) -> dict[str, Any]:
    has_run = row["actual_end"] is not None
    return {
        "id": uuid5(CALENDAR, str(row["id"])),
        "vehicle_id": vehicle["id"],
        "organization_id": vehicle["organization_id"],
        "corporate_organization_id": row["corporate_organization_id"],
        "kind": "ALLOCATED" if has_run else "RESERVED",
        "start": row["start"],
        "end": row["end"],
        "source_type": "Booking",
        "source_id": row["id"],
        "source_event_id": uuid5(CALENDAR, f"event {row['id']}"),
        "source_seq": 1,
        "applied_seq": 1,
        "released_at": row["actual_end"],
        "planned_end": row["end"],
        "made_at": row["answered_at"],
        "allocated_at": row["activated_at"],
        "given_up_at": row["actual_end"],
    }


def _references(taken: set[str]) -> Iterator[str]:
    count = len(ALPHABET) ** 5
    for number in range(count):
        # In no order, as real ones are: a prime that does not divide their number leads to each of them once.
        body, rest = "", number * STRIDE % count
        for _ in range(5):
            rest, sign = divmod(rest, len(ALPHABET))
            body = ALPHABET[sign] + body
        reference = f"B-{body[:3]}-{body[3:]}{check_sign(body)}"
        if reference not in taken:
            yield reference


if __name__ == "__main__":
    main()
