"""The program that reads one file with limits on itself, and says on its output, as JSON, what it found.

    python -m karokar.files.child TASK SOURCE TARGET OPTIONS

It imports nothing of KaroKar but the plain functions beside it: it knows no database, no settings and no secrets.
"""

import contextlib
import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROCESSOR_S = 20
LARGEST_MEMORY = 1536 * 1024 * 1024
"""Address space in bytes: a picture of the largest number of pixels, four bytes for each, decoded and turned."""
LARGEST_FILE = 1024 * 1024 * 1024
LARGEST_ANSWER = 16 * 1024 * 1024

LIMIT_REACHED = "LIMIT_REACHED"


def limit_oneself() -> None:
    """Bound processor time, memory, files and their size, and be the first to go where the machine runs short."""
    _limit(resource.RLIMIT_CPU, PROCESSOR_S)
    _limit(resource.RLIMIT_AS, LARGEST_MEMORY)
    _limit(resource.RLIMIT_FSIZE, LARGEST_FILE)
    _limit(resource.RLIMIT_NOFILE, 64)
    _limit(resource.RLIMIT_CORE, 0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    os.nice(5)


def _limit(what: int, most: int) -> None:
    # macOS knows the names and refuses some of them; time and pixels are bounded there all the same.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(what, (most, most))


def _tasks() -> dict[str, Callable[..., dict[str, Any]]]:
    # Each imports its own library when it runs, so that a picture does not wait for what reads workbooks.
    from karokar.files.formats import pdf, pictures, workbook

    return {
        "picture": pictures.take_in,
        "stored": pictures.clean_stored,
        "pdf": pdf.look_at,
        "workbook": workbook.read,
    }


def main(task: str, source: str, target: str, options: str) -> None:
    """Do the task, and write what it returned."""
    limit_oneself()
    try:
        answer = _tasks()[task](Path(source), Path(target), **json.loads(options))
    except MemoryError:
        answer = {"refused": LIMIT_REACHED}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
