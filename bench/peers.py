"""Other queues on the same work, in the same run: for each event three handlers of one INSERT, one worker.

Each runs in an environment of its own (`bin/setup --bench`) and is given a new PostgreSQL cluster with
fsync on and a new Valkey. None of them keeps order, and none counts an effect once: a killed worker's job runs again.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from karokar.config import PROJECT
from tests.servers import postgresql, valkey

PEERS = {
    "rq": "RQ, one job per delivery",
    "huey": "Huey",
    "celery": "Celery, solo pool",
    "procrastinate": "procrastinate",
    "pgqueuer": "pgqueuer",
}
PROGRAM = Path(__file__).with_name("peer.py")


def main(events: int = 1000) -> None:
    """Print a line of the table per peer."""
    python = _environment()
    for name, title in PEERS.items():
        print(f"| {title} | – | {_measure(python, name, events)} |", flush=True)


def _environment() -> Path:
    subprocess.run([str(PROJECT / "bin" / "setup"), "--bench"], check=True)
    return PROJECT / "var" / "bench" / "bin" / "python"


def _measure(python: Path, name: str, events: int) -> str:
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kk-", ignore_cleanup_errors=True)))
        address = stack.enter_context(postgresql.running(directory / "pg", {"fsync": "on", "full_page_writes": "on"}))
        socket_path = stack.enter_context(valkey.running(directory / "valkey"))
        try:
            run = subprocess.run(
                [str(python), str(PROGRAM), name, str(events)],
                env={**os.environ, "PEER_DATABASE": address, "PEER_REDIS": socket_path},
                cwd=directory,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "did not end within 300 s"
    found = re.search(r"^RATE (\d+)$", run.stdout, re.MULTILINE)
    if run.returncode or found is None:
        print(run.stdout[-500:], run.stderr[-1500:], file=sys.stderr)
        return "did not run here"
    return f"{int(found[1]):,} ev/s"


if __name__ == "__main__":
    main()
