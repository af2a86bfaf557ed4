"""Keeps one server alive for one test run: `python -m tests.servers.keeper KIND RUN_DIRECTORY CONTROLLER_PID`.

The first worker that needs a server starts its keeper; all workers share it. The keeper ends the server when the test
run asks, and when the run is gone, however it went.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RUN_DIRECTORY = "TEST_RUN_DIRECTORY"
CONTROLLER = "TEST_RUN_CONTROLLER"
PROJECT = Path(__file__).resolve().parent.parent.parent
STARTS_WITHIN = 60.0


def begin_run() -> None:
    """Make this run's directory; called once, by the process that people started."""
    if RUN_DIRECTORY not in os.environ:
        disk = _quick_disk()
        _remove_what_killed_runs_left(Path(disk))
        os.environ[RUN_DIRECTORY] = tempfile.mkdtemp(prefix="kk-", dir=disk)
        (run_directory() / "controller").write_text(str(os.getpid()))
        os.environ[CONTROLLER] = str(os.getpid())


def end_run() -> None:
    """Stop this run's servers and leave nothing behind; does nothing in the run's workers."""
    if os.environ.get(CONTROLLER) != str(os.getpid()):
        return
    run = run_directory()
    keepers = [int(path.read_text()) for path in run.glob("*.pid")]
    for pid in keepers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while any(_is_running(pid) for pid in keepers) and time.monotonic() < deadline:
        time.sleep(0.02)
    shutil.rmtree(run, ignore_errors=True)
    del os.environ[RUN_DIRECTORY], os.environ[CONTROLLER]


def run_directory() -> Path:
    """This run's directory: a short path, removed at its end."""
    return Path(os.environ[RUN_DIRECTORY])


@contextlib.contextmanager
def once(name: str) -> Iterator[Path]:
    """Let one worker at a time through; yields the file whose presence says that the work is done already."""
    run = run_directory()
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield run / f"{name}.done"


def server(kind: str) -> str:
    """Return the address of this run's server of that kind, started by whoever asks first."""
    run = run_directory()
    with once(kind) as done:
        if not done.exists():
            with (run / f"{kind}.out").open("wb") as output:
                keeper = subprocess.Popen(
                    [sys.executable, "-m", "tests.servers.keeper", kind, str(run), os.environ[CONTROLLER]],
                    cwd=PROJECT,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            (run / f"{kind}.pid").write_text(str(keeper.pid))
            keeper.returncode = 0  # it is the run's, not this worker's: nobody here waits for it
            deadline = time.monotonic() + STARTS_WITHIN
            while not done.exists():
                if not _is_running(keeper.pid) or time.monotonic() > deadline:
                    raise RuntimeError(f"The {kind} server did not start: {(run / f'{kind}.out').read_text()[-2000:]}")
                time.sleep(0.02)
        return done.read_text()


def _remove_what_killed_runs_left(disk: Path) -> None:
    for note in disk.glob("kk-*/controller"):
        with contextlib.suppress(OSError, ValueError):
            if note.stat().st_uid == os.geteuid() and not _is_running(int(note.read_text())):
                shutil.rmtree(note.parent, ignore_errors=True)


def _quick_disk() -> str:
    # Databases of tests need no disk that survives a power cut.
    memory = Path("/dev/shm")  # noqa: S108 -- mkdtemp makes the directory
    if memory.is_dir() and os.access(memory, os.W_OK):
        runs_programs = not os.statvfs(memory).f_flag & os.ST_NOEXEC
        if runs_programs and shutil.disk_usage(memory).free > 2 * 1024**3:
            return str(memory)
    return "/tmp"  # noqa: S108 -- short enough for sockets, unlike some TMPDIRs; mkdtemp makes the directory


def _is_running(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A dead process that nobody has buried yet is dead. Its name, in parentheses, may hold anything.
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"


def _keep(kind: str, run: Path, controller: int) -> None:
    from tests.servers import pgbouncer, postgresql, valkey

    running = {"postgresql": postgresql.running, "pgbouncer": pgbouncer.running, "valkey": valkey.running}[kind]
    is_asked_to_end = False

    def ask(*_: object) -> None:
        nonlocal is_asked_to_end
        is_asked_to_end = True

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    with running(run / kind) as address:
        draft = run / f"{kind}.draft"
        draft.write_text(address)
        draft.rename(run / f"{kind}.done")
        while not is_asked_to_end and _is_running(controller):
            time.sleep(0.1)
    if not is_asked_to_end:
        shutil.rmtree(run, ignore_errors=True)


if __name__ == "__main__":
    _keep(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
