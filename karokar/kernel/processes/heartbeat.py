"""How a supervised process says that it is alive.

`bin/up` names a file in KAROKAR_HEARTBEAT for the relay and for each worker. Their loops call `beat()` at least every
few seconds, long work between its pieces; who has been silent for ten seconds is taken for frozen, ended, and started
again. Without a supervisor `beat()` does nothing.
"""

import contextlib
import os
from pathlib import Path


def beat() -> None:
    """Say "alive". Costs one system call; call it once per round of a loop, never from a thread of its own."""
    path = os.environ.get("KAROKAR_HEARTBEAT")
    if path:
        with contextlib.suppress(OSError):
            Path(path).touch()
