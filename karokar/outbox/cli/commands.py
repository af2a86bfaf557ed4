"""`flask events …`: run the relay and a worker, and work on deliveries."""

import signal
import threading
from types import FrameType

from flask import current_app

from karokar import safety
from karokar.kernel.log import get_logger
from karokar.kernel.processes.commands import Commands
from karokar.kernel.processes.memory import keep_what_is_loaded
from karokar.kernel.settings import settings
from karokar.outbox.cli.catalog import catalog, examples, lock, new
from karokar.outbox.cli.deliveries import COMMANDS
from karokar.outbox.delivery import subscriptions
from karokar.outbox.processes import relay as relays
from karokar.outbox.wakeup import JOB, QUEUE

events = Commands("events", help="Deliver events and look after their deliveries.")
for command in (new, examples, catalog, lock, *COMMANDS):
    events.add_command(command)


@events.command()
def relay() -> None:
    """Run the relay until stopped: rings for what waits, keeps the clock."""
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    keep_what_is_loaded()
    _warn()
    relays.run(current_app._get_current_object(), stop)  # type: ignore[attr-defined] # noqa: SLF001 - a thread needs the app itself


@events.command()
def worker() -> None:
    """Run one worker until stopped: delivers events when the bell rings."""
    from karokar.outbox.processes.worker import attend
    from karokar.worker import run

    subscriptions.sync()
    keep_what_is_loaded()
    _warn()
    app = current_app._get_current_object()  # type: ignore[attr-defined] # noqa: SLF001 - a worker needs the app itself
    run(app, QUEUE, JOB, attend)


def _warn() -> None:
    for sentence in safety.list_warnings(settings()):
        get_logger(__name__).warning("unsafe_setting", sentence=sentence)


@events.command()
def sync() -> None:
    """Subscribe the handlers of this code to their events; the relay and workers do so when they start."""
    subscriptions.sync()
