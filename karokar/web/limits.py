"""How often somebody may try: counted in Redis, so that all processes count together.

While Redis is away each process counts for itself: signing in goes on, and nobody may try without end.
"""

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from werkzeug.wrappers import Response

limiter = Limiter(get_remote_address, in_memory_fallback_enabled=True, headers_enabled=False)

_ANSWERS_WITHIN = 0.5


def was_refused(response: Response) -> bool:
    """Whether an answer says no: where only these count, whoever gets in is not counted."""
    return response.status_code >= 400


def install(app: Flask) -> None:
    """Count for this application."""
    url = app.config["KAROKAR"].redis_url
    if url is None:
        app.config["RATELIMIT_STORAGE_URI"] = "memory://"
    else:
        # The library's name for a socket.
        app.config["RATELIMIT_STORAGE_URI"] = url.replace("unix://", "redis+unix://", 1)
        app.config["RATELIMIT_STORAGE_OPTIONS"] = {
            "socket_connect_timeout": _ANSWERS_WITHIN,
            "socket_timeout": _ANSWERS_WITHIN,
        }
        app.config["RATELIMIT_KEY_PREFIX"] = "karokar-tries"
    limiter.init_app(app)
