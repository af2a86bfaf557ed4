"""Joining by the link of an invitation."""

from flask import flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from karokar.identity import actions, queries
from karokar.identity.forms import InvitationForm, JoinForm
from karokar.identity.resolver import current_session_id
from karokar.identity.views.blueprint import NO_REFERRER, bp
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import DomainError
from karokar.kernel.fairness.limits import LINKS_OF_SOURCE
from karokar.kernel.permissions import public
from karokar.organization import facts as organization
from karokar.web.forms.base import Form
from karokar.web.requests.limits import limited
from karokar.web.requests.session_end import sign_in_url


@bp.get("/invitation")
@public
def invitation() -> ResponseReturnValue:
    """Show who invites, and offer to sign in or to choose a password; ask whoever is signed in for a yes."""
    return _page(_token(), None)


def _token() -> str:
    return request.args.get("token", "")


@bp.post("/invitation")
@public
@limited(LINKS_OF_SOURCE)
def accept() -> ResponseReturnValue:
    """Join."""
    token = _token()
    found = queries.find_invitation(token)
    if found is None:
        return _page(token, None)
    form = _form(found)
    if not form.is_sent():
        return _page(token, form)
    is_joined = False
    with form.refusals(DomainError):
        actions.accept_invitation(token, password=None if _is_oneself(found) else form["password"].data)
        is_joined = True
    return _welcome(found) if is_joined else _page(token, form)


def _is_oneself(found: queries.OpenInvitation) -> bool:
    return current_actor().user_id == found.user_id


def _form(found: queries.OpenInvitation) -> Form:
    return JoinForm() if _is_oneself(found) else InvitationForm()


def _welcome(joined: queries.OpenInvitation) -> ResponseReturnValue:
    session_id = current_session_id()
    if session_id is not None and current_actor().user_id == joined.user_id:
        actions.switch_organization(session_id, joined.organization_id)
        flash(f"Welcome to {organization.get_organization(joined.organization_id).name}.", "good")
        return redirect(url_for("web.home"), 303)
    session.clear()
    flash("You have joined. Sign in with your new password now.", "good")
    return redirect(url_for("identity.login"), 303)


def _page(token: str, form: Form | None) -> ResponseReturnValue:
    found = queries.find_invitation(token)
    if found is None:
        return render_template("identity/invitation_ended.html"), 410
    inviter = organization.get_organization(found.organization_id)
    page = render_template(
        "identity/invitation.html",
        invitation=found,
        organization=inviter,
        form=form or _form(found),
        is_oneself=_is_oneself(found),
        is_somebody_else=current_actor().user_id not in {None, found.user_id},
        sign_in_url=sign_in_url(request.full_path.rstrip("?")),
    )
    return page, form.status if form else 200, NO_REFERRER
