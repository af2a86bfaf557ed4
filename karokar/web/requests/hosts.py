"""Requests are answered under the address of KAROKAR_BASE_URL alone: no link or redirect ever leads to another host."""

from urllib.parse import urlsplit

from flask import Flask, make_response, request
from werkzeug.wrappers import Response

from karokar import safety
from karokar.kernel.settings import settings
from karokar.web.responses import security_log
from karokar.web.responses.problems import problem, wants_json

_ASKED_BY_ADDRESS = frozenset({"web.healthz", "web.readyz", "web.metrics"})
_PORTS = {"http": 80, "https": 443}
SENTENCE = "This address belongs to another site. Check the address, or ask whoever runs this console to set its own."


def is_ours(host: str) -> bool:
    """Whether a Host header names this site. On a machine's own address any of its names will do."""
    try:
        wanted, found = urlsplit(settings().base_url), urlsplit(f"//{host}")
        is_same_port = (found.port or _PORTS[request.scheme]) == (wanted.port or _PORTS[wanted.scheme])
    except (KeyError, ValueError):
        return False
    if not found.hostname or found.username is not None or found.path:
        return False
    if safety.is_loopback(wanted.hostname or ""):
        return safety.is_loopback(found.hostname)
    # A proxy that ends TLS may hand on the name without a port.
    return found.hostname == wanted.hostname and (is_same_port or found.port is None)


def _refuse_others() -> Response | None:
    if request.endpoint in _ASKED_BY_ADDRESS or is_ours(request.environ.get("HTTP_HOST", "")):
        return None
    security_log.because("foreign_host")
    if wants_json():
        return problem(421, "FOREIGN_HOST", SENTENCE)
    return make_response(SENTENCE, 421, {"Content-Type": "text/plain; charset=utf-8"})


def install(app: Flask) -> None:
    """Look at every request before anything else does."""
    app.before_request_funcs.setdefault(None, []).insert(0, _refuse_others)
