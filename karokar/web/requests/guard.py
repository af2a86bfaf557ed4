"""The one gate that every request passes: who is acting, and may they open this route?

A route whose view declares no access (`@requires`, `@signed_in`, `@public`) is a defect and never answers.
"""

from collections.abc import Callable
from contextlib import ExitStack
from uuid import UUID

from flask import Flask, g, request
from werkzeug.wrappers import Response as BaseResponse

from karokar.kernel.actor import Actor, Cause, acting_as, current_cause
from karokar.kernel.ids import new_id
from karokar.kernel.permissions import PERMISSIONS, check_view, public
from karokar.kernel.settings import settings
from karokar.web.requests.session_end import second_factor_missing, session_ended
from karokar.web.responses.problems import problem

NOBODY = Actor(name="Somebody not signed in")


def access_of(app: Flask, endpoint: str) -> str:
    """Return what the route asks for: `public`, `signed_in` or a permission. Raises LookupError for none."""
    access = getattr(app.view_functions[endpoint], "__access__", None)
    if access is None or (access not in {"public", "signed_in"} and access not in PERMISSIONS):
        message = f"The route {endpoint} declares no access that exists: {access}."
        raise LookupError(message)
    return str(access)


def opens_without_second_factor(app: Flask, endpoint: str | None) -> bool:
    """Whether the route opens for somebody whose rights wait for a second factor."""
    return getattr(app.view_functions.get(endpoint or ""), "__without_second_factor__", False)


def init_app(app: Flask, resolve_actor: Callable[[], Actor | None]) -> None:
    """Guard every route of the app; `resolve_actor` tells who is acting in this request (None: nobody)."""
    public(app.view_functions["static"])

    @app.before_request
    def enter() -> BaseResponse | None:
        stack = g.karokar_stack = ExitStack()
        cause = Cause(correlation_id=_correlation(is_behind_proxy=settings().proxies > 0), source="web")
        # Nobody is acting until the session says otherwise: the system's rights never reach a request.
        stack.enter_context(acting_as(NOBODY, cause))
        if request.endpoint == "static":
            return None
        access = access_of(app, request.endpoint) if request.endpoint else "public"
        if access == "public" and is_program():
            return None  # What is open to everybody knows no program: a token does nothing that it does not name.
        actor = resolve_actor()
        if actor is not None:
            stack.enter_context(acting_as(actor, current_cause()))
        if access == "public":
            return None  # Also an address that does not exist: the error page that follows knows who is asking.
        if actor is None:
            return session_ended()
        if actor.lacks_second_factor and not opens_without_second_factor(app, request.endpoint):
            return second_factor_missing()
        if access != "signed_in":
            check_view(app.view_functions[str(request.endpoint)])
        elif is_program():
            # Account, sessions, second factor, further tokens: no right names them, so no token opens them.
            return problem(403, "NOT_FOR_TOKENS", "An API token opens only what one of its rights names. Sign in.")
        return None

    @app.teardown_request
    def leave(_error: BaseException | None) -> None:
        stack = g.pop("karokar_stack", None)
        if stack is not None:
            stack.close()


def is_program() -> bool:
    """Whether the request carries an API token, which stands for some rights of a person and not for the person."""
    return request.headers.get("Authorization", "")[:7].lower() == "bearer "


def _correlation(*, is_behind_proxy: bool) -> UUID:
    """Return the id that a proxy gave the request, or a new one: nobody else says to which story events belong."""
    try:
        return UUID(request.headers.get("X-Request-Id", "")) if is_behind_proxy else new_id()
    except ValueError:
        return new_id()
