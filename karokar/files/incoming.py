"""What is being received: written to disk as it comes, piece by piece, and gone when its request has ended."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from karokar.kernel import clock
from karokar.kernel.schedule import every
from karokar.kernel.settings import settings

PIECE = 64 * 1024
_ABANDONED_S = 3600


@dataclass(frozen=True)
class Incoming:
    """A file as it was sent: where it lies, how long it is, and the SHA-256 of its bytes."""

    path: Path
    size: int
    sha256: str


@contextlib.contextmanager
def receive(stream: IO[bytes], most: int) -> Iterator[Incoming]:
    """Write a stream to a file of this user only, `most` + 1 bytes of it, which tells one that is too large.

    The file goes at the end of the block, unless it was moved away.
    """
    folder = settings().data / "incoming"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder)
    digest, left = hashlib.sha256(), most + 1
    try:
        with os.fdopen(descriptor, "wb") as file:
            while left > 0 and (piece := stream.read(min(PIECE, left))):
                digest.update(piece)
                file.write(piece)
                left -= len(piece)
        yield Incoming(Path(name), most + 1 - left, digest.hexdigest())
    finally:
        Path(name).unlink(missing_ok=True)


@every(3600)
def sweep_incoming() -> int:
    """Remove what a process that died while it received a file has left, and return how many files these were."""
    removed, before = 0, clock.now().timestamp() - _ABANDONED_S
    for path in (settings().data / "incoming").glob("tmp*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                path.unlink()
                removed += 1
    return removed
