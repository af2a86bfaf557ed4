"""Sends what people handed in, with everything that keeps it from doing harm: it runs nothing, loads nothing, is taken
for nothing else, and is kept by no cache.
"""

import hashlib
from collections.abc import Iterable

from flask import Response

from karokar.files.formats import kinds
from karokar.files.storage import SENTENCES, FileLost, State

# It is shown nowhere but on this site's own pages.
FILE_POLICY = (
    "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; object-src 'self'; "
    "frame-ancestors 'self'"
)


def send_stored(
    content: Iterable[bytes], size: int, *, media_type: str, filename: str, is_inline: bool = False
) -> Response:
    """Return a stored file: to be shown within a page, or as a download."""
    response = Response(content, mimetype=media_type, headers=_headers())
    response.content_length = size
    response.headers.set("Content-Disposition", "inline" if is_inline else "attachment", filename=filename)
    return response


def send_lost(state: State, *, is_inline: bool) -> Response:
    """Return the sentence that stands where a file is missing or damaged: in a frame or picture, which shows no page of
    ours. Raises FileLost elsewhere, which has a page.
    """
    if not is_inline:
        raise FileLost(state)
    return Response(SENTENCES[state], 404, _headers(), mimetype="text/plain")


def state_of_content(content: bytes, sha256: str | None, media_type: str) -> State:
    """Whether bytes from the database are what was kept, and of a kind that is shown."""
    is_whole = media_type in kinds.KEPT and hashlib.sha256(content).hexdigest() == sha256
    return "whole" if is_whole else "damaged"


def _headers() -> dict[str, str]:
    return {
        "Content-Security-Policy": FILE_POLICY,
        "X-Frame-Options": "SAMEORIGIN",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
