"""`bin/up` as a person uses it: a process, an address, what it says."""

import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from karokar.config import PROJECT
from karokar.supervisor.process import wait_until

STARTS_WITHIN = 90.0


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class Console:
    """One `bin/up`; settings are keyword arguments, all others are taken out of the environment."""

    def __init__(
        self, data: Path, *options: str, port: int | None = None, said: Path | None = None, **settings: str
    ) -> None:
        self.data = data
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = said or data.parent / f"said-{self.port}"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [str(PROJECT / "bin/up"), "--data", str(data), "--port", str(self.port), *options],
                env={**kept, **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=data.parent,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def is_ready(self) -> bool:
        """Wait until it says that it runs; False when it ends before."""
        wait_until(
            lambda: "KaroKar runs at" in self.said or self.process.poll() is not None, within=STARTS_WITHIN, every=0.1
        )
        return "KaroKar runs at" in self.said and self.process.poll() is None

    def refusal(self) -> str:
        """Wait for a start that ends by itself; its one line. The status must not be 0."""
        status = self.process.wait(STARTS_WITHIN)
        assert status == 1, (status, self.said)
        lines = [line for line in self.said.splitlines() if line.startswith("KaroKar did not start")]
        assert len(lines) == 1, self.said
        assert "Traceback" not in self.said
        return lines[0]

    def get(self, path: str, within: float = 10) -> tuple[int, str]:
        """Status and text of a page; (0, "") while nobody answers."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=within) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def parts(self) -> dict[str, int]:
        """The parts that run now, by name, with their process ids."""
        return {name: pid for pid, parent, name in processes() if parent == self.process.pid}

    def descendants(self) -> set[int]:
        """Everything that was started by it, however far down."""
        found, every = {self.process.pid}, processes()
        while more := {pid for pid, parent, _ in every if parent in found} - found:
            found |= more
        return found - {self.process.pid}

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ask it to stop, as Ctrl-C does; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(30)

    def close(self) -> None:
        """End it, whatever happened."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def processes() -> list[tuple[int, int, str]]:
    """Every process: its id, its parent's, and which part of KaroKar it looks like."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    found = []
    for line in listed.splitlines():
        pid, parent, state, arguments = line.split(maxsplit=3)
        if not state.startswith("Z"):
            name = re.search(r"gunicorn|valkey-server|redis-server|events relay|events worker|preparation", arguments)
            found.append((int(pid), int(parent), name[0] if name else arguments))
    return found
