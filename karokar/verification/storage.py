"""Where documents lie: by the SHA-256 of their content, outside of what the web server serves."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from karokar.kernel.settings import settings

_CHUNK = 1024 * 64


class Storage(Protocol):
    """Keeps contents under their hash. Keeping the same content twice keeps it once."""

    def keep(self, content: bytes) -> str:
        """Keep the content and return its SHA-256 in hexadecimal. Raises OSError where it cannot."""

    def has(self, sha256: str) -> bool:
        """Whether something is kept under the hash."""

    def read(self, sha256: str) -> Iterator[bytes]:
        """Return the content in pieces. Raises FileNotFoundError where nothing is kept under the hash."""


class Folder:
    """Keeps contents as files of one folder, readable by this user only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, content: bytes) -> str:
        """Keep the content: it is there completely, or not at all."""
        digest = hashlib.sha256(content).hexdigest()
        target = self._file(digest)
        if target.exists():
            return digest
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(target)
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise
        return digest

    def has(self, sha256: str) -> bool:
        """Whether something is kept under the hash."""
        return self._file(sha256).is_file()

    def read(self, sha256: str) -> Iterator[bytes]:
        """Return the content in pieces."""
        file = self._file(sha256).open("rb")

        def pieces() -> Iterator[bytes]:
            with file:
                while piece := file.read(_CHUNK):
                    yield piece

        return pieces()

    def _file(self, sha256: str) -> Path:
        if len(sha256) != 64 or not all(letter in "0123456789abcdef" for letter in sha256):
            raise FileNotFoundError(sha256)
        return self._path / sha256[:2] / sha256


def storage() -> Storage:
    """Return the storage of this installation: the folder `documents` of its data."""
    return Folder(settings().data / "documents")
