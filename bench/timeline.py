"""What a page of a timeline costs at the server, the first one and the one after following "next" 499 times.

    .venv/bin/python -m bench.timeline                    # 1,000,000 events, a PostgreSQL of its own, as the tests have
    .venv/bin/python -m bench.timeline --events 100000 --runs 20

Measured is the whole reading of a page of 25: the events, what each may show to the viewer, their deliveries and what
followed from them; and, beside it, the page with its HTML. The data is the same each time.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import md5
from types import MappingProxyType
from uuid import UUID

from flask import Flask
from sqlalchemy import text

from karokar.kernel.actor import Actor, Scope, acting_as
from karokar.kernel.db import db
from karokar.outbox.delivery import subscriptions
from karokar.outbox.models import SHARDS
from karokar.outbox.reading.timeline import news, timeline
from karokar.web.timeline.timeline import component
from tests.servers import keeper
from tests.servers.databases import Databases

VENDORS, COMPANIES, VEHICLES = 10, 8, 40
PAGES = 500
CHUNK = 100_000


def name(kind: str, number: int) -> UUID:
    """The id of an example, the same in SQL (`md5('vendor1')::uuid`) and here."""
    return UUID(md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest())


EVENTS = """
insert into events(event_id, event_type, version, aggregate_type, aggregate_id, aggregate_seq, stream, shard,
  correlation_id, occurred_at, payload, metadata)
select md5('event' || i)::uuid, 'BookingApproved', 1, 'Booking', md5('booking' || i / 8)::uuid, i % 8 + 1,
  'Vehicle:' || md5('vehicle' || i % :vehicles)::uuid, i % 16, md5('correlation' || i)::uuid,
  timestamptz '2026-01-01' + i * interval '20 seconds',
  jsonb_build_object('bookingId', md5('booking' || i / 8)::uuid, 'reference', 'B-' || i / 8,
    'vehicleId', md5('vehicle' || i % :vehicles)::uuid, 'vendorOrganizationId', md5('vendor' || i % :vendors)::uuid,
    'corporateOrganizationId', md5('company' || i / 8 % :companies)::uuid, 'requestedBy', md5('person1')::uuid,
    'start', '2026-11-20T08:00:00Z', 'end', '2026-11-21T08:00:00Z', 'heldUntil', '2026-11-21T09:00:00Z'),
  jsonb_build_object('actorId', md5('person2')::uuid, 'organizationId', md5('vendor' || i % :vendors)::uuid,
    'correlationId', md5('correlation' || i)::uuid, 'causationId', null, 'sourceModule', 'booking', 'depth', 0,
    'changes', jsonb_build_object('status', jsonb_build_array('REQUESTED', 'APPROVED'),
      'held_until', jsonb_build_array(null, '2026-11-21T09:00:00Z')))
from generate_series(cast(:first as int), cast(:last as int)) i
"""

SUBJECTS = """
insert into event_subjects(subject_type, subject_id, event_id)
select s.kind, s.id, i from generate_series(cast(:first as int), cast(:last as int)) i,
  lateral (values (6, md5('booking' || i / 8)::uuid), (4, md5('vehicle' || i % :vehicles)::uuid),
    (1, md5('vendor' || i % :vendors)::uuid), (1, md5('company' || i / 8 % :companies)::uuid),
    (2, md5('person1')::uuid)) s(kind, id)
"""


def fill(count: int) -> None:
    """Write the events with their subjects, positions and deliveries."""
    subscriptions.sync()
    numbers = sorted(db.session.scalars(text("select handler from subscriptions where event_type = 'BookingApproved'")))
    db.session.rollback()
    values = {"vendors": VENDORS, "companies": COMPANIES, "vehicles": VEHICLES}
    with db.engine.connect() as connection:
        for first in range(1, count + 1, CHUNK):
            span = {"first": first, "last": min(count, first + CHUNK - 1)}
            with connection.begin():
                connection.execute(text(EVENTS), values | span)
                connection.execute(text(SUBJECTS), values | span)
                connection.execute(
                    text(
                        "insert into event_log select i, i, i % 16"
                        " from generate_series(cast(:first as int), cast(:last as int)) i"
                    ),
                    span,
                )
                connection.execute(
                    text(
                        "insert into handled(position, at, handlers, us)"
                        " select i, now(), cast(:handlers as smallint[]), cast(:us as int[])"
                        " from generate_series(cast(:first as int), cast(:last as int)) i"
                    ),
                    span | {"handlers": numbers, "us": [120] * len(numbers)},
                )
                # A batch per 25 events and shard, as a busy day leaves them.
                connection.execute(
                    text(
                        "insert into progress(shard, position, at) select i % 16, i, now()"
                        " from generate_series(cast(:first as int), cast(:last as int)) i where i / 16 % 25 = 0"
                    ),
                    span,
                )
        with connection.begin():
            connection.execute(text("insert into ticks select :count, pg_current_snapshot(), now()"), {"count": count})
            for shard in range(SHARDS):
                last = count - (count - shard) % SHARDS
                connection.execute(
                    text("insert into progress values (:shard, :last, now()) on conflict do nothing"),
                    {"shard": shard, "last": last},
                )
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))


@dataclass(frozen=True)
class TimelineQuery:
    """A timeline, and who reads it."""

    label: str
    kind: str
    id: UUID
    viewer: Actor


def stories() -> list[TimelineQuery]:
    def admin(kind: str, number: int, type_: str, scope: Scope = Scope.OWN) -> Actor:
        return Actor(
            user_id=name("admin", number),
            organization_id=name(kind, number),
            organization_type=type_,
            organization_status="ACTIVE",
            permissions=MappingProxyType({"event.read": scope}),
        )

    platform = admin("platform", 1, "PLATFORM", Scope.ALL)
    vendor, company = admin("vendor", 1, "VENDOR"), admin("company", 1, "CORPORATE")
    return [
        TimelineQuery("a vendor's, read by the platform", "Organization", name("vendor", 1), platform),
        TimelineQuery("a vendor's own", "Organization", name("vendor", 1), vendor),
        TimelineQuery("a vehicle's, read by its vendor", "Vehicle", name("vehicle", 1), vendor),
        TimelineQuery("a vendor's, read by a company", "Organization", name("vendor", 1), company),
        TimelineQuery("a person's, read by the platform", "User", name("person", 1), platform),
    ]


def milliseconds(runs: int, *works: Callable[[], object]) -> list[list[float]]:
    """The times of each piece of work, sorted: by turns, so that what else the machine does falls on all alike."""
    taken: list[list[float]] = [[] for _ in works]
    for number in range(runs + 3):
        for times, work in zip(taken, works, strict=True):
            db.session.rollback()
            began = time.perf_counter()
            work()
            if number >= 3:
                times.append((time.perf_counter() - began) * 1000)
    return [sorted(times) for times in taken]


def measure(
    app: Flask, story: TimelineQuery, runs: int
) -> tuple[list[float], list[float], list[float], list[float], int, float]:
    def page(before: int | None) -> object:
        return timeline(story.kind, story.id, story.viewer, before=before)

    before, followed = None, 0
    while followed < PAGES - 1:
        found = timeline(story.kind, story.id, story.viewer, before=before)
        if found.next is None:
            break
        before, followed = found.next, followed + 1
    head = timeline(story.kind, story.id, story.viewer).head
    began = time.process_time()
    for _ in range(runs):
        db.session.rollback()
        page(None)
    own = (time.process_time() - began) / runs * 1000
    first, deep, poll = milliseconds(
        runs,
        lambda: page(None),
        lambda: page(before),
        lambda: news(story.kind, story.id, story.viewer, head),
    )
    with app.test_request_context("/"), acting_as(story.viewer):
        (html,) = milliseconds(max(5, runs // 5), lambda: component(story.kind, story.id))
    return first, deep, poll, html, followed, own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=50)
    asked = parser.parse_args()
    keeper.begin_run()
    databases = Databases("bench")
    try:
        with databases.fresh_app("postgresql") as app:
            began = time.perf_counter()
            fill(asked.events)
            print(f"PostgreSQL, {asked.events:,} events, written in {time.perf_counter() - began:.0f} s")
            for story in stories():
                first, deep, poll, html, followed, own = measure(app, story, asked.runs)
                ratio = statistics.median(deep) / statistics.median(first)
                print(
                    f"{story.label}: first page {statistics.median(first):.1f} ms"
                    f" (p95 {first[int(len(first) * 0.95)]:.1f}), after {followed} × next {statistics.median(deep):.1f} ms"
                    f" (p95 {deep[int(len(deep) * 0.95)]:.1f}), ratio {ratio:.2f}, shortest {first[0]:.1f} and"
                    f" {deep[0]:.1f} ms, our own processor time {own:.1f} ms;"
                    f" poll {statistics.median(poll):.1f} ms; with HTML {statistics.median(html):.1f} ms"
                )
    finally:
        databases.close()
        keeper.end_run()
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
