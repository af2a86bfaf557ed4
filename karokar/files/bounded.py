"""Runs what reads other people's files in a process of its own, with limits on time, memory and output.

The libraries that decode pictures, PDFs and workbooks are large, and a file may be made to fill the memory, to take
minutes or to crash them. A process that does this ends alone: the web worker says a sentence instead.
"""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from karokar.files.child import LARGEST_ANSWER, LIMIT_REACHED
from karokar.kernel.actor import current_actor
from karokar.kernel.log import get_logger
from karokar.kernel.settings import settings

Task = Literal["picture", "stored", "pdf", "workbook"]

LONGEST_S = 30
"""Seconds that one file may take; its processor time has a limit of its own, see `child`."""
AT_ONCE = 2
"""Files read at the same time on one machine, whatever the number of web workers: the memory of each is bounded, so
the memory of all is.
"""
PATIENCE_S = 30
_TURNS = 64
_STEP_S = 0.02
_PROJECT = Path(__file__).resolve().parents[2]


class LimitReached(Exception):
    """The file took more time or memory than a file of its kind needs, or crashed what reads it."""


class TooBusy(Exception):
    """Other files were being read all the time that this one could wait."""


def run(task: Task, source: Path, target: Path | None = None, **options: Any) -> dict[str, Any]:
    """Return what the process found out about the file `source`; what it makes of it is written to `target`.

    Raises LimitReached and TooBusy. Open no transaction around it: it takes as long as the file takes.
    """
    arguments = [task, str(source), str(target or ""), json.dumps(options)]
    command = [sys.executable, "-m", "karokar.files.child", *arguments]
    # Nothing of the environment goes in: neither settings nor secrets are of use to it.
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    with _turn_of_organization(), _slot():
        try:
            done = subprocess.run(  # noqa: S603 - our own program, and paths that we made
                command,
                cwd=_PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            get_logger(__name__).warning("file_process_too_slow", task=task)
            raise LimitReached from None
    if done.returncode != 0 or len(done.stdout) > LARGEST_ANSWER:
        # A limit, a crash of a decoder, or a bug of ours: each ends this one file, and is found in the log.
        error = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        get_logger(__name__).warning("file_process_failed", task=task, code=done.returncode, error="".join(error)[:300])
        raise LimitReached
    answer: dict[str, Any] = json.loads(done.stdout)
    if answer.get("refused") == LIMIT_REACHED:
        raise LimitReached
    return answer


@contextlib.contextmanager
def _turn_of_organization() -> Iterator[None]:
    """Let an organization have one of the places at a time, so that its many files leave the other one to others.

    Raises TooBusy. Two organizations may share a lock by chance: then they wait for each other, too.
    """
    organization_id = current_actor().organization_id
    if organization_id is None:
        yield
        return
    with _lock([f"turn-{organization_id.int % _TURNS}"]):
        yield


@contextlib.contextmanager
def _slot() -> Iterator[None]:
    """Hold one of the places; a process that dies gives its place back. Raises TooBusy."""
    with _lock([f"slot-{number}" for number in range(AT_ONCE)]):
        yield


@contextlib.contextmanager
def _lock(names: Sequence[str]) -> Iterator[None]:
    """Hold whichever of these locks is free first; it ends with the process. Raises TooBusy."""
    folder = settings().data / "incoming"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        for name in names:
            file = (folder / f"{name}.lock").open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            with file:
                yield
            return
        if time.monotonic() > give_up_at:
            raise TooBusy
        time.sleep(_STEP_S)
