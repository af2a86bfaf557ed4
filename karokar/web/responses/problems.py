"""Errors for programs: problem documents as RFC 9457 describes them."""

import json
from typing import Any

from flask import make_response, request
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wrappers import Response

from karokar.kernel.actor import current_cause


def _has_token() -> bool:
    # Not any Authorization: a proxy in front may ask every browser for a password.
    return request.headers.get("Authorization", "").startswith("Bearer ")


def wants_json() -> bool:
    """Whether a program asks: with a token, at the API's path, or as JSON is what it accepts best."""
    if request.path.startswith("/v1/") or request.path == "/metrics" or _has_token():
        return True
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def problem(status: int, code: str, sentence: str, /, **facts: Any) -> Response:
    """Return a problem document: the HTTP status, the stable code, and a sentence that says what to do next."""
    body = {
        "type": f"urn:karokar:problem:{code}",
        "title": HTTP_STATUS_CODES.get(status, "Error"),
        "status": status,
        "code": code,
        "detail": sentence,
        "instance": f"urn:uuid:{current_cause().correlation_id}",
    }
    # A thing's own status is one of the facts, too: it must not take the place of the answer's.
    body |= {f"current_{name}" if name in body else name: value for name, value in facts.items()}
    text = json.dumps({name: value for name, value in body.items() if value is not None}, default=str)
    return make_response(text, status, {"Content-Type": "application/problem+json"})
