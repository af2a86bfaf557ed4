"""The watch over the parts: what was killed comes back, what is frozen is ended, and all of it stops together."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from karokar.config import PROJECT
from karokar.supervisor import watch
from karokar.supervisor.process import wait_until

# A part that says that it lives, writes down which process it is, and notes when it is asked to stop.
PART = """
import os, pathlib, signal, sys, time
name = sys.argv[1]
folder = pathlib.Path(sys.argv[2])
def stop(*_):
    with (folder / "order").open("a") as order: order.write(name + " ")
    if name != "stubborn": sys.exit(0)
signal.signal(signal.SIGTERM, stop)
(folder / f"{name}.pid").write_text(str(os.getpid()))
while True:
    (folder / f"{name}.alive").touch()
    time.sleep(0.05)
"""

DRIVER = """
import sys
from pathlib import Path
from karokar.supervisor import watch
folder = Path(sys.argv[1])
watch.FROZEN_AFTER = 1.0
watch.STOPS_WITHIN = 1.0
parts = [
    watch.Part(name=name, command=[sys.executable, str(folder / "part.py"), name, str(folder)], environment={},
               directory=folder, heartbeat=folder / f"{name}.alive",
               is_background=name == "background", is_needed_to_stop=name == "server")
    for name in sys.argv[2:]
]
if "broken" in sys.argv:
    parts = [watch.Part(name="broken", command=[sys.executable, "-c", "raise SystemExit(3)"], environment={},
                        directory=folder, heartbeat=folder / "broken.alive")]
def say(line): print(line, flush=True)
try:
    watch.Watch(parts, say).run(lambda: say("ready"))
except watch.NeverStarted as error:
    say(str(error))
    sys.exit(1)
say("stopped")
"""


class Watched:
    """A watch in a process of its own, and what it says."""

    def __init__(self, folder: Path, *parts: str) -> None:
        self.folder = folder
        (folder / "part.py").write_text(PART)
        self._log = (folder / "said").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(DRIVER), str(folder), *parts],
            cwd=PROJECT,
            stdout=self._log,
            stderr=self._log,
        )

    def says(self, sentence: str) -> bool:
        return wait_until(lambda: sentence in self.said(), within=15)

    def said(self) -> str:
        return (self.folder / "said").read_text()

    def pid(self, part: str) -> int:
        file = self.folder / f"{part}.pid"
        assert wait_until(lambda: file.exists() and file.read_text() != "", within=15), self.said()
        return int(file.read_text())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()


@pytest.fixture
def watching(tmp_path: Path):
    made: list[Watched] = []

    def start(*parts: str) -> Watched:
        made.append(Watched(tmp_path, *parts))
        return made[-1]

    yield start
    for each in made:
        each.close()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_it_is_ready_when_every_part_has_shown_that_it_lives(watching):
    watched = watching("first", "second")
    assert watched.says("ready")
    assert is_running(watched.pid("first"))
    assert is_running(watched.pid("second"))


def test_a_killed_part_is_started_again(watching):
    watched = watching("part")
    assert watched.says("ready")
    before = watched.pid("part")
    os.kill(before, signal.SIGKILL)
    # Within two seconds is the promise; a busy machine gets a little more before a test calls it broken.
    assert wait_until(lambda: watched.pid("part") != before, within=5)
    assert watched.says("part ended (killed by SIGKILL): it is started again.")


def test_a_frozen_part_is_ended_and_started_again(watching):
    watched = watching("part")
    assert watched.says("ready")
    before = watched.pid("part")
    os.kill(before, signal.SIGSTOP)
    assert watched.says("part gave no sign of life")
    assert wait_until(lambda: watched.pid("part") != before, within=5)
    assert not is_running(before)


def test_a_part_has_ten_seconds_to_give_a_sign_of_life():
    assert watch.FROZEN_AFTER == 10


def test_what_others_need_stops_last(watching):
    watched = watching("server", "second", "third")
    assert watched.says("ready")
    watched.process.send_signal(signal.SIGTERM)
    assert watched.process.wait(15) == 0
    order = (watched.folder / "order").read_text().split()
    assert sorted(order) == ["second", "server", "third"]
    assert order[-1] == "server"


def test_a_background_part_starts_when_those_before_it_live(watching):
    watched = watching("server", "second", "background")
    assert watched.says("ready")
    first, last = watched.folder / "second.pid", watched.folder / "background.pid"
    assert first.stat().st_mtime_ns < last.stat().st_mtime_ns


def test_a_part_that_does_not_stop_when_asked_is_ended(watching):
    watched = watching("stubborn")
    assert watched.says("ready")
    pid = watched.pid("stubborn")
    watched.process.send_signal(signal.SIGINT)
    assert watched.process.wait(15) == 0
    assert not is_running(pid)


def test_a_frozen_part_stops_with_the_others(watching):
    watched = watching("first", "second")
    assert watched.says("ready")
    pid = watched.pid("second")
    os.kill(pid, signal.SIGSTOP)
    watched.process.send_signal(signal.SIGTERM)
    assert watched.process.wait(15) == 0
    assert not is_running(pid)


def test_the_parts_die_with_a_watch_that_is_killed(watching):
    watched = watching("first", "second")
    assert watched.says("ready")
    pids = [watched.pid("first"), watched.pid("second")]
    watched.process.kill()
    watched.process.wait()
    assert wait_until(lambda: not any(is_running(pid) for pid in pids), within=5)


def test_a_part_that_never_works_ends_the_start(watching):
    watched = watching("broken")
    assert watched.process.wait(30) == 1
    assert "broken does not start (exit status 3)" in watched.said()


@pytest.mark.timeout(30)  # fifty waits for an answer would take longer
def test_a_probe_does_not_wait_for_a_server_that_does_not_answer(tmp_path: Path):

    with socket.create_server(("127.0.0.1", 0)) as silent:
        probe = watch._Probe(watch.Question(silent.getsockname(), b"anybody?"))
        answers = [probe.is_answered() for _ in range(50)]
        probe.close()
        assert not any(answers)
