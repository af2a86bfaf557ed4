"""The smallest set-up: relay and drain as a thread of the web process, without Redis (EVENT_BUS_DISPATCHER=web)."""

import threading
from functools import partial

from flask import Flask

from karokar.outbox import relay

_lock = threading.Lock()


def init_app(app: Flask) -> None:
    """Start the thread with the first request, or when the server says that it begins to serve."""
    app.extensions["karokar.begin_to_serve"] = partial(start, app)

    @app.before_request
    def begin() -> None:
        start(app)


def start(app: Flask) -> None:
    """Start the thread, once per process."""
    with _lock:
        if "karokar.background" not in app.extensions:
            stop = threading.Event()
            thread = threading.Thread(target=relay.run, args=(app, stop), name="events", daemon=True)
            app.extensions["karokar.background"] = (thread, stop)
            thread.start()


def stop(app: Flask) -> None:
    """End the thread and wait for it; for tests."""
    running = app.extensions.pop("karokar.background", None)
    if running is not None:
        thread, ask = running
        ask.set()
        thread.join()
