"""The pages of identity, and what protects the door."""

from typing import cast

from flask import Blueprint, Flask, request
from flask.blueprints import BlueprintSetupState
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from werkzeug.wrappers import Response

from karokar.identity.resolver import login_manager
from karokar.identity.rules import normal_email

bp = Blueprint("identity", __name__)

# Counted in each process's memory: signing in works while Redis is away.
limiter = Limiter(get_remote_address, storage_uri="memory://", headers_enabled=False)


@bp.record_once
def _set_up(state: BlueprintSetupState) -> None:
    limiter.init_app(cast("Flask", state.app))
    login_manager.init_app(state.app)


def was_refused(response: Response) -> bool:
    """Whether an answer says no: only these count against somebody who tries."""
    return response.status_code >= 400


def account_key() -> str:
    """Return whose door is knocked at."""
    return "account:" + normal_email(request.form.get("email", ""))[:254]
