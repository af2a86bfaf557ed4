"""Gives the application everything that pages share."""

from flask import Flask

from karokar.web import (
    acting,
    assets,
    csrf,
    errors,
    form_files,
    forms,
    handover,
    headers,
    hosts,
    incoming,
    limits,
    odometer,
    security_log,
    shell,
    submissions,
    timeline,
    unreadable,
    uploads,
)
from karokar.web.pages import bp


def init_app(app: Flask) -> None:
    """Install assets, headers, checks of every form, error pages, the shell, and the pages of no context."""
    incoming.install(app)
    assets.install(app)
    headers.install(app)
    security_log.install(app)
    hosts.install(app)
    errors.init_app(app)
    uploads.install(app)
    unreadable.install(app)
    csrf.install(app)
    acting.install(app)
    limits.install(app)
    submissions.install(app)
    forms.install(app)
    form_files.install(app)
    handover.install(app)
    odometer.install(app)
    shell.init_app(app)
    app.register_blueprint(bp)
    timeline.init_app(app)
