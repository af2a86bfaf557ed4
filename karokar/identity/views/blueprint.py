"""The blueprint of identity's pages."""

from flask import Blueprint, request
from flask.blueprints import BlueprintSetupState

from karokar.identity.resolver import login_manager
from karokar.identity.rules import normal_email

bp = Blueprint("identity", __name__)


@bp.record_once
def _set_up(state: BlueprintSetupState) -> None:
    login_manager.init_app(state.app)


def account_key() -> str:
    """Return whose door is knocked at."""
    return "account:" + normal_email(request.form.get("email", ""))[:254]
