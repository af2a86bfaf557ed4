"""A form acts for the organization for which it was opened, or not at all."""

from flask import Flask, request

from karokar.kernel.actor import current_actor
from karokar.kernel.errors import StateConflict
from karokar.kernel.ports import ports

_ALWAYS = {"web.set_theme", "web.set_keys"}


def check_active_organization() -> None:
    """Raise StateConflict where the form was opened for another organization than the one acted for now."""
    doors = ports().sign_in
    always = {*_ALWAYS, doors.switch, doors.sign_out, doors.confirm_with}
    if request.method in {"GET", "HEAD", "OPTIONS"} or request.endpoint in always:
        return
    sent = request.form.get("acting_for") or request.headers.get("X-Acting-For")
    actor = current_actor()
    if not sent or actor.organization_id is None or sent == str(actor.organization_id):
        return
    raise StateConflict(
        "OTHER_ORGANIZATION",
        f"You opened this form for another organization; since then you switched to {actor.organization_name}. "
        "Nothing was done. Switch back at the top of the page, or open the form again.",
    )


def install(app: Flask) -> None:
    """Check every form that was sent."""
    app.before_request(check_active_organization)
