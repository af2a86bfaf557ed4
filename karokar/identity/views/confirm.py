"""Confirming who one is in an open session: before what changes who gets in, and where a second factor is missing."""

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from karokar.identity import actions, queries
from karokar.identity.resolver import current_session_id
from karokar.identity.views.account import own_id
from karokar.identity.views.blueprint import bp
from karokar.identity.views.tries import begin_own_try, end_own_try
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import signed_in, without_second_factor
from karokar.web.requests.session_end import PROOF, SENDS_TO, confirm_page, local_path

WRONG = "This is neither your password nor a code that works now. A code works once: wait for the next one."


@bp.get("/account/confirm")
@signed_in
@without_second_factor
def confirm() -> ResponseReturnValue:
    """Ask for a password or a code; whoever needs a second factor and has none sets it up."""
    wanted = local_path(request.args.get("next")) or url_for("web.home")
    if current_actor().lacks_second_factor and not queries.get_account(own_id()).has_second_factor:
        return redirect(url_for("identity.own_second_factor"), 303)
    return _page(wanted)


@bp.post("/account/confirm")
@signed_in
@without_second_factor
def confirm_with() -> ResponseReturnValue:
    """Check it, then go on: to a page, or on with the form that was held back (307: the browser sends it again)."""
    session_id = current_session_id()
    if session_id is None:
        raise NotFound
    sends_to = local_path(request.form.get(SENDS_TO))
    wanted = local_path(request.form.get("next")) or url_for("web.home")
    begin_own_try()
    if actions.prove(session_id, request.form.get(PROOF, "")):
        end_own_try()
        return redirect(sends_to, 307) if sends_to else redirect(wanted, 303)
    return (confirm_page(sends_to, error=WRONG) if sends_to else _page(wanted, WRONG)), 422


def _page(wanted: str, error: str = "") -> str:
    is_code = current_actor().lacks_second_factor and queries.get_account(own_id()).has_second_factor
    return render_template("identity/confirm.html", next=wanted, error=error, is_code=is_code)
