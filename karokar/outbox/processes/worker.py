"""What a worker does when it is woken: it delivers, and stays awake for a moment."""

import time

from karokar.outbox import wakeup
from karokar.outbox.delivery.drain import deliver_round, drain
from karokar.outbox.store import open_store

AWAKE_SECONDS = 0.2
"""How long a worker stays awake after the last event: a job of RQ costs as much as some dozen looks."""

LONGEST_AWAKE_SECONDS = 5.0
"""For so long at most while events keep coming: a worker that is asked to stop ends its job first."""


def attend() -> None:
    """Drain, and stay awake for a moment: what comes meanwhile is delivered at once, not by a job of its own.

    This is the RQ job. While it is awake the bell is held, so nobody queues another job. Before it leaves, it drains
    once more, which lets go of the bell first: who found the bell held had committed before, so his event is seen.
    """
    leaves_at = time.monotonic() + LONGEST_AWAKE_SECONDS
    if drain():
        return
    with open_store() as store:
        now = busy_at = time.monotonic()
        held_at = 0.0
        while now < min(leaves_at, busy_at + AWAKE_SECONDS):
            if now - held_at > wakeup.HELD_FOR_SECONDS / 3:
                if not wakeup.hold():
                    break
                held_at = now
            if deliver_round(store):
                busy_at = time.monotonic()
            else:
                # Who was busy a moment ago looks again soon.
                time.sleep(min(max((now - busy_at) / 10, 0.001), 0.010))
            now = time.monotonic()
    drain()
