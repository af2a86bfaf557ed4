"""One's own account: profile, password, sessions, second factor."""

from uuid import UUID

import segno
from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from karokar.identity import actions, queries
from karokar.identity.forms import CodeForm, ConfirmForm, PasswordForm, ProfileForm
from karokar.identity.resolver import current_session_id
from karokar.identity.views.blueprint import bp
from karokar.identity.views.tries import begin_own_try, end_own_try
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import DomainError, NotFound
from karokar.kernel.permissions import signed_in, without_second_factor
from karokar.web.responses.cookies import set_cookie


def own_id() -> UUID:
    """Return the acting person's id. Raises NotFound where a request has none."""
    user_id = current_actor().user_id
    if user_id is None:
        raise NotFound
    return user_id


@bp.get("/account/profile")
@signed_in
def profile() -> str:
    """Show name, phone, time zone and display."""
    account = queries.get_account(own_id())
    return render_template("identity/profile.html", form=ProfileForm(obj=account), account=account)


@bp.post("/account/profile")
@signed_in
def update_profile() -> ResponseReturnValue:
    """Change them."""
    form = ProfileForm()
    if form.is_sent():
        with form.refusals():
            user = actions.update_profile(**form.values(), version=form.sent_version)
            flash("Saved.", "good")
            response = redirect(url_for("identity.profile"), 303)
            set_cookie(response, "kk_theme", user.theme)
            return response
    return render_template("identity/profile.html", form=form, account=queries.get_account(own_id())), form.status


@bp.get("/account/password")
@signed_in
def password() -> str:
    """Ask for the current password and a new one."""
    return _password(PasswordForm())


def _password(form: PasswordForm) -> str:
    return render_template("identity/password.html", form=form, live_tokens=queries.count_live_tokens(own_id()))


def keeps_tokens() -> bool:
    """Return whether the form that was sent says that API tokens go on working."""
    return request.form.get("keeps_tokens") == "yes"


@bp.post("/account/password")
@signed_in
def change_password() -> ResponseReturnValue:
    """Change it; sessions elsewhere end."""
    form = PasswordForm()
    if form.is_sent():
        begin_own_try()
        is_changed = False
        with form.refusals():
            actions.change_password(
                current=form.current.data,
                new=form.new.data,
                kept_session_id=current_session_id(),
                keeps_tokens=keeps_tokens(),
            )
            is_changed = True
        if not form.current.errors:
            end_own_try()
        if is_changed:
            flash("Your password is changed. You are signed out everywhere else.", "good")
            return redirect(url_for("identity.profile"), 303)
    return _password(form), form.status


@bp.get("/account/sessions")
@signed_in
def sessions() -> str:
    """List where one is signed in."""
    rows = queries.list_sessions(own_id())
    return render_template(
        "identity/sessions.html",
        rows=rows,
        current_id=current_session_id(),
        live_tokens=queries.count_live_tokens(own_id()),
    )


@bp.post("/account/sessions/<uuid:session_id>/end")
@signed_in
def end_session(session_id: UUID) -> ResponseReturnValue:
    """End one of them."""
    actions.end_session(session_id)
    flash("That browser is signed out.", "good")
    return redirect(url_for("identity.sessions"), 303)


@bp.post("/account/sessions/end-others")
@signed_in
def end_other_sessions() -> ResponseReturnValue:
    """End all but this one."""
    count = actions.end_other_sessions(current_session_id(), keeps_tokens=keeps_tokens())
    flash("You were signed in nowhere else." if not count else f"Signed out of {count} other sessions.", "good")
    return redirect(url_for("identity.sessions"), 303)


@bp.get("/account/second-factor")
@signed_in
@without_second_factor
def own_second_factor() -> str:
    """Show whether the second factor is on, and how to turn it on or off."""
    return _second_factor(CodeForm(), ConfirmForm())


@bp.post("/account/second-factor/begin")
@signed_in
@without_second_factor
def begin_second_factor() -> ResponseReturnValue:
    """Make a secret for an authenticator app."""
    actions.begin_enrolment(own_id())
    return redirect(url_for("identity.own_second_factor"), 303)


@bp.post("/account/second-factor/confirm")
@signed_in
@without_second_factor
def confirm_second_factor() -> ResponseReturnValue:
    """Turn it on with a first code, and show the recovery codes once."""
    form = CodeForm()
    if form.is_sent():
        begin_own_try()
        with form.refusals(DomainError):
            codes = actions.confirm_enrolment(own_id(), form.code.data, session_id=current_session_id())
            end_own_try()
            return _codes(codes)
    return _second_factor(form, ConfirmForm()), 422


@bp.post("/account/second-factor/codes")
@signed_in
def renew_recovery_codes() -> ResponseReturnValue:
    """Make new recovery codes, and show them once."""
    form = ConfirmForm()
    if form.is_sent():
        begin_own_try()
        with form.refusals(DomainError):
            codes = actions.renew_recovery_codes(password=form.password.data)
            end_own_try()
            return _codes(codes)
    return _second_factor(CodeForm(), form), 422


@bp.post("/account/second-factor/off")
@signed_in
def disable_second_factor() -> ResponseReturnValue:
    """Turn it off, where the role allows that."""
    form = ConfirmForm()
    if form.is_sent():
        begin_own_try()
        with form.refusals(DomainError):
            actions.disable_second_factor(password=form.password.data)
            end_own_try()
            flash("The second factor is off.", "good")
            return redirect(url_for("identity.own_second_factor"), 303)
    return _second_factor(CodeForm(), form), 422


def _second_factor(code_form: CodeForm, confirm_form: ConfirmForm) -> str:
    key = queries.find_enrolment(own_id())
    return render_template(
        "identity/own_second_factor.html",
        account=queries.get_account(own_id()),
        key=key,
        picture=segno.make(key.address, error="m").svg_data_uri(scale=5, light="#fff") if key else "",
        codes_left=queries.count_recovery_codes(own_id()),
        code_form=code_form,
        confirm_form=confirm_form,
    )


def _codes(codes: list[str]) -> ResponseReturnValue:
    # Shown in the answer itself: nothing that is secret travels through an address or is kept for later.
    return render_template("identity/codes.html", codes=codes), 200, {"Cache-Control": "no-store"}
