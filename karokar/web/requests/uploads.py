"""How much a request may bring: a little more than one document, and for some forms more."""

import os
from collections.abc import Callable
from typing import IO, Any, TypeVar

from flask import Flask, request

from karokar.kernel.actor import current_actor
from karokar.kernel.db import transaction
from karokar.kernel.fairness import quotas
from karokar.kernel.fairness.limits import FILES_OF_PERSON, MEGABYTES_OF_ORGANIZATION, MEGABYTES_OF_PERSON

F = TypeVar("F", bound=Callable[..., Any])

MOST_DRAINED = 256 * 1024 * 1024
_PIECE = 64 * 1024


def takes_up_to(most_bytes: Callable[[], int]) -> Callable[[F], F]:
    """Declare how many bytes a view's form may have, files included, where that is more than one document."""

    def declare(view: F) -> F:
        view.__most_bytes__ = most_bytes  # type: ignore[attr-defined]
        return view

    return declare


def count_upload(stream: IO[bytes]) -> None:
    """Count a file that the acting person sent, before it is read: reading it is what costs.

    Raises LimitReached where they, or their organization, have uploaded too much. `stream` ends up at its beginning.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    actor = current_actor()
    with transaction():
        quotas.ask(FILES_OF_PERSON, actor.user_id)
        quotas.ask(MEGABYTES_OF_PERSON, actor.user_id, amount=size)
        quotas.ask(MEGABYTES_OF_ORGANIZATION, actor.organization_id, amount=size)


def drain() -> None:
    """Read and forget what is too large. A server that answers and closes while the browser still sends cuts the answer
    off: the person would see a broken connection instead of the sentence.
    """
    stream, left = request.environ["wsgi.input"], min(request.content_length or 0, MOST_DRAINED)
    while left > 0 and (piece := stream.read(min(_PIECE, left))):
        left -= len(piece)


def install(app: Flask) -> None:
    """Set each request's limit before anything reads its form."""

    @app.before_request
    def limit() -> None:
        view = app.view_functions.get(request.endpoint or "")
        most_bytes: Callable[[], int] | None = getattr(view, "__most_bytes__", None)
        if most_bytes is not None:
            request.max_content_length = most_bytes()
