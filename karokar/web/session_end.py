"""What somebody gets whose session has ended: the way to sign in, and nothing typed is lost."""

from collections import Counter
from urllib.parse import urlsplit

from flask import current_app, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from karokar.web.problems import problem, wants_json

SIGN_IN = "identity.login"
FILES = "kept_files"
"""The name under which a page that keeps a form tells which files had been chosen: a browser keeps no file."""
_NOT_KEPT = {"csrf_token", "acting_for", "form_key", FILES}


def sign_in_url(back_to: str | None = None) -> str:
    """Return the address of the sign-in page, which leads back afterwards."""
    if SIGN_IN not in current_app.view_functions:
        return url_for("web.home")
    return url_for(SIGN_IN, next=back_to) if back_to and back_to != "/" else url_for(SIGN_IN)


def local_path(address: str | None) -> str | None:
    """Return the path of an address on this site, None for any other: never a way out to somewhere else."""
    if not address:
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.netloc and parts.netloc != request.host:
        return None
    if not parts.path.startswith("/") or parts.path.startswith(("//", "/\\")):
        return None
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def kept_fields() -> list[tuple[str, str]]:
    """What was typed in the form that was just sent, without secrets and without the form's own tokens."""
    return [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name not in _NOT_KEPT and "password" not in name and "secret" not in name
    ]


def chosen_files() -> dict[str, int]:
    """Return the file fields of the form that was just sent, or was kept before, with how many files each had."""
    names = [name for name, file in request.files.items(multi=True) if file.filename]
    return dict(Counter(names or request.form.getlist(FILES)))


def session_ended() -> Response:
    """Return the answer for somebody who is not signed in: a redirect, a page that keeps the form, or a problem."""
    if wants_json():
        return problem(401, "SIGN_IN_NEEDED", "Sign in, or send a valid API token.")
    if request.headers.get("HX-Request"):
        here = local_path(request.headers.get("HX-Current-URL"))
        return make_response("", 204, {"HX-Redirect": sign_in_url(here)})
    if request.headers.get("X-Live"):
        return make_response("", 286)
    if request.method in {"GET", "HEAD"}:
        return redirect(sign_in_url(local_path(request.full_path.rstrip("?"))), 303)
    page = render_template(
        "errors/session_ended.html",
        fields=kept_fields(),
        files=chosen_files(),
        sign_in_url=sign_in_url(url_for("web.signed_in_again")),
    )
    return make_response(page, 401)
