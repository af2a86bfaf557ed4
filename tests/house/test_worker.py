"""The worker works on one queue, says that it lives, outlives its Redis, and makes room for the next one."""

import os
import pickle
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from redis import Redis
from rq import Callback, Queue
from rq.serializers import JSONSerializer

from karokar.config import PROJECT
from karokar.supervisor import process, valkey
from karokar.supervisor.process import wait_until

pytestmark = pytest.mark.timeout(180)

RUN = """
import sys, pathlib
from karokar.app import create_app
from karokar.worker import run

def work():
    done = pathlib.Path(sys.argv[2])
    (done / f"done-{len(list(done.glob('done-*')))}").mkdir()

run(create_app(), 'tests', '__main__.work', work, max_jobs=int(sys.argv[1]))
"""


class Working:
    """A worker in a process of its own."""

    def __init__(self, folder: Path, redis_url: str | None, max_jobs: int = 1000) -> None:
        self.heartbeat = folder / "alive"
        self.log = folder / "said"
        settings = {
            "KAROKAR_DATA": str(folder / "data"),
            "KAROKAR_HEARTBEAT": str(self.heartbeat),
            "PATH": os.environ["PATH"],
        }
        if redis_url:
            settings["REDIS_URL"] = redis_url
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RUN, str(max_jobs), str(folder)],
                cwd=PROJECT,
                env=settings,
                stdout=log,
                stderr=log,
            )

    def beats(self) -> bool:
        """Wait for one more sign of life."""
        before = self.heartbeat.stat().st_mtime_ns if self.heartbeat.exists() else 0
        return wait_until(lambda: self.heartbeat.exists() and self.heartbeat.stat().st_mtime_ns != before, within=15)


@pytest.fixture
def working(tmp_path: Path):
    made: list[Working] = []

    def start(redis_url: str | None, **options) -> Working:
        made.append(Working(tmp_path, redis_url, **options))
        return made[-1]

    yield start
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
        each.process.wait()


def queue(connection: Redis) -> Queue:
    return Queue("tests", connection=connection, serializer=JSONSerializer)


def ring(connection: Redis) -> None:
    """Ask for the worker's work, which leaves one folder more."""
    queue(connection).enqueue("__main__.work", result_ttl=0, failure_ttl=0)


def test_it_does_jobs_and_shows_that_it_lives(working, redis_url, tmp_path: Path):
    worker = working(redis_url)
    with Redis.from_url(redis_url) as connection:
        ring(connection)
        assert wait_until((tmp_path / "done-0").exists, within=15), worker.log.read_text()
    assert worker.beats()
    assert worker.beats()


def test_it_stops_when_asked(working, redis_url):
    worker = working(redis_url)
    assert worker.beats()
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(15) == 0


def test_it_makes_room_for_the_next_after_its_share_of_jobs(working, redis_url, tmp_path: Path):
    worker = working(redis_url, max_jobs=2)
    with Redis.from_url(redis_url) as connection:
        for _number in range(3):
            ring(connection)
        assert worker.process.wait(20) == 0
        assert [(tmp_path / f"done-{number}").exists() for number in range(3)] == [True, True, False]


def test_it_waits_for_a_redis_that_is_away_and_lives_meanwhile(working, tmp_path_factory, tmp_path: Path):
    server = valkey.find_server()
    assert server is not None
    folder = tmp_path_factory.mktemp("v")
    socket_path = Path(os.environ["TEST_RUN_DIRECTORY"]) / f"{os.getpid()}.sock"
    command = valkey.command(server, directory=folder, socket_path=socket_path, is_kept=False)
    worker = working(valkey.url(socket_path))
    assert worker.beats()
    assert worker.beats()
    for number in range(2):  # it comes, goes, and comes again
        running = process.start(command)
        assert wait_until(lambda: valkey.is_answering(socket_path), within=10)
        with Redis.from_url(valkey.url(socket_path)) as connection:
            ring(connection)
            assert wait_until((tmp_path / f"done-{number}").exists, within=20), worker.log.read_text()
        process.end(running, within=5)
        assert worker.beats()
    assert worker.process.poll() is None


def test_without_redis_it_says_what_is_missing(working):
    worker = working(None)
    assert worker.process.wait(15) == 1
    assert "set REDIS_URL" in worker.log.read_text()


# Whoever writes to Redis runs nothing here ----------------------------------------------------------------------------


class Reduces:
    """What a pickle makes of it is a call: here of mkdir, elsewhere of anything."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def planted(connection: Redis, kind: str, marker: str) -> None:
    """Put a job into Redis that would make `marker` if the worker did what it says."""
    if kind == "another function":
        queue(connection).enqueue("os.mkdir", marker, failure_ttl=0)
    elif kind == "the work with arguments":
        queue(connection).enqueue("__main__.work", marker, failure_ttl=0)
    elif kind == "a pickle":
        Queue("tests", connection=connection).enqueue("__main__.work", Reduces(marker), failure_ttl=0)
    elif kind == "a pickled note":
        job = queue(connection).enqueue("builtins.print", failure_ttl=0)
        connection.hset(job.key, "meta", zlib.compress(pickle.dumps(Reduces(marker))))
    else:
        job = queue(connection).enqueue("__main__.work", result_ttl=0, on_success=Callback("os.mkdir"))
        connection.hset(job.key, "success_callback_name", "os.system")
        connection.hset(job.key, "failure_callback_name", "os.system")


@pytest.mark.parametrize(
    "kind", ["another function", "the work with arguments", "a pickle", "a pickled note", "a callback"]
)
def test_whoever_writes_to_redis_runs_nothing_but_the_work(working, redis_url, tmp_path: Path, kind: str):
    worker = working(redis_url)
    with Redis.from_url(redis_url) as connection:
        planted(connection, kind, str(tmp_path / "planted"))
        ring(connection)
        done = 2 if kind == "a callback" else 1
        assert wait_until(lambda: len(list(tmp_path.glob("done-*"))) == done, within=15), worker.log.read_text()
    assert not (tmp_path / "planted").exists()
    assert worker.process.poll() is None
