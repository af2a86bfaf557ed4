"""Gives the application everything that pages share."""

from flask import Flask

from karokar.web.forms import base as forms
from karokar.web.forms import form_files, handover, odometer
from karokar.web.pages import bp
from karokar.web.requests import active_organization, csrf, hosts, incoming, limits, nul_check, submissions, uploads
from karokar.web.responses import assets, errors, headers, security_log
from karokar.web.shell import shell
from karokar.web.timeline import timeline


def init_app(app: Flask) -> None:
    """Install assets, headers, checks of every form, error pages, the shell, and the pages of no context."""
    incoming.install(app)
    assets.install(app)
    headers.install(app)
    security_log.install(app)
    hosts.install(app)
    errors.init_app(app)
    uploads.install(app)
    nul_check.install(app)
    csrf.install(app)
    active_organization.install(app)
    limits.install(app)
    submissions.install(app)
    forms.install(app)
    form_files.install(app)
    handover.install(app)
    odometer.install(app)
    shell.init_app(app)
    app.register_blueprint(bp)
    timeline.init_app(app)
