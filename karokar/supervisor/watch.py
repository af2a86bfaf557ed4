"""The watch over the parts: a killed one is back at once, a frozen one is ended, and all of them stop together."""

import dataclasses
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

from karokar.supervisor import process

ROUND = 0.1
FROZEN_AFTER = 10.0
MAY_TAKE_TO_START = 60.0
STOPS_WITHIN = 6.0
# A part that dies again and again is started again after these pauses; one that lived for a while starts at once.
PAUSES = (0.1, 0.3, 1.0, 2.0, 5.0)
LIVED_FOR_A_WHILE = 10.0
PROBE_EVERY = 1.0
PROBE_WAITS = 4.0
GIVE_UP_AFTER = 4
BACKGROUND_WAITS = 10.0


class NeverStarted(Exception):
    """A part died several times before it had ever worked: starting it again will not help."""


@dataclasses.dataclass(frozen=True)
class Question:
    """What to ask a server to see that it lives: any answer will do. A path is a unix socket."""

    address: tuple[str, int] | Path
    text: bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """What to run and how to see that it lives: by the file it touches, or by its answers to a question."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    heartbeat: Path | None = None
    question: Question | None = None
    # A background part starts when those before it live, so that people see a page as early as they can.
    is_background: bool = False
    # What others need while they stop is stopped after them.
    is_needed_to_stop: bool = False
    pass_fds: tuple[int, ...] = ()


class Watch:
    """Starts parts in their order, keeps them running, and stops them all together."""

    def __init__(self, parts: Sequence[Part], say: Callable[[str], None]) -> None:
        """Take the parts, and where to say what happens to them (one sentence each)."""
        self._running = [_Running(part, say) for part in parts]
        self._say = say
        self._stop_asked = 0

    def ask_to_stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Stop at the next round; asked twice, without waiting for what is being done. May be a signal's handler."""
        self._stop_asked += 1

    def run(self, when_ready: Callable[[], None]) -> None:
        """Run until asked to stop; call `when_ready` once, when all parts have shown that they live.

        Must be called from the main thread, whose signals it takes. Raises NeverStarted. Nothing is left running.
        """
        kept = {number: signal.signal(number, self.ask_to_stop) for number in _STOPPING}
        is_ready = False
        try:
            began = time.monotonic()
            while not self._stop_asked:
                self._start_waiting(is_late=time.monotonic() - began > BACKGROUND_WAITS)
                for part in self._running:
                    part.look()
                if not is_ready and all(part.has_lived for part in self._running):
                    is_ready = True
                    when_ready()
                time.sleep(ROUND)
        finally:
            self._stop()
            for number, handler in kept.items():
                signal.signal(number, handler)

    def _start_waiting(self, *, is_late: bool) -> None:
        for number, part in enumerate(self._running):
            before = self._running[:number]
            if not part.was_started and (
                is_late or not part.is_background or all(each.has_lived for each in before if not each.is_background)
            ):
                part.start()

    def _stop(self) -> None:
        for group in (False, True):
            parts = [part for part in self._running if part.is_needed_to_stop is group]
            for part in parts:
                part.ask_to_stop()
            deadline = time.monotonic() + STOPS_WITHIN
            while not all(part.is_gone() for part in parts) and time.monotonic() < deadline and self._stop_asked < 2:
                time.sleep(0.02)
            for part in parts:
                part.end()


_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Running:
    """One part and the process that it is at the moment."""

    def __init__(self, part: Part, say: Callable[[str], None]) -> None:
        self._part = part
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_again_at = 0.0
        self._deaths = 0
        self._last_sign = 0.0
        self._last_touch = 0
        self._probe: _Probe | None = None
        self.was_started = False
        self.has_lived = False
        self.is_needed_to_stop = part.is_needed_to_stop
        self.is_background = part.is_background
        self._shows_life = False

    def start(self) -> None:
        part = self._part
        self.was_started = True
        self._started_at = self._last_sign = time.monotonic()
        self._shows_life = False
        self._probe = _Probe(part.question) if part.question else None
        if part.heartbeat is not None:
            part.heartbeat.unlink(missing_ok=True)
            self._last_touch = 0
        self._process = process.start(part.command, env=part.environment, cwd=part.directory, pass_fds=part.pass_fds)

    def look(self) -> None:
        """See whether the process lives; start it again where it does not, end it where it is frozen."""
        now = time.monotonic()
        if not self.was_started:
            return
        if self._process is None:
            if now >= self._start_again_at:
                self.start()
            return
        code = self._process.poll()
        if code is not None:
            self._bury(code, now)
            return
        if self._sign_of_life() and not process.is_stopped(self._process.pid):
            self._last_sign = now
            self._shows_life = self.has_lived = True
        patience = FROZEN_AFTER if self._shows_life else MAY_TAKE_TO_START
        if now - self._last_sign > patience:
            self._say(f"{self._part.name} gave no sign of life for {patience:.0f} s: it is ended and started again.")
            process.signal_group(self._process, signal.SIGKILL)

    def ask_to_stop(self) -> None:
        if self._probe is not None:
            # A server that stops waits for its open connections.
            self._probe.close()
        if self._process is not None and self._process.poll() is None:
            # A stopped process takes a signal only when it goes on.
            for number in (signal.SIGTERM, signal.SIGCONT):
                self._process.send_signal(number)

    def is_gone(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def end(self) -> None:
        if self._probe is not None:
            self._probe.close()
        if self._process is not None:
            process.end(self._process, within=0)
            self._process = None

    def _bury(self, code: int, now: float) -> None:
        if self._process is not None:
            # What it started must not go on beside what takes its place.
            process.signal_group(self._process, signal.SIGKILL)
        self._process = None
        if self._probe is not None:
            self._probe.close()
        self._deaths = 0 if now - self._started_at > LIVED_FOR_A_WHILE else self._deaths + 1
        if not self.has_lived and self._deaths >= GIVE_UP_AFTER:
            raise NeverStarted(f"{self._part.name} does not start ({_how(code)}): see its lines above.")
        pause = PAUSES[min(max(self._deaths - 1, 0), len(PAUSES) - 1)]
        self._start_again_at = now + pause
        self._say(f"{self._part.name} ended ({_how(code)}): it is started again.")

    def _sign_of_life(self) -> bool:
        part = self._part
        if self._probe is not None:
            return self._probe.is_answered()
        if part.heartbeat is None:
            return True
        try:
            touched = part.heartbeat.stat().st_mtime_ns
        except OSError:
            return False
        is_new = touched != self._last_touch
        self._last_touch = touched
        return is_new


class _Probe:
    """Asks again and again without ever waiting for the answer: a frozen part must not freeze its watch."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._connection: socket.socket | None = None
        self._asked_at = 0.0
        self._is_sent = False

    def is_answered(self) -> bool:
        """Take one step; True when an answer came."""
        now = time.monotonic()
        if self._connection is None:
            if now - self._asked_at >= PROBE_EVERY or not self._is_sent:
                self._ask(now)
            return False
        try:
            return self._step(now)
        except OSError:
            self.close()
            return False

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, now: float) -> None:
        self._asked_at, self._is_sent = now, False
        address = self._question.address
        if isinstance(address, Path):
            family = socket.AF_UNIX
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._connection = socket.socket(family, socket.SOCK_STREAM)
        self._connection.setblocking(False)
        self._connection.connect_ex(str(address) if isinstance(address, Path) else address)

    def _step(self, now: float) -> bool:
        connection = self._connection
        if connection is None:
            return False
        readable, writable, _ = select.select([connection], [connection], [], 0)
        if not self._is_sent and writable:
            connection.sendall(self._question.text)
            self._is_sent = True
        elif self._is_sent and readable:
            answer = connection.recv(64)
            self.close()
            return bool(answer)
        if now - self._asked_at > PROBE_WAITS:
            self.close()
        return False


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
