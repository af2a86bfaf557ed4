"""A throw-away PgBouncer in transaction mode before this run's PostgreSQL: on PATH, else from the package manager."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from karokar.supervisor import process
from tests.servers import postgresql

PORT = 6432
SYSTEM = "/usr/sbin/pgbouncer"
MISSING = "NOT CHECKED: KaroKar behind PgBouncer. Put pgbouncer on PATH (apt-get install pgbouncer)."
# So few connections to the server that each serves all clients in turn: what a client leaves behind in a session is
# met by another one.
SETTINGS = """
[databases]
* = host={server} user={role}
[pgbouncer]
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 200
listen_addr =
listen_port = {port}
unix_socket_dir = {directory}
auth_type = any
logfile =
"""


def find() -> str | None:
    """Path of an installed PgBouncer, or None."""
    return shutil.which("pgbouncer") or (SYSTEM if os.access(SYSTEM, os.X_OK) else None)


def provide() -> str:
    """Path of a PgBouncer, installed now if the machine lets us. Raises RuntimeError with what to do otherwise."""
    found = find()
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "--yes", "install", "pgbouncer"]):
            subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL)
        found = find()
    if found is None:
        raise RuntimeError(MISSING)
    return found


def url(directory: Path, database: str) -> str:
    """Address of a database of the server behind the pooler in `directory`."""
    return f"postgresql://{postgresql.ROLE}@/{database}?host={directory}&port={PORT}"


@contextlib.contextmanager
def running(directory: Path, *, connections: int = 3) -> Iterator[str]:
    """Run a pooler in `directory` (short path) before the PostgreSQL beside it; yields its `postgres` database.

    It holds so many connections to the server for each database.
    """
    program = provide()
    directory.mkdir(parents=True, exist_ok=True)
    user = postgresql.server_user()
    server = directory.parent / "postgresql"
    settings = directory / "pgbouncer.ini"
    settings.write_text(
        SETTINGS.format(server=server, role=postgresql.ROLE, connections=connections, port=PORT, directory=directory)
    )
    if user is not None:
        shutil.chown(directory, user)
    with (directory / "log").open("wb") as log:
        pooler = process.start([program, str(settings)], cwd=directory, output=log.fileno(), user=user)
    try:
        address = url(directory, "postgres")
        if not process.wait_until(lambda: pooler.poll() is not None or postgresql.is_answering(address), within=30):
            raise RuntimeError("PgBouncer does not answer.")
        if pooler.poll() is not None:
            raise RuntimeError(f"PgBouncer ended: {(directory / 'log').read_text()[-2000:]}")
        yield address
    finally:
        process.end(pooler, within=5)


if __name__ == "__main__":
    try:
        print(provide())
    except RuntimeError as error:
        sys.exit(str(error))
