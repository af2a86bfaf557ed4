"""gunicorn's worker that gives a thread only to a request that has arrived whole.

gunicorn's own threads read from the client themselves: as many clients as there are threads, each sending one header
line, stop them all. Here waitress's loop does all reading and writing, and its threads see whole requests and hand over
whole answers. What strangers can hold is a connection, and those are bounded: by time, by pace, by number, by bytes.
"""

import logging
import math
import os
import resource
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer, UnixWSGIServer
from waitress.task import ThreadedTaskDispatcher

from karokar.kernel.processes.heartbeat import beat

HEADERS_WITHIN = 10.0
"""Seconds from the first byte of a request to the end of its headers."""
IDLE_FOR = 20.0
"""Seconds that a connection may stay open without anything being sent or taken."""
GRACE = 20.0
"""Seconds after which the pace of a body, or of the reading of an answer, counts."""
SLOWEST_PACE = 4096
"""Bytes a second that a client must send or take on average: slower than the slowest of mobile networks."""
MOST_CONNECTIONS = 1000
MOST_HEADER_BYTES = 32 * 1024
MOST_BODY_BYTES = 256 * 1024 * 1024
"""The application refuses far smaller ones, with a sentence; it cannot say so before the browser has sent them."""
MOST_HELD_BYTES = 1024 * 1024 * 1024
"""What all half-sent requests may hold together, mostly on disk."""
_KEPT_IN_MEMORY = 64 * 1024
_OPEN_FILES = 8192
_FILES_PER_CONNECTION = 3
_NO_CONNECTIONS = 16
"""What waitress counts as connections and are none: listening sockets and its own wake-ups."""


class Parser(HTTPRequestParser):
    """Refuses a request that says in two ways where it ends: a proxy in front may have read it in the other way, and
    what stands behind it would be answered as a request of somebody else (RFC 9112, section 6.3).
    """

    def parse_header(self, header_plus: bytes) -> None:
        """Read the headers. Raises ParsingError, which is answered with 400 and ends the connection."""
        super().parse_header(header_plus)
        is_doubtful = "CONTENT_LENGTH" in self.headers if self.chunked else "TRANSFER_ENCODING" in self.headers
        if is_doubtful:
            raise ParsingError("Where the request ends is said in two ways.")


class Channel(HTTPChannel):
    """One connection, with the clocks that waitress has not: they run from the beginning, not from the last byte."""

    parser_class = Parser
    reading_since: float | None = None
    writing_since: float | None = None
    taken = 0
    last_sign: float

    def __init__(self, *args: Any, **named: Any) -> None:
        self.last_sign = time.monotonic()
        super().__init__(*args, **named)

    def received(self, data: bytes) -> bool:
        """Note when a request began."""
        self.last_sign = time.monotonic()
        if self.request is None and self.reading_since is None:
            self.reading_since = time.monotonic()
        answer: bool = super().received(data)
        if self.request is None:
            self.reading_since = None
        elif self.requests and self.reading_since is None:
            self.reading_since = time.monotonic()
        return answer

    def send(self, data: bytes, do_close: bool = True) -> int:  # noqa: FBT001, FBT002 -- as in waitress
        """Count what the client takes."""
        sent: int = super().send(data, do_close=do_close)
        if sent:
            self.taken += sent
            self.last_sign = time.monotonic()
        return sent

    def drop(self) -> None:
        """Close at once, and let the kernel forget what the client has not taken."""
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.handle_close()

    @property
    def is_served(self) -> bool:
        """Whether a whole request of it is being answered."""
        return bool(self.requests)

    @property
    def held_bytes(self) -> int:
        """How much of its requests is kept here."""
        waiting = [*self.requests, *([self.request] if self.request is not None else [])]
        return sum(len(request.body_rcv) if request.body_rcv else 0 for request in waiting)

    def is_overdue(self, now: float) -> bool:
        """Whether its client took too long: to say anything, for a request's headers or body, to take an answer."""
        if now - self.last_sign > IDLE_FOR:
            return True
        if self.total_outbufs_len:
            if self.writing_since is None:
                self.writing_since, self.taken = now, 0
            return _is_too_slow(self.taken, now - self.writing_since)
        self.writing_since = None
        if self.request is None or self.reading_since is None:
            return False
        taken_for = now - self.reading_since
        if not self.request.headers_finished:
            return taken_for > HEADERS_WITHIN
        return _is_too_slow(self.held_bytes, taken_for)


def _is_too_slow(count: int, seconds: float) -> bool:
    return seconds > GRACE and count < SLOWEST_PACE * (seconds - GRACE)


class _Server:
    """What both kinds of listening socket do about their connections."""

    channel_class = Channel
    active_channels: dict[int, Channel]
    next_channel_cleanup = math.inf
    """waitress would close while it collects what to wait for, and mistake a new connection for the closed one."""

    def close_overdue(self) -> None:
        """Close what took too long, and the largest where all of them hold too much; call it between two turns."""
        now = time.monotonic()
        unfinished = [channel for channel in self.active_channels.values() if not channel.is_served]
        held = {channel: channel.held_bytes for channel in unfinished if not channel.is_overdue(now)}
        for channel in unfinished:
            if channel not in held:
                channel.drop()
        total = sum(held.values())
        for channel in sorted(held, key=held.__getitem__, reverse=True):
            if total <= MOST_HELD_BYTES:
                break
            total -= held[channel]
            channel.drop()

    def handle_accept(self) -> None:
        """Take a connection; where there are too many, the busiest address loses its oldest unfinished one."""
        super().handle_accept()  # type: ignore[misc]
        if len(self.active_channels) >= self.adj.connection_limit - _NO_CONNECTIONS:  # type: ignore[attr-defined]
            self._make_room()

    def _make_room(self) -> None:
        # The newest one stays: it has had no time yet.
        unfinished = sorted((each for each in self.active_channels.values() if not each.is_served), key=_creation)[:-1]
        if unfinished:
            ((busiest, _),) = Counter(channel.addr[0] for channel in unfinished).most_common(1)
            next(channel for channel in unfinished if channel.addr[0] == busiest).drop()


def _creation(channel: Channel) -> float:
    created: float = channel.creation_time
    return created


class _TcpServer(_Server, TcpWSGIServer):
    pass


class _UnixServer(_Server, UnixWSGIServer):
    pass


class WholeRequestWorker(Worker):
    """Serves with `--threads` threads; tells gunicorn and `bin/up` that it lives, whatever clients do."""

    def init_process(self) -> None:
        """Allow as many open files as connections need."""
        self._connections = _allow_connections()
        self._look_at = 0.0
        for name in ("waitress", "waitress.queue"):
            logging.getLogger(name).setLevel(logging.ERROR)
        super().init_process()

    def run(self) -> None:
        """Serve until asked to stop, then finish what has arrived."""
        adjustments = Adjustments(
            threads=self.cfg.threads,
            connection_limit=self._connections + _NO_CONNECTIONS,
            max_request_header_size=MOST_HEADER_BYTES,
            max_request_body_size=MOST_BODY_BYTES,
            inbuf_overflow=_KEPT_IN_MEMORY,
            outbuf_overflow=_KEPT_IN_MEMORY * 4,
            # An answer goes to disk whole rather than keep a thread waiting for a slow reader.
            outbuf_high_watermark=MOST_HELD_BYTES,
            clear_untrusted_proxy_headers=False,  # KAROKAR_PROXIES says whom to believe
            ident=None,
            log_socket_errors=False,
        )
        dispatcher = _Dispatcher(self)
        dispatcher.set_thread_count(self.cfg.threads)
        connections: dict[int, Any] = {}
        servers = list(self._servers(adjustments, dispatcher, connections))
        while self.alive and self._has_parent():
            self._turn(servers, connections)
        self._finish(servers, connections)
        dispatcher.shutdown(timeout=1)

    def _servers(self, adjustments: Adjustments, dispatcher: Any, connections: dict[int, Any]) -> Iterator[Any]:
        for listener in self.sockets:
            held: socket.socket = listener.sock
            kind = _UnixServer if held.family == socket.AF_UNIX else _TcpServer
            where = (held.family, held.type, held.proto, held.getsockname())
            yield kind(
                self.wsgi,
                connections,
                True,
                held,
                dispatcher=dispatcher,
                adj=adjustments,
                sockinfo=where,
                bind_socket=False,
            )

    def _turn(self, servers: list[Any], connections: dict[int, Any], *, within: float = 1.0) -> None:
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + 1.0
            self.notify()
            beat()
            for server in servers:
                server.close_overdue()
        wasyncore.poll2(within, connections)

    def _has_parent(self) -> bool:
        return bool(self.ppid == os.getppid())

    def _finish(self, servers: list[Any], connections: dict[int, Any]) -> None:
        for server in servers:
            server.accepting = False
        give_up_at = time.monotonic() + self.cfg.graceful_timeout
        while time.monotonic() < give_up_at:
            channels = [each for each in connections.values() if isinstance(each, Channel)]
            working = [each for each in channels if each.is_served or each.request or each.total_outbufs_len]
            for channel in channels:
                if channel not in working:
                    channel.handle_close()
            if not working:
                return
            self._turn(servers, connections, within=0.1)


class _Dispatcher(ThreadedTaskDispatcher):
    """waitress's threads, counting requests for gunicorn's `--max-requests`."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker

    def add_task(self, task: Any) -> None:
        """Take a request that has arrived whole."""
        self._worker.nr += 1
        if self._worker.nr >= self._worker.max_requests:
            self._worker.alive = False
        super().add_task(task)


def _allow_connections() -> int:
    """Raise this process's limit of open files as far as it may; return how many connections fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    room = _OPEN_FILES if soft == resource.RLIM_INFINITY else soft
    return max(16, min(MOST_CONNECTIONS, (room - 128) // _FILES_PER_CONNECTION))
