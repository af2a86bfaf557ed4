"""Starting processes that cannot outlive us, and ending them with everything that they started."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: the child only calls it.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(with_signal: int = signal.SIGKILL, *, parent: int | None = None) -> None:
    """Ask the kernel to end this process when the thread that started it ends (Linux; elsewhere this does nothing).

    Everything that KaroKar runs may be killed at any time without losing anything, so the default is SIGKILL. With
    `parent`, a parent that ended before this was asked is noticed too.
    """
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def dying_with(parent: int, with_signal: int = signal.SIGKILL) -> Callable[[], None]:
    """Return what a child runs between fork and exec to die with `parent`."""

    def prepare() -> None:
        die_with_parent(with_signal, parent=parent)

    return prepare


def start(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: int | None = None,
    error: int | None = None,
    pass_fds: Sequence[int] = (),
    user: str | None = None,
    with_signal: int = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start `command` as the leader of its own session, dying with us. Raises OSError when it cannot be started.

    Call from the main thread: on Linux the child dies with the thread that started it. `output` is a descriptor for
    both of its output streams (default: ours), `error` one for the second alone. As `user`, it has only that user's
    group.
    """
    return subprocess.Popen(
        list(command),
        env=dict(env) if env is not None else None,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output if error is None else error,
        start_new_session=True,
        pass_fds=tuple(pass_fds),
        user=user,
        group=_group_of(user),
        extra_groups=[] if user is not None else None,
        # Safe here: callers start processes from their main thread, and the function only makes two system calls.
        preexec_fn=dying_with(os.getpid(), with_signal),  # noqa: PLW1509
    )


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to the process and everything it started that stayed in its session's group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def end(process: subprocess.Popen[bytes], *, within: float, with_signal: int = signal.SIGTERM) -> None:
    """Ask the process to stop, wait up to `within` seconds, then end it and all that it started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(with_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(within)
    signal_group(process, signal.SIGKILL)
    process.wait()


def is_stopped(pid: int) -> bool:
    """Whether somebody stopped the process (SIGSTOP); Linux tells, elsewhere this is False."""
    try:
        # The name in parentheses may hold anything; the state is the first word after it.
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0] == "T"
        )
    except (OSError, IndexError):
        return False


def wait_until(condition: Callable[[], bool], *, within: float, every: float = 0.02) -> bool:
    """Wait until `condition` holds; False when it does not within so many seconds."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def _group_of(user: str | None) -> int | None:
    if user is None:
        return None
    import pwd

    return pwd.getpwnam(user).pw_gid
