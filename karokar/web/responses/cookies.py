"""Cookies of this site: over https alone where it is served so, and then bound to this very host."""

from flask import request
from werkzeug.wrappers import Response

from karokar.kernel.settings import settings

HOST_PREFIX = "__Host-"
_YEAR = 365 * 24 * 3600


def cookie_name(name: str, *, is_secure: bool) -> str:
    """Return what a cookie is called: with the prefix that no other host, and no plain http, can set."""
    return f"{HOST_PREFIX}{name}" if is_secure else name


def read_cookie(name: str, default: str = "") -> str:
    """Return what the browser sent."""
    return request.cookies.get(cookie_name(name, is_secure=settings().secure_cookies), default)


def set_cookie(response: Response, name: str, value: str) -> None:
    """Keep a choice in this browser for a year."""
    is_secure = settings().secure_cookies
    response.set_cookie(
        cookie_name(name, is_secure=is_secure), value, max_age=_YEAR, httponly=True, samesite="Lax", secure=is_secure
    )
