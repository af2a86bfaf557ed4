"""What somebody gets whose session has ended, or who must confirm who they are: the way on, and nothing typed is
lost.
"""

from collections import Counter
from urllib.parse import urlsplit

from flask import make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from karokar.kernel.ports import ports
from karokar.web.responses.problems import problem, wants_json

FILES = "kept_files"
"""The name under which a page that keeps a form tells which files had been chosen: a browser keeps no file."""
PROOF, SENDS_TO = "proof", "sends_to"
"""The fields of the page that asks who it is: what proves it, and the address of the form that it holds."""
_NOT_KEPT = {"csrf_token", "acting_for", "form_key", FILES, PROOF, SENDS_TO}


def sign_in_url(back_to: str | None = None) -> str:
    """Return the address of the sign-in page, which leads back afterwards."""
    page = ports().sign_in.sign_in
    return url_for(page, next=back_to) if back_to and back_to != "/" else url_for(page)


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
        answer = problem(401, "SIGN_IN_NEEDED", "Send a valid API token: Authorization: Bearer kk_…")
        # RFC 9110, section 11.6.1; RFC 6750, section 3: a token that was sent and is not valid is said to be so.
        was_sent = "Authorization" in request.headers
        answer.headers["WWW-Authenticate"] = 'Bearer realm="KaroKar"' + ', error="invalid_token"' * was_sent
        return answer
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


def second_factor_missing() -> Response:
    """Return the answer for somebody whose rights wait for a second factor: the way to give one."""
    sentence = "What you may do here needs a second factor. Set one up, or give a code, in the console."
    if wants_json():
        return problem(403, "SECOND_FACTOR_MISSING", sentence)
    return _to_confirm()


def proof_needed(sentence: str) -> Response:
    """Return the answer for somebody who must confirm who they are: a page that keeps the form, or a problem."""
    if wants_json():
        return problem(403, "PROOF_NEEDED", sentence)
    if request.method in {"GET", "HEAD"} or request.headers.get("HX-Request"):
        return _to_confirm()
    return make_response(confirm_page(request.full_path.rstrip("?")), 403)


def confirm_page(sends_to: str, *, error: str = "") -> str:
    """Return the page that asks for a password or a code, and holds the form that was just sent to `sends_to`."""
    return render_template(
        "errors/confirm.html",
        fields=kept_fields(),
        sends_to=sends_to,
        error=error,
        confirm_url=url_for(ports().sign_in.confirm_with),
        back=local_path(request.referrer) or url_for("web.home"),
    )


def _to_confirm() -> Response:
    if request.headers.get("X-Live"):
        return make_response("", 286)
    if request.headers.get("HX-Request"):
        here = local_path(request.headers.get("HX-Current-URL"))
        return make_response("", 204, {"HX-Redirect": url_for(ports().sign_in.confirm, next=here)})
    here = request.full_path.rstrip("?") if request.method in {"GET", "HEAD"} else local_path(request.referrer)
    return redirect(url_for(ports().sign_in.confirm, next=here), 303)
