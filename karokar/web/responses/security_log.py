"""What a security team watches, as JSON lines in one stream with stable fields (docs/security-log.md).

Two sources, so that no door is forgotten: every answer that refuses (401, 403, 421, 429) or hands over a file, and
every event about accounts, rights, tokens and sign-ins. Ids and the source address only: no names, no e-mail
addresses, no paths (they may hold a token), no secrets.
"""

import logging
import sys
from logging.handlers import WatchedFileHandler
from typing import Any
from uuid import UUID

import msgspec
import structlog
from flask import Flask, Response, g, has_request_context, request

from karokar.events.base import Event
from karokar.events.bus import published
from karokar.events.identity import UserLoginFailed
from karokar.kernel.actor import current_actor, current_cause
from karokar.kernel.db import after_commit
from karokar.kernel.ids import new_id

NAME = "karokar.security"
_PRODUCERS = frozenset({"karokar.events.identity", "karokar.events.audit"})
_REFUSALS = frozenset({401, 403, 421, 429})
_WORDS = frozenset({"reason", "role", "former_role", "permissions", "identity_check"})
"""Fields of events that hold words of ours, never of people."""

_log = structlog.wrap_logger(
    logging.getLogger(NAME),
    processors=[
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(sort_keys=True),
    ],
)


def write(event: str, **facts: Any) -> None:
    """Write one line: what happened, who did it for which organization, from which address, in which request."""
    actor = current_actor()
    line = {
        "logger": NAME,
        "correlation_id": current_cause().correlation_id,
        "actor_id": actor.user_id,
        "organization_id": actor.organization_id,
        "token_id": actor.token_id,
        "source": request.remote_addr if has_request_context() else None,
        "route": request.endpoint if has_request_context() else None,
        **facts,
    }
    _log.info(event, **{name: _plain(value) for name, value in line.items() if value is not None})


def because(reason: str) -> None:
    """Say why this request is refused, in a word that does not change."""
    g.security_reason = reason


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | str | list) else str(value)


def _note_answer(response: Response) -> Response:
    status = response.status_code
    if status in _REFUSALS:
        reason = g.get("security_reason") or {401: "not_signed_in", 429: "too_many_tries"}.get(status, "refused")
        write("request_refused", outcome="refused", status=status, reason=reason, **_targets())
    elif status in {200, 206} and _hands_over_a_file(response):
        write("file_fetched", outcome="allowed", **_targets())
    elif current_actor().token_id is not None:
        write("token_used", outcome="allowed", status=status)
    return response


def _hands_over_a_file(response: Response) -> bool:
    if request.endpoint == "static" or request.method == "HEAD":
        return False
    kind = response.mimetype or ""
    return "Content-Disposition" in response.headers or kind.startswith("image/") or kind == "application/pdf"


def _targets() -> dict[str, str]:
    """Return the ids in the address: never a token that stands in one."""
    return {name: str(value) for name, value in (request.view_args or {}).items() if isinstance(value, UUID | int)}


def _note_event(sender: type[Event], *, event: Event) -> None:
    if sender.__module__ not in _PRODUCERS:
        return
    facts = {
        name: value
        for name, value in msgspec.structs.asdict(event).items()
        if isinstance(value, UUID | bool | int) or (name in _WORDS and isinstance(value, str | list))
    }
    is_refused = sender is UserLoginFailed
    outcome = "refused" if is_refused else "allowed"
    name = "sign_in_refused" if is_refused else sender.event_type
    after_commit(f"security_log.{new_id()}", lambda: write(name, outcome=outcome, **facts))


def install(app: Flask) -> None:
    """Send the lines where KAROKAR_SECURITY_LOG says, and watch every answer and every event."""
    place = app.config["KAROKAR"].security_log
    logger = logging.getLogger(NAME)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    if place is None:
        logger.addHandler(logging.StreamHandler(sys.stderr))
    else:
        place.touch(mode=0o600, exist_ok=True)
        logger.addHandler(WatchedFileHandler(place, encoding="utf-8"))
    app.after_request(_note_answer)
    published.connect(_note_event)
