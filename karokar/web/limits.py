"""How often somebody may try: counted in each process's memory, so that signing in works while Redis is away."""

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from werkzeug.wrappers import Response

limiter = Limiter(get_remote_address, storage_uri="memory://", headers_enabled=False)


def was_refused(response: Response) -> bool:
    """Whether an answer says no: where only these count, whoever gets in is not counted."""
    return response.status_code >= 400


def install(app: Flask) -> None:
    """Count for this application."""
    limiter.init_app(app)
