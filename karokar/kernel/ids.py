"""Identifiers: UUID version 7 (RFC 9562), so that ids sort by the time at which they were made."""

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def new_id() -> UUID:
    """Return a new UUIDv7, greater than every one made earlier by this process.

    The 12 bits after the millisecond carry its sub-millisecond fraction (RFC 9562, section 6.2, method 3), raised by
    one step where two ids would fall into the same one.
    """
    global _last  # noqa: PLW0603 - the order of ids is a property of the process
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    stamp = (milliseconds << 12) | (rest * 4096 // 1_000_000)
    with _lock:
        stamp = max(stamp, _last + 1)
        _last = stamp
    random = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return UUID(int=(stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | random)
