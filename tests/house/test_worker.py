"""The worker works on one queue, says that it lives, outlives its Redis, and makes room for the next one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue

from karokar.config import PROJECT
from karokar.supervisor import process, valkey
from karokar.supervisor.process import wait_until

pytestmark = pytest.mark.timeout(180)

RUN = "import sys; from karokar.app import create_app; from karokar.worker import run; run(create_app(), 'tests', max_jobs=int(sys.argv[1]))"


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
                [sys.executable, "-c", RUN, str(max_jobs)], cwd=PROJECT, env=settings, stdout=log, stderr=log
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


def ring(connection: Redis, marker: Path) -> None:
    """A job that leaves a file: something every Python has, so that the worker imports nothing of the tests."""
    Queue("tests", connection=connection).enqueue("os.mkdir", str(marker), result_ttl=0, failure_ttl=0)


def test_it_does_jobs_and_shows_that_it_lives(working, redis_url, tmp_path: Path):
    worker = working(redis_url)
    with Redis.from_url(redis_url) as connection:
        ring(connection, tmp_path / "done")
        assert wait_until((tmp_path / "done").exists, within=15), worker.log.read_text()
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
        for number in range(3):
            ring(connection, tmp_path / f"done-{number}")
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
            ring(connection, tmp_path / f"done-{number}")
            assert wait_until((tmp_path / f"done-{number}").exists, within=20), worker.log.read_text()
        process.end(running, within=5)
        assert worker.beats()
    assert worker.process.poll() is None


def test_without_redis_it_says_what_is_missing(working):
    worker = working(None)
    assert worker.process.wait(15) == 1
    assert "set REDIS_URL" in worker.log.read_text()
