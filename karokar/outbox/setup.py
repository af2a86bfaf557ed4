"""Connects the outbox to an application."""

from flask import Flask

from karokar.events.bus import published
from karokar.outbox.recorder import record


def init_app(app: Flask) -> None:
    """Record what is published."""
    del app
    published.connect(record)
