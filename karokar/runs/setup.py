"""Gives the application its runs."""

from flask import Flask

from karokar.runs import worker
from karokar.runs.views import bp

__all__ = ["init_app", "worker"]


def init_app(app: Flask) -> None:
    """Register the pages of runs; importing the worker declares what the clock does for them."""
    app.register_blueprint(bp)
