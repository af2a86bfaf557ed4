"""Every refusal and every failure becomes a page (or a problem document) here, and nowhere else."""

from contextlib import suppress
from typing import Any

from flask import Flask, make_response, render_template, request
from flask_limiter.errors import RateLimitExceeded
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from karokar.kernel.actor import current_actor, current_cause
from karokar.kernel.db import db, is_not_writable, is_transient, is_unprepared
from karokar.kernel.errors import (
    Busy,
    DomainError,
    LimitReached,
    LimitReachedForNow,
    NotFound,
    NotReady,
    NotWritable,
    PermissionDenied,
    ProofNeeded,
    RuleBroken,
    StaleVersion,
    TooManyTries,
)
from karokar.kernel.log import get_logger
from karokar.kernel.permissions import PERMISSIONS, Permission
from karokar.web.forms.conflict import compare, in_words
from karokar.web.requests.limits import seconds_to_wait
from karokar.web.requests.session_end import local_path, proof_needed
from karokar.web.requests.uploads import drain
from karokar.web.responses import security_log
from karokar.web.responses.problems import problem, wants_json

_TITLES = {
    400: "This request cannot be read",
    403: "You may not do this here",
    404: "Not found",
    405: "Not possible this way",
    409: "Things have changed",
    413: "Too large",
    415: "This kind of file is not accepted",
    422: "This is not possible",
    429: "Too many tries",
    503: "Not possible right now",
}
_TITLE_OF = {"ORGANIZATION_NOT_ACTIVE": "Not possible for now"}
_SENTENCES = {
    400: "The browser sent something that the console does not understand. Go back, load the page again and retry.",
    404: "There is no such page, or it is not yours to see.",
    405: "This address does not take what was sent. Go back and use the page's own buttons.",
    415: "Send another kind of file.",
}


_SENTENCES_FOR_PROGRAMS = {
    400: "The request is malformed. Check its address, headers and body against the documentation of the API.",
    404: "Nothing is at this address, or it is not yours to see.",
    405: "This address does not take this method. The Allow header lists those that it takes.",
    415: "This address does not take this media type.",
    429: "Too many requests. Wait for the number of seconds in the Retry-After header, then try again.",
}


def _page(template: str, status: int, **values: Any) -> Response:
    back = local_path(request.referrer)
    if status == 413 and back:
        # The script that kept what was typed brings it back there.
        back += f"{'&' if '?' in back else '?'}restored=1"
    page = render_template(
        template,
        status=status,
        back=back if back != request.path else None,
        reference=current_cause().correlation_id,
        is_part=bool(request.headers.get("HX-Request")),
        **values,
    )
    return make_response(page, status)


def show_domain_error(error: DomainError) -> Response:
    """Answer a refused action with its sentence and what to do next."""
    answer = _refusal(error)
    if isinstance(error, TooManyTries | LimitReachedForNow):
        answer.headers["Retry-After"] = str(error.seconds)
    return answer


def _refusal(error: DomainError) -> Response:
    db.session.rollback()
    security_log.because(error.permission if isinstance(error, PermissionDenied) else error.code)
    if wants_json():
        return problem(error.status, error.code, error.sentence, **_plain(error.facts))
    if isinstance(error, ProofNeeded):
        return proof_needed(error.sentence)
    if isinstance(error, PermissionDenied):
        return _page(
            "errors/forbidden.html",
            403,
            title=_TITLES[403],
            sentence=error.sentence,
            permission=error.permission,
            givers=who_can_give(error.permission),
        )
    if isinstance(error, StaleVersion):
        found = compare(error)
        return _page(
            "errors/conflict.html", 409, title=_TITLES[409], sentence=error.sentence, in_words=in_words, **found
        )
    return _page(
        "errors/page.html",
        error.status,
        title=_title_of(error),
        sentence=error.sentence,
        code=None if isinstance(error, NotFound) else error.code,
        facts=error.facts,
    )


def _title_of(error: DomainError) -> str:
    if isinstance(error, LimitReached):
        return "Limit reached"
    return _TITLE_OF.get(error.code) or _TITLES.get(error.status, "This did not work")


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in facts.items() if value is None or isinstance(value, str | int | float | bool)
    }


def who_can_give(permission: str) -> str:
    """Return whom to ask for a permission: the roles that hold it in an organization of the acting one's type."""
    declared = PERMISSIONS.get(permission)
    type_ = current_actor().organization_type
    if declared is None or type_ is None:
        return "an administrator of your organization"
    if _is_held_in(declared, type_):
        return f"an administrator of {current_actor().organization_name or 'your organization'}"
    holders = [
        name
        for name, kind in (("the platform", "PLATFORM"), ("a vendor", "VENDOR"), ("a corporate customer", "CORPORATE"))
        if _is_held_in(declared, kind)
    ]
    return f"nobody here: only members of {' or '.join(holders)} can have it" if holders else "nobody"


def _is_held_in(permission: Permission, organization_type: str) -> bool:
    held = {
        "PLATFORM": permission.platform,
        "VENDOR": permission.vendor,
        "CORPORATE": permission.corporate or permission.employee,
    }
    return held.get(organization_type) is not None


def show_http_error(error: HTTPException) -> Response:
    """Answer what Flask and Werkzeug refuse: unknown pages, wrong methods, too much, too often."""
    if isinstance(error, RateLimitExceeded):
        return show_domain_error(TooManyTries(seconds_to_wait()))
    status = error.code or 500
    if error.response is not None or status < 400:
        return error.get_response()
    sentences = _SENTENCES_FOR_PROGRAMS if wants_json() else _SENTENCES
    sentence = sentences.get(status) or error.description or "This did not work."
    if status == 413:
        drain()
        sentence = _too_large()
    if wants_json():
        answer = problem(status, error.name.upper().replace(" ", "_"), sentence)
    else:
        answer = _page(
            "errors/page.html", status, title=_TITLES.get(status, error.name), sentence=sentence, code=None, facts={}
        )
    for name, value in error.get_headers():
        if name.lower() in {"retry-after", "allow"}:
            answer.headers[name] = value
    return answer


def _too_large() -> str:
    most = (request.max_content_length or 0) // 1024 // 1024
    return (
        f"What was sent is larger than the {most} MB that this form takes. Go back: what you typed is still there. "
        "Choose fewer or smaller files, then send it again."
    )


def show_failure(error: Exception) -> Response:
    """Answer a defect: a reference to report, nothing about the inside."""
    with suppress(SQLAlchemyError):
        db.session.rollback()
    refusal = _refusal_for(error)
    if refusal is not None:
        return _show_without_database(refusal)
    reference = current_cause().correlation_id
    get_logger(__name__).error("request_failed", reference=str(reference), path=request.path, exc_info=error)
    sentence = "Something went wrong on our side; nothing was saved. Try again, or report it with the reference below."
    if wants_json():
        return problem(500, "INTERNAL_ERROR", sentence)
    try:
        return _page("errors/page.html", 500, title="Something went wrong", sentence=sentence, code=None, facts={})
    except Exception:  # noqa: BLE001 - when even the error page fails, plain words must do
        return make_response(
            f"Something went wrong on our side. Reference: {reference}", 500, {"Content-Type": "text/plain"}
        )


def _refusal_for(error: Exception) -> DomainError | None:
    """Return what a person is told of an error that is none of ours; None for a defect."""
    if is_transient(error):
        return Busy()
    if isinstance(error, OperationalError) and is_not_writable(error):
        return NotWritable()
    if is_unprepared(error):
        get_logger(__name__).error("database_unprepared", reason=str(getattr(error, "orig", error)))
        return NotReady()
    if isinstance(error, OverflowError):
        return RuleBroken("OUT_OF_RANGE", "A date or number is out of range. Choose one that is nearer.")
    return None


def _show_without_database(refusal: DomainError) -> Response:
    """Answer even where the page that would say so needs the database that is away."""
    try:
        return show_domain_error(refusal)
    except Exception:  # noqa: BLE001 - whatever is missing, plain words must do
        return make_response(refusal.sentence, refusal.status, {"Content-Type": "text/plain; charset=utf-8"})


def init_app(app: Flask) -> None:
    """Show every refusal and failure. Under test, defects are raised instead (KAROKAR_TESTING)."""
    app.register_error_handler(DomainError, show_domain_error)
    app.register_error_handler(HTTPException, show_http_error)
    if not app.testing:
        app.register_error_handler(Exception, show_failure)
