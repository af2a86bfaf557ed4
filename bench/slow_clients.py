"""Does a server that strangers occupy still serve? `python -m bench.slow_clients http://127.0.0.1:8000 [--slow 200]`.

Half of the slow clients send a header line every second and never finish, half announce a body and send a byte a second;
some take an answer a few bytes at a time. Beside them, good clients ask for a page 20 times a second. Prints what the
good ones met: answers, failures, and how long they waited.
"""

import argparse
import contextlib
import socket
import statistics
import threading
import time
import urllib.request
from urllib.parse import urlsplit

HEADERS = b"GET /login HTTP/1.1\r\nHost: %s\r\n"
BODY = b"POST /login HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\n"
READER = b"GET /static/vendor/htmx/LICENSE HTTP/1.1\r\nHost: %s\r\n\r\n"


def main() -> None:
    options = _options()
    parts = urlsplit(options.address)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    stop = threading.Event()
    slow = threading.Thread(target=_hold, args=(address, options.slow, stop), daemon=True)
    slow.start()
    time.sleep(2)
    taken, failures = _ask(options.address + options.path, options.rate, options.seconds)
    stop.set()
    slow.join()
    ordered = sorted(taken)
    if not ordered:
        raise SystemExit(f"0 answers, {failures} failures beside {options.slow} slow clients")
    print(
        f"{len(taken)} answers, {failures} failures beside {options.slow} slow clients: "
        f"median {statistics.median(taken) * 1000:.0f} ms, "
        f"99 % within {ordered[int(len(ordered) * 0.99) - 1] * 1000:.0f} ms, longest {ordered[-1] * 1000:.0f} ms"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--slow", type=int, default=200)
    parser.add_argument("--rate", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--path", default="/login")
    return parser.parse_args()


def _hold(address: tuple[str, int], count: int, stop: threading.Event) -> None:
    host = f"{address[0]}:{address[1]}".encode()
    kinds = (HEADERS, BODY, HEADERS, BODY, READER)
    held: list[tuple[int, socket.socket]] = []
    while not stop.is_set():
        while len(held) < count:
            kind = len(held) % len(kinds)
            connection = socket.socket()
            if kinds[kind] is READER:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.settimeout(5)
            with contextlib.suppress(OSError):
                connection.connect(address)
                connection.sendall(kinds[kind] % host)
            held.append((kind, connection))
        kept = []
        for kind, connection in held:
            try:
                connection.setblocking(False)
                if kinds[kind] is READER:
                    with contextlib.suppress(BlockingIOError):
                        connection.recv(16)
                else:
                    connection.send(b"X-A: b\r\n" if kinds[kind] is HEADERS else b"a")
                kept.append((kind, connection))
            except OSError:
                connection.close()
        held = kept
        stop.wait(1)
    for _, connection in held:
        connection.close()


def _ask(url: str, rate: int, seconds: int) -> tuple[list[float], int]:
    taken: list[float] = []
    failures: list[str] = []

    def once() -> None:
        began = time.perf_counter()
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 -- the address is what the caller typed
                answer.read()
            taken.append(time.perf_counter() - began)
        except OSError as error:
            failures.append(str(error))

    asking = []
    for _ in range(rate * seconds):
        thread = threading.Thread(target=once)
        thread.start()
        asking.append(thread)
        time.sleep(1 / rate)
    for thread in asking:
        thread.join()
    for reason in sorted(set(failures)):
        print(f"  {failures.count(reason)} × {reason}")
    return taken, len(failures)


if __name__ == "__main__":
    main()
