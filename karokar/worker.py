"""What RQ runs: a worker that works in its own process, is supervised, and is replaced after some thousand jobs.

Forking a process per job, RQ's default, is four to six times slower here. A job that ends the worker is no loss: all
state is in the database, the supervisor starts the next worker, and the relay recovers what was under way.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar

from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from karokar.kernel.log import get_logger
from karokar.kernel.processes.heartbeat import beat

# RQ waits for a job for this time minus 15 seconds: short, because each wait ends with a sign of life.
WORKER_TTL = 17
# Memory that Python does not give back goes with the process.
JOBS_PER_LIFE = 5000
CONNECTS_WITHIN = 3.0
PAUSE = 0.2


class RefusedJob(Exception):
    """A job in Redis asks for something else than the one thing that the worker does."""


class OnlyJob(Job):
    """The one job there is. What Redis holds can say that it is due, and nothing else.

    RQ lets a job name any function, callback or web address, and pickles its arguments: whoever may write to Redis
    would run code here. So jobs are JSON, and only a job named `job_name`, without arguments, does the work.
    """

    job_name: ClassVar[str]
    work: ClassVar["staticmethod[[], None]"]

    def restore(self, raw_data: Any) -> Any:
        """Take what is known of a job, without what could lead elsewhere."""
        found = super().restore(raw_data)
        self._success_callback_name = self._failure_callback_name = self._stopped_callback_name = None
        self.webhooks = []
        return found

    @property
    def func(self) -> Callable[[], None]:
        """The work. Raises RefusedJob for a job that names anything else."""
        if self.instance is not None or self.args or self.kwargs or self.func_name != self.job_name:
            raise RefusedJob("A job in Redis was refused: it names something else than the worker's own work.")
        return self.work


class Worker(SimpleWorker):
    """RQ's worker without forking, with the application loaded, that says that it is alive."""

    max_connection_wait_time = 2.0
    log_result_lifespan = False
    application: Flask
    jobs_begun = 0
    is_asked_to_stop = False

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Say "alive" to the supervisor first: it must hear so even while Redis is away."""
        beat()
        super().heartbeat(timeout, pipeline)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the job inside the application's context."""
        beat()
        self.jobs_begun += 1
        try:
            with self.application.app_context():
                super().execute_job(job, queue)
        except (InvalidJobOperation, NoSuchJobError):
            # Redis was emptied while the job ran. It held no fact; the relay wakes somebody for what is left.
            get_logger(__name__).info("job_forgotten")

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Remember that this was asked for: RQ also stops when it loses Redis, and then we go on."""
        self.is_asked_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call] # RQ has no types here


def make_worker(app: Flask, queue: str, job_name: str, work: Callable[[], None], connection: Redis) -> Worker:
    """Return a worker that does `work`, and nothing else, whenever the queue holds a job named `job_name`."""
    worker = Worker(
        [queue],
        connection=connection,
        worker_ttl=WORKER_TTL,
        log_job_description=False,
        job_class=type("OnlyThisJob", (OnlyJob,), {"job_name": job_name, "work": staticmethod(work)}),
        serializer=JSONSerializer,
    )
    worker.application = app
    return worker


def run(app: Flask, queue: str, job_name: str, work: Callable[[], None], *, max_jobs: int = JOBS_PER_LIFE) -> None:
    """Do `work` whenever one queue holds a job named `job_name`, until asked to stop, or until `max_jobs` are done.

    Waits for a Redis that is away.

    One queue per worker: with several, a killed worker can lose a job for ever.
    """
    url = app.config["KAROKAR"].redis_url
    if url is None:
        sys.exit("A worker needs Redis: set REDIS_URL, or start everything with bin/up.")
    connection = Redis.from_url(url, socket_connect_timeout=CONNECTS_WITHIN)
    left = max_jobs
    while left > 0:
        # Before RQ takes the signals, a request to stop ends the wait at once.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _leave)
        _wait_for(connection)
        worker = make_worker(app, queue, job_name, work, connection)
        worker.work(logging_level="WARNING", max_jobs=left)
        if worker.is_asked_to_stop:
            return
        left -= worker.jobs_begun
        time.sleep(PAUSE)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _wait_for(connection: Redis) -> None:
    """Wait until Redis answers, alive meanwhile."""
    is_said = False
    while True:
        beat()
        try:
            connection.ping()
        except (RedisError, OSError) as error:
            if not is_said:
                get_logger(__name__).warning("redis_away", reason=str(error))
                is_said = True
            time.sleep(PAUSE)
        else:
            return


def refusal(url: str) -> str | None:
    """Return why this Redis cannot be used, as one line that says what to do; None when it can."""
    try:
        with Redis.from_url(url, socket_connect_timeout=CONNECTS_WITHIN, socket_timeout=CONNECTS_WITHIN) as connection:
            connection.ping()
    except (RedisError, OSError, ValueError) as error:
        where = url.rpartition("@")[2]
        return f"Redis at {where} cannot be used ({error}). Start it, or correct or unset REDIS_URL."
    return None


if __name__ == "__main__":
    # `python -m karokar.worker`: what bin/up asks before it starts anything.
    sys.exit(refusal(os.environ["REDIS_URL"]))
