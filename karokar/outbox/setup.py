"""Connects the outbox to an application."""

from flask import Flask

from karokar.events.bus import published
from karokar.outbox import bell, catalog, cli, cli_replay, upkeep, verify
from karokar.outbox.recorder import record


def init_app(app: Flask) -> None:
    """Record what is published, and offer the commands.

    Raises BrokenChain where some version of an event cannot be read as its newest one.
    """
    catalog.check_chains()
    published.connect(record)
    app.cli.add_command(cli.events)
    app.cli.add_command(cli_replay.replay_events)
    app.extensions["karokar.redis_ping"] = bell.ping


__all__ = ["init_app", "upkeep", "verify"]
