"""The blueprint of identity's pages."""

from flask import Blueprint, request
from flask.blueprints import BlueprintSetupState

from karokar.identity.resolver import login_manager
from karokar.identity.rules.tries import source_of
from karokar.kernel.text.email_addresses import normal_email

bp = Blueprint("identity", __name__)

NO_REFERRER = {"Referrer-Policy": "no-referrer"}
"""For pages whose address holds a secret: what they load must not carry it into a log."""


@bp.record_once
def _set_up(state: BlueprintSetupState) -> None:
    login_manager.init_app(state.app)


def account_and_source() -> str:
    """Return whose password is to be set anew, and from where that was asked: nobody uses up another's requests."""
    source = source_of(request.remote_addr or "")
    return f"account:{normal_email(request.form.get('email', ''))[:254]}|{source}"
