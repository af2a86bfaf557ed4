"""The figures of docs/performance.md: `.venv/bin/python -m bench.engine [--events N] [--only drain,latency] [--peers]`.

Each figure is measured on a new database: a PostgreSQL cluster of its own with fsync on, on a local socket, or a SQLite
file with `synchronous=FULL`. Ratios are taken within one run, so that they hold on other machines.
"""

import argparse
import contextlib
import os
import platform
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import psycopg
from flask import Flask
from sqlalchemy import func, select, text, update

from bench import workload
from karokar.kernel import clock
from karokar.kernel.db import db, transaction
from karokar.outbox.delivery import deferred, subscriptions
from karokar.outbox.delivery.drain import drain
from karokar.outbox.models import EventLog, EventRow, Handled, Subscription
from karokar.outbox.processes import relay
from karokar.outbox.processes.worker import attend
from karokar.outbox.store import open_store
from karokar.outbox.wakeup import JOB, QUEUE
from tests.servers import postgresql, valkey


class Figure(NamedTuple):
    """One line of the table."""

    what: str
    goal: str
    measured: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.engine")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--only", default="", help=f"some of {', '.join(MEASURES)}")
    parser.add_argument("--peers", action="store_true", help="other queues on the same work, in the same run")
    options = parser.parse_args()
    chosen = [name for name in options.only.split(",") if name] or list(MEASURES)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]}"
    )
    print(_calibration())
    print("\n| Figure | Goal | Measured |\n|---|---|---|")
    for name in chosen:
        for figure in MEASURES[name](options.events):
            print(f"| {figure.what} | {figure.goal} | {figure.measured} |", flush=True)
    if options.peers:
        from bench import peers

        peers.main(options.events // 10)


def _calibration() -> str:
    """How quick this machine is just now, so that figures of two machines, or of two days, can be held together."""
    began, rounds = time.perf_counter(), 2_000_000
    for number in range(rounds):
        _ = number * number
    loops = rounds / (time.perf_counter() - began) / 1e6
    with tempfile.NamedTemporaryFile(prefix="kk-", dir="/tmp") as file:
        synced = _median_ms(lambda: (os.write(file.fileno(), bytes(4096)), os.fdatasync(file.fileno())))
    with (
        tempfile.TemporaryDirectory(prefix="kk-", dir="/tmp", ignore_cleanup_errors=True) as folder,
        postgresql.running(Path(folder) / "pg") as address,
        psycopg.connect(address, autocommit=True) as connection,
    ):
        asked = _median_ms(lambda: connection.execute("select 1"))
    return f"calibration: {loops:.1f} M loops/s, fdatasync {synced:.2f} ms, `select 1` there and back {asked:.3f} ms"


def _median_ms(do: Callable[[], object], times: int = 200) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        do()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


# Draining -------------------------------------------------------------------------------------------------------------


def measure_drain(events: int) -> Iterator[Figure]:
    with workload.application("postgresql") as app:
        yield Figure("drain, 3 handlers as lists, PostgreSQL", "≥ 20,000 ev/s", _drained("list", events).in_words)
        yield Figure("same, two workers", "–", _rate(_drained_by_two(app, "list", events)))
        yield Figure("same, handlers that add one by one", "≥ 8,000 ev/s", _drained("add", events // 2).in_words)
        yield Figure("same, one event per transaction", "≥ 700 ev/s", _drained("action", events // 20).in_words)


def measure_sqlite(events: int) -> Iterator[Figure]:
    with workload.application("sqlite"):
        yield Figure("drain, 3 handlers as lists, SQLite", "≥ 10,000 ev/s", _drained("list", events).in_words)


def measure_sequencer(events: int) -> Iterator[Figure]:
    with workload.application("postgresql"):
        workload.fill(events)
        with open_store() as store:
            began = time.perf_counter()
            store.sequence()
            took = time.perf_counter() - began
        yield Figure("sequencer", "≥ 100,000 ev/s", _rate(events / took))


class Drained(NamedTuple):
    """Events per second by the clock, and by the processor time that worker and server spent."""

    per_second: float
    per_cpu_second: float

    @property
    def in_words(self) -> str:
        return f"{self.per_second:,.0f} ev/s; {self.per_cpu_second:,.0f} per second of processor time"


def _drained(style: str, events: int) -> Drained:
    """How quick one worker drains. On a machine that is busy with other things, processor time is the fairer figure."""
    _prepare(style, events)
    with open_store() as store:
        store.sequence()
    began, spent = time.perf_counter(), _cpu_seconds()
    while drain():
        pass
    return Drained(events / (time.perf_counter() - began), events / (_cpu_seconds() - spent))


def _drained_by_two(app: Flask, style: str, events: int) -> float:
    _prepare(style, events)
    with open_store() as store:
        store.sequence()
    began = time.perf_counter()
    for child in [_fork(app, _drain_until_empty) for _ in range(2)]:
        os.waitpid(child, 0)
    return events / (time.perf_counter() - began)


def _drain_until_empty() -> None:
    while drain() or _is_left():
        pass


def _is_left() -> bool:
    with open_store() as store:
        return bool(store.poll().shards)


def _prepare(style: str, events: int) -> None:
    workload.clean()
    workload.declare(style)
    subscriptions.sync()
    workload.fill(events)


# Beside people's work -------------------------------------------------------------------------------------------------


def measure_pages(events: int) -> Iterator[Figure]:
    """How long a page's write takes while SQLite drains at full speed."""
    with workload.application("sqlite") as app:
        _prepare("list", events * 5)
        items = [workload.make_item() for _ in range(2)]
        worker = _fork(app, _drain_until_empty)
        times: list[float] = []
        writers = [threading.Thread(target=_write_steadily, args=(app, item, times)) for item in items]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        _end(worker)
        yield Figure("page writes while SQLite drains, 2 × 50/s, p99", "≤ 25 ms", f"{_percentile(times, 99):.1f} ms")


def _write_steadily(app: Flask, item: UUID, times: list[float], count: int = 150, per_second: float = 50.0) -> None:
    with app.app_context():
        for number in range(count):
            began = time.perf_counter()
            workload.move(item)
            if number:
                times.append((time.perf_counter() - began) * 1000)
            time.sleep(max(0.0, 1 / per_second - (time.perf_counter() - began)))


def measure_latency(_events: int) -> Iterator[Figure]:
    """From the commit of an action to the commit of its handlers, with RQ, at 200 events per second."""
    with _valkey() as url, workload.application("postgresql", redis_url=url, event_bus_dispatcher="worker") as app:
        workload.declare("list")
        subscriptions.sync()
        items = [workload.make_item() for _ in range(20)]
        children = [_fork(app, lambda: _work(app)), _fork(app, lambda: relay.run(app, threading.Event()))]
        time.sleep(2.0)
        spent = _cpu_seconds()
        for number in range(1000):
            began = time.perf_counter()
            workload.move(items[number % len(items)])
            time.sleep(max(0.0, 0.005 - (time.perf_counter() - began)))
        time.sleep(1.0)
        spent = _cpu_seconds() - spent
        for child in children:
            _end(child)
        took = func.extract("epoch", Handled.at - EventRow.occurred_at) * 1000
        rows = db.session.scalars(
            select(took)
            .select_from(Handled)
            .join(EventLog, EventLog.position == Handled.position)
            .join(EventRow, EventRow.id == EventLog.event_id)
            .order_by(Handled.position.desc())
            .limit(900)
        )
        times = [float(row) for row in rows]
        yield Figure(
            "commit → handled at 200 ev/s, PostgreSQL + RQ, p50 / p99",
            "≤ 4 / ≤ 15 ms",
            f"{_percentile(times, 50):.1f} / {_percentile(times, 99):.1f} ms; {spent:.1f} ms of processor time per event",
        )


def _work(app: Flask) -> None:
    from karokar.worker import run

    run(app, QUEUE, JOB, attend)


def measure_actions(_events: int) -> Iterator[Figure]:
    """What an event and its four subjects cost an action: throughput with ÷ without, 16 clients."""
    with workload.application("postgresql") as app:
        workload.declare("list")
        items = [workload.make_item() for _ in range(16)]
        rounds = [(_actions_per_second(app, items, workload.touch), _actions_per_second(app, items, workload.move))
                  for _ in range(3)]  # fmt: skip
        ratio = statistics.median(with_event / without for without, with_event in rounds)
        without, with_event = rounds[-1]
        yield Figure(
            "action with event + 4 subjects ÷ same UPDATE, 16 clients",
            "≥ 0.5",
            f"{ratio:.2f} ({with_event:,.0f} against {without:,.0f} per second)",
        )


def _actions_per_second(app: Flask, items: list[UUID], do: Callable[[UUID], None], seconds: float = 2.0) -> float:
    reader, writer = os.pipe()

    def work(item: UUID) -> None:
        done, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            do(item)
            done += 1
        os.write(writer, done.to_bytes(4, "big"))

    for child in [_fork(app, lambda item=item: work(item)) for item in items]:
        os.waitpid(child, 0)
    total = sum(int.from_bytes(os.read(reader, 4), "big") for _ in items)
    os.close(reader)
    os.close(writer)
    return total / seconds


def measure_held(events: int) -> Iterator[Figure]:
    """The drain, and one event, while somebody holds a write transaction open."""
    with workload.application("postgresql"):
        free, single = _drained("list", events).per_second, _one_event()
        _prepare("list", events)
        with db.engine.connect() as held:
            held.execute(text("select pg_current_xact_id()"))  # From now on it is a writer.
            with open_store() as store:
                store.sequence()
            began = time.perf_counter()
            while drain():
                pass
            rate = events / (time.perf_counter() - began)
            slowed = _one_event()
        yield Figure("drain with a write transaction held open ÷ without", "≥ 0.9", f"{rate / free:.2f}")
        yield Figure("one event, likewise", "≤ 2×", f"{single:.1f} → {slowed:.1f} ms")


def _one_event() -> float:
    item = workload.make_item()
    drain()
    times = []
    for _ in range(20):
        workload.move(item)
        began = time.perf_counter()
        drain()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def measure_waited(events: int) -> Iterator[Figure]:
    """What waited behind a pause: one of the three handlers was paused, and is given everything when it goes on."""
    for kind in ("postgresql", "sqlite"):
        with workload.application(kind):
            _prepare("list", events)
            with transaction() as session:
                paused = session.scalars(select(Subscription).order_by(Subscription.handler)).first()
                paused.paused_at = clock.now()
            while drain():
                pass
            with transaction() as session:
                session.execute(update(Subscription).values(paused_at=None))
                deferred.release_all(session, paused.handler)
            began = time.perf_counter()
            while drain():
                pass
            rate = _rate(events / (time.perf_counter() - began))
            yield Figure(f"what waited behind a pause, one handler as a list, {kind}", "–", rate)


def measure_recovery(_events: int) -> Iterator[Figure]:
    """From the SIGKILL of a worker in the middle of a batch to the batch's commit by the relay."""
    with workload.application("postgresql") as app:
        workload.declare("list")
        subscriptions.sync()
        item = workload.make_item()
        drain()
        relaying = _fork(app, lambda: relay.run(app, threading.Event()))
        time.sleep(1.0)
        times = []
        for _ in range(10):
            os.kill(relaying, signal.SIGSTOP)
            workload.move(item)
            _wait(_fork(app, _die_at_work))
            began = time.perf_counter()
            os.kill(relaying, signal.SIGCONT)
            while _is_left():
                time.sleep(0.01)
            times.append(time.perf_counter() - began)
        _end(relaying)
        yield Figure(
            "recovery after a worker's SIGKILL, p50 / longest of 10",
            "p99 ≤ 5 s",
            f"{statistics.median(times):.1f} / {max(times):.1f} s",
        )


def _die_at_work() -> None:
    from karokar.outbox.delivery import batch

    batch.invoke = lambda _reaction: os.kill(os.getpid(), signal.SIGKILL)
    drain()


MEASURES: dict[str, Callable[[int], Iterator[Figure]]] = {
    "drain": measure_drain,
    "sqlite": measure_sqlite,
    "pages": measure_pages,
    "latency": measure_latency,
    "actions": measure_actions,
    "sequencer": measure_sequencer,
    "held": measure_held,
    "waited": measure_waited,
    "recovery": measure_recovery,
}


# Processes ------------------------------------------------------------------------------------------------------------


def _fork(app: Flask, work: Callable[[], None]) -> int:
    db.session.remove()
    db.engine.dispose()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        with app.app_context():
            work()
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    _wait(pid)


def _wait(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _cpu_seconds() -> float:
    """What this process and all below it (the database server) have spent."""
    return time.process_time() + sum(map(_ticks, _descendants(os.getpid()))) / os.sysconf("SC_CLK_TCK")


def _descendants(pid: int) -> list[int]:
    children = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _stat(int(entry.name))[1:2] == [str(pid)]
    ]
    return children + [below for child in children for below in _descendants(child)]


def _ticks(pid: int) -> int:
    return sum(map(int, _stat(pid)[11:13]))


def _stat(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


@contextlib.contextmanager
def _valkey() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="kk-") as folder, valkey.running(Path(folder) / "valkey") as socket_path:
        yield f"unix://{socket_path}"


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f} ev/s"


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    main()
