"""Forms come from this site and from this person.

The secret is kept in the signed session cookie; each rendering masks it anew, so that the size of a compressed page
tells nothing. A form that was opened before its sender signed in again is not lost: the person checks it and sends it
again.
"""

import base64
import binascii
import hmac
import secrets

from flask import Flask, make_response, render_template, request, session
from werkzeug.wrappers import Response

from karokar.kernel.actor import current_actor
from karokar.web.requests.guard import is_program
from karokar.web.requests.session_end import chosen_files, kept_fields
from karokar.web.responses import security_log
from karokar.web.responses.problems import problem, wants_json

_SECRET = "csrf"  # noqa: S105 - the name of a key, not a secret
_LENGTH = 24
_SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}


def csrf_token() -> str:
    """Return the token for a form of this page."""
    if _SECRET not in session:
        session[_SECRET] = base64.urlsafe_b64encode(secrets.token_bytes(_LENGTH)).decode()
    secret = base64.urlsafe_b64decode(session[_SECRET])
    pad = secrets.token_bytes(_LENGTH)
    masked = bytes(a ^ b for a, b in zip(pad, secret, strict=True))
    return base64.urlsafe_b64encode(pad + masked).decode()


def _is_valid(token: str) -> bool:
    if _SECRET not in session:
        return False
    try:
        raw = base64.urlsafe_b64decode(token)
        secret = base64.urlsafe_b64decode(session[_SECRET])
    except (binascii.Error, ValueError):
        return False
    if len(raw) != 2 * _LENGTH:
        return False
    found = bytes(a ^ b for a, b in zip(raw[:_LENGTH], raw[_LENGTH:], strict=True))
    return hmac.compare_digest(found, secret)


def _comes_from_elsewhere() -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site in {"cross-site", "same-site"}:
        return True
    origin = request.headers.get("Origin")
    if site is not None or not origin or origin == "null":
        return False
    return origin.rstrip("/") != request.host_url.rstrip("/")


def protect() -> Response | None:
    """Let a writing request through only with a valid token of this session."""
    if request.method in _SAFE or request.endpoint is None:
        return None
    if is_program():
        # A browser adds no such header by itself: nobody can make it send one from another site.
        return None
    security_log.because("form_token")
    if _comes_from_elsewhere():
        security_log.because("other_site")
        return _refuse("This came from another site, so nothing was done. Open the console and do it there.")
    token = request.form.get("csrf_token") or request.headers.get("X-CSRF-Token", "")
    if _is_valid(token):
        security_log.because("")
        return None
    if request.form and current_actor().user_id is not None and not request.headers.get("HX-Request"):
        page = render_template("errors/send_again.html", fields=kept_fields(), files=chosen_files())
        return make_response(page, 403)
    return _refuse("This page has been open for too long. Load it again, then send the form once more.")


def _refuse(sentence: str) -> Response:
    if wants_json():
        return problem(403, "FORM_TOKEN_INVALID", sentence)
    return make_response(
        render_template("errors/page.html", status=403, title="Nothing was done", sentence=sentence), 403
    )


def install(app: Flask) -> None:
    """Check every writing request but those that carry an API token instead of a cookie."""
    app.before_request(protect)
    app.jinja_env.globals["csrf_token"] = csrf_token
