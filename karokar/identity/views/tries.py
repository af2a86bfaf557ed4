"""Which browsers an account's owner uses, and counting guesses with that.

A browser in which somebody signed in keeps a signed cookie with a random id and the accounts concerned. It opens
nothing: it only gives guesses in this browser a count of their own, so that strangers cannot keep the owner out.
"""

import secrets

from flask import current_app, request
from werkzeug.wrappers import Response

from karokar.identity import actions, queries
from karokar.identity.actions.tries import account_of
from karokar.identity.resolver import current_session_id
from karokar.identity.rules import tokens
from karokar.identity.views.devices import address_of
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import NotFound
from karokar.kernel.settings import settings

COOKIE = "kk_browser"
_PURPOSE = "browser"
_MOST_ACCOUNTS = 10
_SECONDS = 400 * 24 * 3600


def begin_try(kind: str, email: str) -> None:
    """Count a guess before it is checked. Raises TooManyTries, with the time to wait."""
    actions.begin_try(kind, email, address=address_of(), browser=browser_known_to(email))


def end_try(kind: str, email: str) -> None:
    """Forget the guesses that led to a right one."""
    actions.end_try(kind, email, address=address_of(), browser=browser_known_to(email))


def begin_own_try() -> None:
    """Count a guess at one's own password or code in an open session. Raises TooManyTries."""
    actions.begin_try("own", _own_email(), address=str(current_session_id()))


def end_own_try() -> None:
    """Forget those that led to a right one."""
    actions.end_try("own", _own_email(), address=str(current_session_id()))


def _own_email() -> str:
    user_id = current_actor().user_id
    if user_id is None:
        raise NotFound
    return queries.get_account(user_id).email


def browser_known_to(email: str) -> str | None:
    """Return the id of this browser where the account's owner signed in with it before, else None."""
    browser, accounts = _read()
    return browser if account_of(email)[:16] in accounts else None


def remember_browser(response: Response, email: str) -> None:
    """Let this browser be one that the account's owner uses."""
    browser, accounts = _read()
    mark = account_of(email)[:16]
    kept = [*(one for one in accounts if one != mark), mark][-_MOST_ACCOUNTS:]
    text = tokens.sign_value(settings().secret_key, _PURPOSE, [browser or secrets.token_urlsafe(12), kept])
    response.set_cookie(
        COOKIE,
        text,
        max_age=_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure or current_app.config["SESSION_COOKIE_SECURE"],
    )


def _read() -> tuple[str | None, list[str]]:
    found = tokens.read_value(settings().secret_keys, _PURPOSE, request.cookies.get(COOKIE, ""))
    match found:
        case [str(browser), [*accounts]]:
            return browser, [str(account) for account in accounts]
        case _:
            return None, []
