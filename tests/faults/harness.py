"""Writers that write, workers that are killed and frozen, and a count of what came of it.

    bin/faults --events 500 --seed 1                          SQLite, drains called
    bin/faults --events 500 --database postgresql             PostgreSQL, drains called
    bin/faults --events 500 --database postgresql --by rq     PostgreSQL, RQ workers, a relay, and a Valkey that forgets

Ends with status 0 if every event reached every handler exactly once and in order, 1 otherwise.
"""

import argparse
import contextlib
import dataclasses
import itertools
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import flask_migrate
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from karokar.app import create_app
from karokar.config import PROJECT, load_config
from karokar.kernel.db import db
from karokar.kernel.errors import Busy
from karokar.kernel.ids import new_id
from karokar.outbox.delivery import subscriptions
from karokar.outbox.delivery.drain import drain
from karokar.outbox.models import DeferredDelivery, EventRow
from karokar.outbox.monitoring.verify import verify
from karokar.outbox.operations import actions
from karokar.outbox.operations.actions import Selection
from karokar.outbox.processes import relay
from karokar.outbox.processes.worker import attend
from karokar.outbox.store import open_store
from karokar.outbox.store import postgresql as store_postgresql
from karokar.outbox.wakeup import JOB, QUEUE
from tests.faults import broken
from tests.faults.points import Chance, plant
from tests.outbox import things
from tests.outbox.things import Effect
from tests.servers import keeper, postgresql, valkey

# A frozen worker is cut off by the server after this long; it is woken later, to find its work taken over.
CUT_OFF_AFTER_MS = 700
WOKEN_AFTER_SECONDS = 1.6
HANDLERS = ("watch", "watch_lists", "act")


@dataclasses.dataclass
class Tally:
    """What was done to the processes."""

    kills: int = 0
    freezes: int = 0
    flushes: int = 0
    restarts: int = 0


class Child:
    """A forked process that does one thing."""

    def __init__(self, app: Flask, name: str, work: Callable[[], None]) -> None:
        self.name, self.work, self.stopped_at = name, work, None
        with app.app_context():
            db.engine.dispose()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                with app.app_context():
                    work()
                status = 0
            finally:
                sys.stderr.flush()
                os._exit(status)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bin/faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--by", choices=("call", "rq"), default="call")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kill", type=float, default=0.02, help="chance to be killed, at each point")
    parser.add_argument("--freeze", type=float, default=0.002, help="chance to be frozen, at each point")
    parser.add_argument("--fail", type=float, default=0.02, help="chance that a handler fails")
    parser.add_argument("--restart", action="store_true", help="restart PostgreSQL in the middle")
    parser.add_argument("--broken", choices=tuple(broken.BROKEN), help="an engine that breaks a promise on purpose")
    parser.add_argument("--within", type=float, default=300.0, help="give up after so many seconds")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    with _servers(options) as (config, restart, flush), things.in_the_catalog():
        app = create_app(config)
        tally = Tally()
        with app.app_context():
            flask_migrate.upgrade(directory=str(PROJECT / "migrations"))
            things.make_tables()
            _declare(Chance(0, kill=0, freeze=0, fail=0))
            subscriptions.sync()
            db.session.remove()
        is_done = _run(app, options, tally, restart, flush)
        with app.app_context():
            problems = _count(is_done=is_done)
            events = len(db.session.scalars(select(EventRow.id)).all())
            db.session.remove()
            db.engine.dispose()
    print(
        f"{events} events, {len(HANDLERS)} handlers, {options.database}, by {options.by}, seed {options.seed}: "
        f"{tally.kills} kills, {tally.freezes} freezes, {tally.flushes} flushes, {tally.restarts} restarts, "
        f"{time.monotonic() - began:.1f} s"
    )
    for kind, count in problems.items():
        print(f"  {kind}: {count}")
    print("  nothing lost, nothing twice, order kept, nothing stuck" if not problems else "  PROMISES BROKEN")
    return 1 if problems else 0


# The work -------------------------------------------------------------------------------------------------------------


def _declare(chance: Chance) -> None:
    def started(_given: Any) -> None:
        chance.at("handler started")
        if chance.fails():
            raise RuntimeError("bad luck")

    things.HANDLERS.clear()
    things.subscribe("watch", does=started)
    things.subscribe("watch_lists", many=True, key="stream", does=started)
    things.subscribe("act", things.ThingMade, effect="action", does=started)


def _write(events: int, seed: int) -> Callable[[], None]:
    def work() -> None:
        draw = random.Random(seed)
        groups = [new_id() for _ in range(3)]
        made: list[Any] = []
        for number in range(events):
            with _patience():
                if number % 5 == 0 or not made:
                    made.append(things.make_thing(draw.choice(groups)).aggregate_id)
                else:
                    things.move_thing(draw.choice(made))
            time.sleep(draw.random() * 0.004)

    return work


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """A server that restarts refuses a writer: its event is not committed, and the next one comes."""
    try:
        yield
    except (SQLAlchemyError, Busy):
        db.session.rollback()
        db.engine.dispose()
        time.sleep(0.1)


def _deliver(options: argparse.Namespace, seed: int) -> Callable[[], None]:
    def work() -> None:
        chance = Chance(seed, kill=options.kill, freeze=options.freeze, fail=options.fail)
        store_postgresql._LOCK = store_postgresql._LOCK.replace(
            str(store_postgresql.FROZEN_AFTER_MS), str(CUT_OFF_AFTER_MS)
        )
        if options.broken:
            broken.BROKEN[options.broken]()
        plant(chance)
        _declare(chance)
        while True:
            with _patience():
                drain(2.0)
            time.sleep(0.02)

    return work


def _work_off(app: Flask, options: argparse.Namespace, seed: int) -> Callable[[], None]:
    def work() -> None:
        from karokar.worker import run

        chance = Chance(seed, kill=options.kill, freeze=options.freeze, fail=options.fail)
        plant(chance)
        _declare(chance)
        run(app, QUEUE, JOB, attend)

    return work


def _relay(app: Flask) -> Callable[[], None]:
    return lambda: relay.run(app, threading.Event())


# The run --------------------------------------------------------------------------------------------------------------


def _run(
    app: Flask, options: argparse.Namespace, tally: Tally, restart: Callable[[], None], flush: Callable[[], None]
) -> bool:
    """Let everybody work until all is delivered; False where that takes too long."""
    seeds = itertools.count(options.seed * 100_000)
    deadline = time.monotonic() + options.within
    draw = random.Random(options.seed)
    writers = 4 if options.broken == "cursor" else 2
    share = options.events // writers
    if options.broken == "cursor":
        broken.slow_commits(0.3)
    children = [Child(app, "writer", _write(share, next(seeds))) for _ in range(writers)]
    for _ in range(options.workers):
        work = _work_off(app, options, next(seeds)) if options.by == "rq" else _deliver(options, next(seeds))
        children.append(Child(app, "worker", work))
    if options.by == "rq":
        children.append(Child(app, "relay", _relay(app)))
    try:
        looked_at = time.monotonic()
        while time.monotonic() < deadline:
            for child in list(children):
                _look_after(app, options, child, children, tally, seeds)
            if options.by == "rq" and draw.random() < 0.01:
                flush()
                tally.flushes += 1
            is_written = not any(child.name == "writer" for child in children)
            if options.restart and tally.restarts == 0 and time.monotonic() - looked_at > 0.5:
                restart()
                tally.restarts += 1
            is_frozen = any(child.stopped_at for child in children)
            if is_written and not is_frozen and time.monotonic() - looked_at > 0.3:
                looked_at = time.monotonic()
                if _is_all_delivered(app, options):
                    return True
            time.sleep(0.01)
        return False
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)


def _look_after(  # noqa: PLR0917 - what the run consists of
    app: Flask,
    options: argparse.Namespace,
    child: Child,
    children: list[Child],
    tally: Tally,
    seeds: Iterator[int],
) -> None:
    """Replace one that ended, wake one that was frozen long enough."""
    pid, status = os.waitpid(child.pid, os.WNOHANG | os.WUNTRACED)
    if pid and os.WIFSTOPPED(status):
        child.stopped_at = time.monotonic()
        tally.freezes += 1
    elif pid:
        children.remove(child)
        if child.name == "writer":
            assert status == 0, "a writer failed"
            return
        tally.kills += os.WIFSIGNALED(status)
        work = child.work
        if child.name == "worker":
            work = _work_off(app, options, next(seeds)) if options.by == "rq" else _deliver(options, next(seeds))
        children.append(Child(app, child.name, work))
    elif child.stopped_at is not None and time.monotonic() - child.stopped_at > WOKEN_AFTER_SECONDS:
        child.stopped_at = None
        # SQLite has no server to cut a frozen worker off: its supervisor ends it.
        os.kill(child.pid, signal.SIGCONT if options.database == "postgresql" else signal.SIGKILL)


def _is_all_delivered(app: Flask, options: argparse.Namespace) -> bool:
    with app.app_context(), contextlib.suppress(SQLAlchemyError, Busy):
        with open_store() as store:
            if not options.broken:
                store.sequence()
            is_open = bool(store.poll().shards)
        states = set(db.session.scalars(select(DeferredDelivery.state).distinct()))
        db.session.remove()
        if "dead" in states:
            # What ended its worker three times is dead: a person lets it run again.
            actions.retry_deliveries(Selection(states=("dead",)))
        return not is_open and not states & {"retrying", "waiting", "dead"}
    return False


def _count(*, is_done: bool) -> dict[str, int]:
    """Count broken promises: what was lost, done twice, done out of order, or never ended."""
    found: Counter[str] = Counter()
    if not is_done:
        found["not delivered in time"] = 1
    rows = db.session.execute(
        select(EventRow.event_id, EventRow.event_type, EventRow.aggregate_id, EventRow.aggregate_seq).where(
            EventRow.aggregate_type == "TestThing"
        )
    ).all()
    wanted = Counter({(f"test.{name}", row.event_id): 1 for name in ("watch", "watch_lists") for row in rows})
    wanted.update({("test.act", row.event_id): 1 for row in rows if row.event_type == "TestThingMade"})
    done: Counter[tuple[str, Any]] = Counter()
    last: dict[tuple[str, Any], int] = defaultdict(int)
    for effect in db.session.scalars(select(Effect).order_by(Effect.id)):
        done[effect.handler, effect.event_id] += 1
        key = (effect.handler, effect.aggregate_id)
        found["out of order"] += effect.aggregate_seq <= last[key] and done[effect.handler, effect.event_id] == 1
        last[key] = max(last[key], effect.aggregate_seq)
    found["lost"] = (wanted - done).total()
    found["done twice"] = (done - wanted).total()
    for kind, problems in verify().problems.items():
        found[f"verify: {kind}"] = len(problems)
    return {kind: count for kind, count in found.items() if count}


# The servers ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _servers(options: argparse.Namespace) -> Iterator[tuple[Any, Callable[[], None], Callable[[], None]]]:
    directory = Path(tempfile.mkdtemp(prefix="kk-", dir=keeper._quick_disk()))
    restart = flush = _nothing
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        environment = {
            "KAROKAR_DATA": str(directory / "data"),
            "DATABASE_URL": f"sqlite:///{directory / 'faults.sqlite3'}",
            "SECRET_KEY": "a-key-for-tests-alone-0123456789",
            "EVENT_BUS_DISPATCHER": "none",
            "EVENT_BUS_RETRY_BASE_MS": "20",
            "EVENT_BUS_MAX_ATTEMPTS": "50",
            "EVENT_BUS_DELIVERY_INTERVAL_MS": "200",
        }
        if options.database == "postgresql":
            address = stack.enter_context(postgresql.running(directory / "pg"))
            environment["DATABASE_URL"] = address
            restart = partial(_restart, directory / "pg", stack)
        if options.by == "rq":
            socket_path = stack.enter_context(valkey.running(directory / "valkey"))
            environment |= {"REDIS_URL": f"unix://{socket_path}", "EVENT_BUS_DISPATCHER": "worker"}
            flush = partial(_flush, socket_path)
        yield load_config(environment), restart, flush


def _nothing() -> None:
    """Do nothing: this run has no such server."""


def _flush(socket_path: str) -> None:
    import redis

    with redis.Redis(unix_socket_path=socket_path) as connection:
        connection.flushall()


def _restart(directory: Path, stack: contextlib.ExitStack) -> None:
    """End the server as a power cut would, and start another on its data."""
    import subprocess

    from karokar.supervisor import process

    data = directory / "data"
    pid, *_ = (data / "postmaster.pid").read_text().split()
    os.kill(int(pid), signal.SIGQUIT)
    process.wait_until(lambda: not (data / "postmaster.pid").exists(), within=10)
    binaries = directory / "server" / "bin"
    folder = binaries if binaries.exists() else postgresql.find_binaries()
    assert folder is not None
    options = [word for name, value in postgresql.SETTINGS.items() for word in ("-c", f"{name}={value}")]
    server = subprocess.Popen(
        [str(folder / "postgres"), "-D", str(data), "-k", str(directory), *options],
        user=postgresql.server_user(),
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stack.callback(server.wait)
    stack.callback(server.send_signal, signal.SIGQUIT)


if __name__ == "__main__":
    sys.exit(main())
