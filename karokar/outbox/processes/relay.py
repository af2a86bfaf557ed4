"""The relay: looks every second whether something waits, rings for it, and delivers it itself where nobody comes.

It also runs the scheduler, a thread for each lane of jobs. Any number of relays may run.
"""

import threading
from datetime import timedelta
from typing import get_args

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.kernel.log import get_logger
from karokar.kernel.processes.heartbeat import beat
from karokar.kernel.schedule import Lane
from karokar.kernel.settings import settings
from karokar.outbox import wakeup
from karokar.outbox.delivery import canary, subscriptions
from karokar.outbox.delivery.drain import drain
from karokar.outbox.delivery.retry import is_any_due
from karokar.outbox.processes import scheduler
from karokar.outbox.store import open_store

PATIENCE = timedelta(seconds=2)
"""How long an event may wait for a worker before the relay delivers it itself."""

OWN_DRAIN_SECONDS = 5.0

log = get_logger(__name__)


def run(app: Flask, stop: threading.Event) -> None:
    """Relay until `stop` is set. A database that is away is waited for."""
    keepers = [
        threading.Thread(target=scheduler.run, args=(app, stop, lane), name=lane, daemon=True)
        for lane in get_args(Lane)
    ]
    interval = app.config["KAROKAR"].event_bus_delivery_interval_ms / 1000
    is_synced = False
    for keeper in keepers:
        keeper.start()
    while not stop.is_set():
        beat()
        with app.app_context():
            try:
                if not is_synced:
                    _begin()
                    is_synced = True
                poll()
            except SQLAlchemyError as error:
                log.warning("database_away", reason=str(error).splitlines()[0])
                db.engine.dispose()
                # What comes back may be another one, restored from a backup.
                is_synced = False
            except Exception:
                # The relay is what makes up for failures: it goes on.
                log.exception("relay_failed")
        stop.wait(interval)
    for keeper in keepers:
        keeper.join(timeout=scheduler.LEASE_SECONDS)


def _begin() -> None:
    with open_store() as store:
        if store.rebase_after_restore():
            log.warning("restored_from_another_cluster")
    subscriptions.sync()


def poll() -> None:
    """Ring where something waits; deliver it where nobody can be told or nobody has come in time."""
    with open_store() as store:
        store.sequence()
        oldest = store.oldest_waiting()
    longest = min(filter(None, (oldest, canary.waiting_since())), default=None)
    if longest is None and not is_any_due():
        return
    is_told = settings().event_bus_dispatcher == "worker" and wakeup.wake()
    # A time ahead of now was told by a clock that has been put right since: how long ago it was, nobody knows.
    if not is_told or (longest is not None and abs(clock.now() - longest) > PATIENCE):
        drain(OWN_DRAIN_SECONDS)
