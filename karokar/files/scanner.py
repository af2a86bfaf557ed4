"""Asks a virus scanner about a file, where one is set: clamd, by its INSTREAM command over a Unix or TCP socket.

A scanner that does not answer lets nothing in: whoever sets one wants nothing unscanned, and people can try again.
"""

import socket
import struct
from pathlib import Path
from urllib.parse import urlsplit

from karokar.kernel.log import get_logger
from karokar.kernel.settings import settings

INFECTED, UNREACHABLE = "INFECTED", "UNREACHABLE"

_PIECE = 64 * 1024
_TIMEOUT_S = 20
_LONGEST_ANSWER = 4096


def scan(path: Path) -> str:
    """Return INFECTED, UNREACHABLE, or "" for a file that may come in."""
    address = settings().clamd
    if address is None:
        return ""
    try:
        answer = _ask(address, path)
    except OSError as error:
        get_logger(__name__).error("scanner_unreachable", error=str(error))
        return UNREACHABLE
    if answer.endswith(" FOUND"):
        get_logger(__name__).warning("malware_refused", found=answer.removeprefix("stream: "))
        return INFECTED
    if answer == "stream: OK":
        return ""
    # Its limit of size, or a fault of its own: it has not looked at the whole file.
    get_logger(__name__).error("scanner_failed", answer=answer)
    return UNREACHABLE


def answers() -> bool:
    """Whether the scanner that is set is there."""
    try:
        with _connected(settings().clamd or "") as link:
            link.sendall(b"zPING\0")
            return _answer(link) == "PONG"
    except OSError:
        return False


def _ask(address: str, path: Path) -> str:
    with _connected(address) as link, path.open("rb") as file:
        try:
            link.sendall(b"zINSTREAM\0")
            while piece := file.read(_PIECE):
                link.sendall(struct.pack(">I", len(piece)) + piece)
            link.sendall(struct.pack(">I", 0))
        except (BrokenPipeError, ConnectionResetError):
            # It stops listening to what is too large for it, and says so.
            pass
        return _answer(link)


def _answer(link: socket.socket) -> str:
    found = b""
    while not found.endswith(b"\0") and len(found) < _LONGEST_ANSWER and (piece := link.recv(_LONGEST_ANSWER)):
        found += piece
    return found.rstrip(b"\0\n").decode(errors="replace")


def _connected(address: str) -> socket.socket:
    parts = urlsplit(address)
    if parts.scheme == "unix":
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(_TIMEOUT_S)
        try:
            link.connect(parts.path)
        except OSError:
            link.close()
            raise
        return link
    return socket.create_connection((parts.hostname or "", parts.port or 3310), timeout=_TIMEOUT_S)
