"""The relay: looks every second whether something waits, rings for it, and delivers it itself where nobody comes.

It also keeps the clock: the jobs that contexts declare with `@every` are run by one relay at a time, by a lease in the
database for each lane; lanes (short jobs, mail, runs) do not wait for each other. Any number of relays may run.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import get_args

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from karokar.kernel import clock
from karokar.kernel.actor import SYSTEM, Cause, acting_as
from karokar.kernel.db import db
from karokar.kernel.ids import new_id
from karokar.kernel.log import get_logger
from karokar.kernel.processes.heartbeat import beat
from karokar.kernel.schedule import JOBS, WHOLE_JOB, Job, Lane, forget_failures, note_failure
from karokar.kernel.settings import settings
from karokar.outbox import wakeup
from karokar.outbox.delivery import canary, subscriptions
from karokar.outbox.delivery.drain import drain
from karokar.outbox.delivery.retry import is_any_due
from karokar.outbox.processes.leases import Lease
from karokar.outbox.store import open_store

PATIENCE = timedelta(seconds=2)
"""How long an event may wait for a worker before the relay delivers it itself."""

OWN_DRAIN_SECONDS = 5.0
CLOCK_LEASE_SECONDS = 15.0
CLOCK_ROUND_SECONDS = 0.5

log = get_logger(__name__)


def run(app: Flask, stop: threading.Event) -> None:
    """Relay until `stop` is set. A database that is away is waited for."""
    keepers = [
        threading.Thread(target=_keep_clock, args=(app, stop, lane), name=lane, daemon=True) for lane in get_args(Lane)
    ]
    interval = app.config["KAROKAR"].event_bus_delivery_interval_ms / 1000
    is_synced = False
    for keeper in keepers:
        keeper.start()
    while not stop.is_set():
        beat()
        with app.app_context():
            try:
                if not is_synced:
                    _begin()
                    is_synced = True
                look()
            except SQLAlchemyError as error:
                log.warning("database_away", reason=str(error).splitlines()[0])
                db.engine.dispose()
                # What comes back may be another one, restored from a backup.
                is_synced = False
            except Exception:
                # The relay is what makes up for failures: it goes on.
                log.exception("relay_failed")
        stop.wait(interval)
    for keeper in keepers:
        keeper.join(timeout=CLOCK_LEASE_SECONDS)


def _begin() -> None:
    with open_store() as store:
        if store.mend():
            log.warning("restored_from_another_cluster")
    subscriptions.sync()


def look() -> None:
    """Ring where something waits; deliver it where nobody can be told or nobody has come in time."""
    with open_store() as store:
        store.sequence()
        oldest = store.oldest_waiting()
    longest = min(filter(None, (oldest, canary.waiting_since())), default=None)
    if longest is None and not is_any_due():
        return
    is_told = settings().event_bus_dispatcher == "worker" and wakeup.ring()
    # A time ahead of now was told by a clock that has been put right since: how long ago it was, nobody knows.
    if not is_told or (longest is not None and abs(clock.now() - longest) > PATIENCE):
        drain(OWN_DRAIN_SECONDS)


# The clock ------------------------------------------------------------------------------------------------------------


def _keep_clock(app: Flask, stop: threading.Event, lane: Lane) -> None:
    lease = Lease(lane, CLOCK_LEASE_SECONDS)
    jobs = [job for job in JOBS.values() if job.lane == lane]
    due: dict[str, float] = {}
    while not stop.is_set():
        with app.app_context():
            try:
                if lease.hold():
                    _run_due(jobs, due, lambda: stop.is_set() or not lease.hold())
                else:
                    due.clear()
            except SQLAlchemyError:
                db.engine.dispose()
        stop.wait(CLOCK_ROUND_SECONDS)


def _run_due(jobs: Sequence[Job], due: dict[str, float], is_over: Callable[[], bool]) -> None:
    """Run the jobs whose time has come; `due` holds when each comes next."""
    for job in jobs:
        if time.monotonic() < due.get(job.name, 0.0):
            continue
        if is_over():
            return
        due[job.name] = time.monotonic() + job.seconds
        run_job(job)


_failing: dict[str, bool] = {}
"""Whether the last run of a job failed, as far as this process knows: without an entry nobody looked yet."""


def run_job(job: Job) -> None:
    """Run one job as the system, as a correlation of its own. A failure is logged and noted; its time comes again."""
    with acting_as(SYSTEM, Cause(correlation_id=new_id(), source=job.name)):
        try:
            job.run()
            if _failing.get(job.name, True):
                forget_failures(job.name, [WHOLE_JOB])
                _failing[job.name] = False
        except Exception as error:
            # One job's failure must not stop the clock.
            log.exception("clock_job_failed", job=job.name)
            _failing[job.name] = True
            with suppress(Exception):  # Where the database is away, the log has to do.
                note_failure(job.name, WHOLE_JOB, error)
        finally:
            db.session.rollback()
