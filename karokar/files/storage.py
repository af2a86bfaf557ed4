"""Where documents lie: by the SHA-256 of their content, outside of what the web server serves.

A file is what it was: it is compared with its name before it is read, and a link in its place is not followed.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal, Protocol

from karokar.kernel.errors import DomainError
from karokar.kernel.settings import settings

_CHUNK = 1024 * 64
State = Literal["whole", "missing", "damaged"]


class FileLost(DomainError):
    """What was kept is missing, or is no longer what it was (404)."""

    status = 404

    def __init__(self, state: State) -> None:
        super().__init__("FILE_LOST", SENTENCES[state])
        self.state = state


SENTENCES: dict[State, str] = {
    "missing": "This file is missing in the storage. Whoever runs this console can bring it back from a backup.",
    "damaged": (
        "This file was changed or damaged in the storage, so it is not shown. Whoever runs this console can bring it "
        "back from a backup."
    ),
}


class Storage(Protocol):
    """Keeps contents under their hash. Keeping the same content twice keeps it once."""

    def keep(self, source: Path, sha256: str) -> None:
        """Keep the content of a file whose SHA-256 this is. Raises OSError where it cannot."""

    def read(self, sha256: str) -> Iterator[bytes]:
        """Return the content in pieces. Raises FileLost where it is missing or is not what was kept."""

    def state(self, sha256: str) -> State:
        """Whether what is kept under the hash is there and is what was kept."""

    def forget(self, sha256: str) -> None:
        """Remove what is kept under the hash."""


class Folder:
    """Keeps contents as files of one folder, readable by this user only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, source: Path, sha256: str) -> None:
        """Keep the content: it is there completely, or not at all. What is damaged is replaced by what is whole."""
        if self.state(sha256) == "whole":
            return
        target = self._file(sha256)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file, source.open("rb") as given:
                shutil.copyfileobj(given, file, _CHUNK)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(target)
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise

    def read(self, sha256: str) -> Iterator[bytes]:
        """Return the content in pieces, from the very file that was compared."""
        file = self._opened(sha256)

        def pieces() -> Iterator[bytes]:
            with file:
                while piece := file.read(_CHUNK):
                    yield piece

        return pieces()

    def state(self, sha256: str) -> State:
        """Whether what is kept under the hash is there and is what was kept."""
        try:
            self._opened(sha256).close()
        except FileLost as lost:
            return lost.state
        return "whole"

    def forget(self, sha256: str) -> None:
        """Remove what is kept under the hash."""
        self._file(sha256).unlink(missing_ok=True)

    def _opened(self, sha256: str) -> IO[bytes]:
        path = self._file(sha256)
        if path.is_symlink() or path.parent.is_symlink():
            raise FileLost("damaged")
        try:
            file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        except (FileNotFoundError, NotADirectoryError):
            raise FileLost("missing") from None
        except OSError:
            # A link that came in between, a folder, or a disk that cannot be read.
            raise FileLost("damaged") from None
        with contextlib.ExitStack() as stack:
            stack.enter_context(file)
            try:
                is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
                digest = hashlib.sha256()
                while is_file and (piece := file.read(_CHUNK)):
                    digest.update(piece)
            except OSError:
                raise FileLost("damaged") from None
            if not is_file or digest.hexdigest() != sha256:
                raise FileLost("damaged")
            file.seek(0)
            stack.pop_all()
        return file

    def _file(self, sha256: str) -> Path:
        if len(sha256) != 64 or not all(letter in "0123456789abcdef" for letter in sha256):
            raise FileLost("missing")
        return self._path / sha256[:2] / sha256


def storage() -> Storage:
    """Return the storage of this installation: the folder `documents` of its data."""
    return Folder(settings().data / "documents")
