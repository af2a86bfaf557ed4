"""Settings: the platform's own here, an organization's on its page."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from karokar.administration import actions
from karokar.administration.permissions import SETTING_MANAGE
from karokar.administration.queries.settings import list_settings
from karokar.administration.views.blueprint import bp
from karokar.kernel.actor import current_actor
from karokar.kernel.permissions import requires
from karokar.web.forms.base import sent_version


@bp.get("/settings")
@requires(SETTING_MANAGE)
def settings() -> Any:
    """Show the platform's settings; a tenant's are part of its organization's page."""
    if not current_actor().is_platform:
        return redirect(url_for("organization.edit"), 303)
    return render_template("administration/settings.html", settings=list_settings())


@bp.post("/settings/<key>")
@requires(SETTING_MANAGE)
def change_setting(key: str) -> Response:
    """Turn a setting on or off."""
    is_on = request.form.get("is_on") == "yes"
    actions.change_setting(key, is_on=is_on, version=sent_version())
    flash("The setting is on." if is_on else "The setting is off.", "good")
    return redirect(url_for("administration.settings"), 303)
