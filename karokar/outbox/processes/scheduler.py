"""The clock: runs the jobs that contexts declare with `@every`.

Each lane (short jobs, mail, runs, either way of sending checkpoints) is run by one process at a time, by a lease in the
database; lanes do not wait for each other.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from karokar.kernel.actor import SYSTEM, Cause, acting_as
from karokar.kernel.db import db
from karokar.kernel.ids import new_id
from karokar.kernel.log import get_logger
from karokar.kernel.schedule import JOBS, WHOLE_JOB, Job, Lane, forget_failures, note_failure
from karokar.outbox.processes.leases import Lease

LEASE_SECONDS = 15.0
ROUND_SECONDS = 0.5

log = get_logger(__name__)


def run(app: Flask, stop: threading.Event, lane: Lane) -> None:
    """Run the jobs of a lane when they are due, until `stop` is set, whenever this process holds the lane's lease."""
    lease = Lease(lane, LEASE_SECONDS)
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
        stop.wait(ROUND_SECONDS)


def _run_due(jobs: Sequence[Job], due: dict[str, float], is_over: Callable[[], bool]) -> None:
    """Run the jobs whose time has come; `due` holds when each comes next."""
    for job in jobs:
        if time.monotonic() < due.get(job.name, 0.0):
            continue
        if is_over():
            return
        due[job.name] = time.monotonic() + job.seconds
        run_job(job)
        if failures := _failures[job.name]:
            due[job.name] = time.monotonic() + job.pause_after(failures)


_failures: dict[str, int] = {}
"""How often in a row a job failed, as far as this process knows: without an entry nobody looked yet."""


def run_job(job: Job) -> None:
    """Run one job as the system, as a correlation of its own. A failure is logged and noted; its time comes again."""
    with acting_as(SYSTEM, Cause(correlation_id=new_id(), source=job.name)):
        try:
            job.run()
            if _failures.get(job.name) != 0:
                forget_failures(job.name, [WHOLE_JOB])
                _failures[job.name] = 0
        except Exception as error:
            # One job's failure must not stop the clock.
            log.exception("clock_job_failed", job=job.name)
            _failures[job.name] = _failures.get(job.name, 0) + 1
            with suppress(Exception):  # Where the database is away, the log has to do.
                note_failure(job.name, WHOLE_JOB, error)
        finally:
            db.session.rollback()
