"""Clients that send or read slowly hold a connection, never a thread: whoever sends whole requests is answered."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path

import pytest

from karokar.config import PROJECT
from karokar.supervisor.process import wait_until
from tests.house.console import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

APPLICATION = """
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/large":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x" * 100_000] * 200
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d bytes" % len(body)]
"""

# The settings that production uses; only the clocks run faster, and one worker has the threads of one.
SETTINGS = """
from karokar.supervisor import web_worker
from karokar.supervisor.web_server import *
workers, threads, preload_app = 1, 2, False
for name, value in {clocks}.items():
    setattr(web_worker, name, value)
"""


class Server:
    """gunicorn with the project's settings, in front of a small application."""

    def __init__(self, folder: Path, **clocks: float) -> None:
        (folder / "small.py").write_text(APPLICATION)
        (folder / "settings.py").write_text(textwrap.dedent(SETTINGS).format(clocks=clocks))
        self.port = free_port()
        self.heartbeat = folder / "web.alive"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--config", str(folder / "settings.py")),
                *("--log-level", "warning", "--bind", f"127.0.0.1:{self.port}", "small:application"),
            ],
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": f"{folder}:{PROJECT}", "KAROKAR_HEARTBEAT": str(self.heartbeat)},
        )
        assert wait_until(self.heartbeat.exists, within=30)

    def connect(self, text: bytes = b"", *, receives: int | None = None) -> socket.socket:
        made = socket.socket()
        if receives:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        made.connect(("127.0.0.1", self.port))
        made.sendall(text)
        made.setblocking(False)
        return made

    def get(self, body: bytes | None = None) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", data=body, timeout=20) as answer:
            text: str = answer.read().decode()
            return text

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


@pytest.fixture
def serve(tmp_path: Path):
    with contextlib.ExitStack() as held:

        def start(**clocks: float) -> Server:
            server = Server(tmp_path, **clocks)
            held.callback(server.close)
            return server

        yield start


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(65536) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


# Two ways to say where a request ends, which a proxy in front may read otherwise (request smuggling, RFC 9112 section 6.3).
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: here\r\n\r\n"
AMBIGUOUS = {
    "both": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a coding that 1.0 has not": b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n" + SMUGGLED,
    "a signed length": b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    "a coding nobody knows": b"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
    "a space before the colon": b"Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("headers", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_request_whose_end_is_doubtful_is_refused_and_nothing_behind_it_is_read(serve, headers: bytes):
    server = serve()
    version = b"1.0" if b"keep-alive" in headers else b"1.1"
    answer = b""
    with (
        server.connect(b"POST / HTTP/%s\r\nHost: here\r\n" % version + headers) as connection,
        contextlib.suppress(OSError),
    ):
        connection.settimeout(10)
        while part := connection.recv(65536):
            answer += part
    assert re.match(rb"HTTP/1\.[01] (400|501) ", answer), answer
    assert answer.count(b"HTTP/1.") == 1, "What stood behind it is no request."


HALF_HEADERS = b"GET / HTTP/1.1\r\nHost: here\r\nX-Slow: "
HALF_BODY = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\nhalf"
HALF_CHUNKED = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha"
WANTS_MUCH = b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n"


@pytest.mark.parametrize(
    "text", [b"", HALF_HEADERS, HALF_BODY, HALF_CHUNKED], ids=["nothing", "headers", "body", "chunks"]
)
def test_many_half_sent_requests_keep_nobody_else_waiting(serve, text):
    server = serve()
    slow = [server.connect(text) for _ in range(60)]
    assert [server.get(b"whole") for _ in range(8)] == ["5 bytes"] * 8
    assert not any(is_closed(each) for each in slow)
    for each in slow:
        each.close()


def test_many_who_read_slowly_keep_nobody_else_waiting(serve):
    server = serve()
    slow = [server.connect(WANTS_MUCH, receives=2048) for _ in range(12)]
    assert [server.get(b"whole") for _ in range(8)] == ["5 bytes"] * 8
    for each in slow:
        each.close()


@pytest.mark.parametrize(
    ("text", "drip", "clocks"),
    [
        (HALF_HEADERS, b"a", {"HEADERS_WITHIN": 1.0}),
        (HALF_BODY, b"a", {"GRACE": 1.0, "SLOWEST_PACE": 4096}),
        (HALF_CHUNKED, b"", {"IDLE_FOR": 1.0}),
        (b"", b"", {"IDLE_FOR": 1.0}),
    ],
    ids=["headers", "body", "silent in the middle", "silent"],
)
def test_who_takes_too_long_is_disconnected_however_steadily_it_drips(serve, text, drip, clocks):
    server = serve(**clocks)
    slow = server.connect(text)

    def is_ended() -> bool:
        with contextlib.suppress(OSError):
            slow.send(drip)
        return is_closed(slow)

    assert wait_until(is_ended, within=15, every=0.1)
    slow.close()
    assert server.get() == "0 bytes"


def test_who_takes_an_answer_too_slowly_is_disconnected(serve):
    server = serve(GRACE=1.0, SLOWEST_PACE=10_000_000)
    slow = server.connect(WANTS_MUCH, receives=2048)

    def is_ended() -> bool:
        # What has arrived could still be read long after the end; sending shows it at once.
        try:
            slow.recv(1)
            slow.send(b"x")
        except BlockingIOError:
            return False
        except OSError:
            return True
        return False

    assert wait_until(is_ended, within=20, every=0.1)
    slow.close()


def test_with_too_many_connections_the_oldest_unfinished_one_makes_room(serve):
    server = serve(MOST_CONNECTIONS=20)
    slow = [server.connect(HALF_HEADERS) for _ in range(60)]
    assert [server.get(b"whole") for _ in range(8)] == ["5 bytes"] * 8
    assert wait_until(lambda: is_closed(slow[0]), within=10)
    assert not is_closed(slow[-1])
    for each in slow:
        each.close()


def test_half_sent_bodies_hold_a_bounded_amount_together(serve):
    server = serve(MOST_HELD_BYTES=500_000)
    announced = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000
    slow = [server.connect(announced) for _ in range(4)]
    assert wait_until(lambda: sum(is_closed(each) for each in slow) >= 2, within=15)
    assert server.get(b"whole") == "5 bytes"
    for each in slow:
        each.close()


def test_a_request_that_has_arrived_is_answered_before_the_server_stops(serve):
    server = serve()
    connection = server.connect(HALF_BODY)
    assert server.get() == "0 bytes"
    server.process.send_signal(signal.SIGTERM)
    connection.setblocking(True)
    connection.sendall(b"x" * 996)
    with connection, connection.makefile("rb") as answer:
        assert answer.read().endswith(b"1000 bytes")


def test_the_server_says_that_it_lives_while_strangers_hold_connections(serve):
    server = serve()
    slow = [server.connect(HALF_HEADERS) for _ in range(60)]
    before = server.heartbeat.stat().st_mtime_ns
    assert wait_until(lambda: server.heartbeat.stat().st_mtime_ns > before, within=10)
    for each in slow:
        each.close()
