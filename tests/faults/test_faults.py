"""Workers killed and frozen at named points, by chance with a seed: nothing lost, nothing twice, order kept.

`bin/faults` runs the same at any size.
"""

import sys

import pytest

from karokar.config import PROJECT
from karokar.supervisor import process

pytestmark = pytest.mark.slow

RUNS = {
    "sqlite": ("--events", "140"),
    "sqlite and rq": ("--events", "60", "--by", "rq", "--kill", "0.03"),
    "postgresql": ("--events", "140", "--database", "postgresql"),
    "postgresql and rq": ("--events", "80", "--database", "postgresql", "--by", "rq", "--kill", "0.03"),
    "postgresql restarted": ("--events", "80", "--database", "postgresql", "--restart", "--freeze", "0"),
}
BROKEN = {
    "effects and progress committed apart": (
        "done twice",
        ("--broken", "apart", "--events", "60", "--kill", "0", "--freeze", "0"),
    ),
    "a lost batch's progress committed before its retries": (
        "lost",
        ("--broken", "losses apart", "--events", "100", "--kill", "0.05", "--freeze", "0"),
    ),
    "events read by a cursor": (
        "lost",
        ("--broken", "cursor", "--database", "postgresql", "--events", "100", "--kill", "0", "--freeze", "0"),
    ),
}


def run(tmp_path, *options: str) -> tuple[int, str]:
    log = tmp_path / "log"
    with log.open("wb") as output:
        started = process.start(
            [sys.executable, "-m", "tests.faults.harness", "--within", "90", *options],
            cwd=PROJECT,
            output=output.fileno(),
        )
        try:
            status = started.wait(110)
        finally:
            process.end(started, within=1)
    return status, log.read_text()


@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_lost_doubled_or_reordered_while_workers_are_killed_and_frozen(tmp_path, name):
    status, log = run(tmp_path, *RUNS[name])
    assert status == 0, log[-4000:]
    assert " 0 kills" not in log


@pytest.mark.parametrize("name", BROKEN)
def test_an_engine_that_breaks_its_promise_is_caught(tmp_path, name):
    word, options = BROKEN[name]
    status, log = run(tmp_path, *options)
    assert status == 1, log[-4000:]
    assert word in log
