"""What it costs to retry or dismiss all dead letters: row by row as a run does it, and all of one kind at once.

    .venv/bin/python -m bench.dead_letters                          # 2,000 and 20,000, SQLite and PostgreSQL
    .venv/bin/python -m bench.dead_letters --letters 2000 --rows 500

Each dead letter is of an event and a stream of its own, and one delivery waits behind it. A row costs what the run's
row does inside its transaction; the run itself adds two small writes. With `--rows` only so many rows are timed.
"""

import argparse
import time
from collections.abc import Callable, Iterator

from sqlalchemy import insert, select, text, update

from karokar.administration import actions
from karokar.administration.views.deliveries import _list_dead
from karokar.kernel import clock
from karokar.kernel.actor import SYSTEM, acting_as
from karokar.kernel.db import db, transaction
from karokar.kernel.ids import new_id
from karokar.outbox.delivery import subscriptions
from karokar.outbox.models import DeferredDelivery, EventLog, EventRow, Subscription
from karokar.outbox.operations.actions import digest_of_open
from karokar.runs.kinds import Item
from tests.servers import keeper
from tests.servers.databases import Databases

HANDLER, FINGERPRINT = "notification.tell_of_bookings", "bench"
CHUNK = 1000


def fill(count: int) -> None:
    """Write dead letters of one handler, each with a delivery of the same stream that waits behind it."""
    subscriptions.sync()
    number = db.session.scalars(select(Subscription.handler).where(Subscription.name == HANDLER)).first()
    is_postgresql = db.session.get_bind().dialect.name == "postgresql"
    now = clock.now()
    for first in range(1, 2 * count + 1, CHUNK):
        numbers = range(first, min(first + CHUNK, 2 * count + 1))
        ids = {position: new_id() for position in numbers}
        events = [
            {
                "id": position, "event_id": new_id(), "event_type": "BookingRequested", "version": 1,
                "aggregate_type": "Booking", "aggregate_id": ids[position], "aggregate_seq": 1,
                "stream": f"Booking:{position % count}", "shard": position % 16, "correlation_id": new_id(),
                "occurred_at": now, "payload": {}, "meta": {},
            }
            for position in numbers
        ]  # fmt: skip
        deferred_rows = [
            {
                "handler": number, "position": position, "event_id": position, "shard": position % count % 16,
                "stream": f"Booking:{position % count}", "since": now, "error": "ValueError: broken",
                "state": "dead" if position <= count else "waiting", "reason": "behind", "failed": 8 if position <= count else 0,
                "started": 8 if position <= count else 0,
                "fingerprint": FINGERPRINT if position <= count else None,
            }
            for position in numbers
        ]  # fmt: skip
        with transaction() as session:
            session.execute(insert(EventRow).execution_options(render_nulls=True), events)
            if is_postgresql:
                log = [{"position": one["id"], "event_id": one["id"], "shard": one["shard"]} for one in events]
                session.execute(insert(EventLog), log)
            session.execute(insert(DeferredDelivery), deferred_rows)
    if is_postgresql:
        with transaction() as session:
            session.execute(text("select setval(pg_get_serial_sequence('events', 'id'), (select max(id) from events))"))


def reset(count: int) -> None:
    """Let all be dead again, and what waits behind them wait."""
    with transaction() as session:
        session.execute(update(DeferredDelivery).where(DeferredDelivery.position <= count).values(state="dead"))
        session.execute(
            update(DeferredDelivery).where(DeferredDelivery.position > count).values(state="waiting", due_at=None)
        )


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds a piece of work took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def rows() -> Iterator[Item]:
    """The rows that a run over all dead letters has."""
    return _list_dead({"filters": {}, "chosen": []})


def retry(item: Item) -> None:
    """Do a row of a run that retries."""
    with transaction():
        actions.retry_dead_letter(item.data["name"], item.data["position"])


def dismiss(item: Item) -> None:
    """Do a row of a run that dismisses."""
    with transaction():
        actions.dismiss_dead_letter(item.data["name"], item.data["position"], "Old fleet.")


def measure(count: int, most: int) -> None:
    """Print the figures of one database with so many dead letters."""
    print(f"  {count:,} dead letters: listed in {timed(lambda: list(rows())) * 1000:,.0f} ms")
    for word, do in (("retry", retry), ("dismiss", dismiss)):
        items = list(rows())
        few = items[: min(most, len(items))]
        taken = timed(lambda few=few, do=do: [do(item) for item in few])
        print(f"    {word}, row by row: {taken / len(few) * 1000:.1f} ms a row")
        reset(count)
    shown = digest_of_open(HANDLER, FINGERPRINT)
    taken = timed(lambda: actions.retry_failures(HANDLER, FINGERPRINT, shown))
    print(f"    retry, all of one kind: {taken:.2f} s")
    reset(count)
    taken = timed(lambda: actions.dismiss_failures(HANDLER, FINGERPRINT, shown, "Old fleet."))
    print(f"    dismiss, all of one kind: {taken:.2f} s", flush=True)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--letters", type=int, nargs="*", default=[2_000, 20_000])
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    asked = parser.parse_args()
    keeper.begin_run()
    databases = Databases("bench")
    try:
        for kind in [asked.only] if asked.only else ["sqlite", "postgresql"]:
            for count in asked.letters:
                with databases.fresh_app(kind), acting_as(SYSTEM):
                    print(kind)
                    fill(count)
                    measure(count, asked.rows)
    finally:
        databases.close()
        keeper.end_run()


if __name__ == "__main__":
    main()
