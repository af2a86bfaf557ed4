"""Connects the outbox to an application."""

from flask import Flask

from karokar.events.bus import published
from karokar.events.contracts import lock
from karokar.outbox.cli import commands, replay
from karokar.outbox.monitoring import verify
from karokar.outbox.processes import upkeep
from karokar.outbox.recorder import record


def init_app(app: Flask) -> None:
    """Record what is published, and offer the commands.

    Raises BrokenChain where some version of an event cannot be read as its newest one.
    """
    lock.check_chains()
    published.connect(record)
    app.cli.add_command(commands.events)
    app.cli.add_command(replay.replay_events)


__all__ = ["init_app", "upkeep", "verify"]
