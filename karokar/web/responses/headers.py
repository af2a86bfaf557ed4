"""What every answer says to the browser: a strict content policy, no framing, no sniffing, nothing cached."""

import gzip

from flask import Flask, Response, current_app, request

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_COMPRESSED = {"text/html", "application/json", "application/problem+json"}
PERMISSIONS_POLICY = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()"


def add_headers(response: Response) -> Response:
    """Add what the answer does not say for itself."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if request.is_secure or current_app.config.get("SESSION_COOKIE_SECURE"):
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if request.endpoint != "static":
        # Photos, exports and /v1 as well: what is personal stays in no cache, and nobody can forget to say so.
        headers["Cache-Control"] = "private, no-store"
        response.vary.add("HX-Request")
    return response


def compress(response: Response) -> Response:
    """Compress pages for whoever takes that; form tokens are masked anew in each page, so its size tells nothing."""
    if (
        response.direct_passthrough
        or response.is_streamed
        or response.mimetype not in _COMPRESSED
        or "Content-Encoding" in response.headers
        or request.accept_encodings.best_match(["gzip"]) != "gzip"
        or len(response.data) < 1000
    ):
        return response
    response.data = gzip.compress(response.data, 5, mtime=0)
    response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    return response


def install(app: Flask) -> None:
    """Add the headers to every answer, and compress pages."""
    app.after_request(compress)
    app.after_request(add_headers)
