"""Signing in and out, the second factor at the door, a forgotten password, and acting for another organization."""

from uuid import UUID

import segno
from flask import flash, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from karokar.identity import actions, queries, rules
from karokar.identity.forms import CodeForm, LoginForm, NewPasswordForm, ResetRequestForm
from karokar.identity.resolver import begin_session, current_session_id, forget_session
from karokar.identity.views.account import keeps_tokens
from karokar.identity.views.blueprint import NO_REFERRER, account_and_source, bp
from karokar.identity.views.devices import address_of, device_of
from karokar.identity.views.tries import begin_try, browser_known_to, end_try, remember_browser
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import DomainError, RuleBroken, StateConflict
from karokar.kernel.fairness.limits import LINKS_OF_SOURCE, RESETS_OF_SOURCE, RESETS_OF_SOURCE_AND_ADDRESS
from karokar.kernel.permissions import public, signed_in, without_second_factor
from karokar.web.requests.limits import limited
from karokar.web.requests.session_end import local_path

_WAITING = "second_factor"
REFUSED = "This address and password do not belong together. Check both, or ask for a new password."
TOO_OLD = "Too much time has passed. Please sign in again."


@bp.get("/login")
@public
def login() -> ResponseReturnValue:
    """Show the door; whoever is in already goes on."""
    if current_actor().user_id is not None:
        return redirect(_next(request.args.get("next")), 303)
    return render_template("identity/login.html", form=LoginForm(next=request.args.get("next", "")))


@bp.post("/login")
@public
def sign_in() -> ResponseReturnValue:
    """Check address and password; the answer is the same whether or not the address is known."""
    form = LoginForm()
    if not form.is_sent():
        return render_template("identity/login.html", form=form), 422
    begin_try("password", form.email.data)
    check = queries.check_password(form.email.data, form.password.data)
    if not check.is_right or check.user_id is None:
        actions.refuse_sign_in(check.user_id, reason="password")
        form.refuse(RuleBroken("SIGN_IN_REFUSED", REFUSED))
        return render_template("identity/login.html", form=form), 422
    mark = check.mark
    if check.needs_new_hash:
        mark = actions.renew_hash(check.user_id, form.password.data, mark=mark)
    end_try("password", form.email.data)
    end_former_session()
    if check.has_membership and (check.needs_code or check.must_enrol):
        session.clear()
        session[_WAITING] = {
            "user": str(check.user_id),
            "mark": mark,
            "at": clock.now().timestamp(),
            "next": form.next.data,
        }
        return redirect(url_for("identity.second_factor" if check.needs_code else "identity.enrol"), 303)
    try:
        token = actions.open_session(
            check.user_id,
            mark=mark,
            device=device_of(),
            address=address_of(),
            is_known_browser=browser_known_to(form.email.data) is not None,
        )
    except StateConflict as refusal:
        form.refuse(refusal)
        return render_template("identity/login.html", form=form), 422
    return _enter(token or "", form.next.data, form.email.data)


def end_former_session() -> None:
    """End the session that this browser had: its cookie is about to be replaced."""
    former = current_session_id()
    if former is not None:
        actions.sign_out(former)


def _enter(token: str, wanted: str | None, email: str) -> ResponseReturnValue:
    begin_session(token)
    response = redirect(_next(wanted), 303)
    remember_browser(response, email)
    return response


def _next(wanted: str | None) -> str:
    path = local_path(wanted)
    is_door = path is not None and path.startswith(("/login", "/logout"))
    return path if path and not is_door else url_for("web.home")


def _waiting() -> tuple[UUID, str, str] | None:
    """Return whose password was right a moment ago, its mark, and where they wanted to go."""
    kept = session.get(_WAITING)
    if not isinstance(kept, dict) or clock.now().timestamp() - kept["at"] > rules.SECOND_FACTOR_MINUTES * 60:
        session.pop(_WAITING, None)
        return None
    return UUID(kept["user"]), kept["mark"], kept["next"] or ""


def _start_again() -> ResponseReturnValue:
    flash(TOO_OLD, "wait")
    return redirect(url_for("identity.login"), 303)


@bp.get("/login/code")
@public
def second_factor() -> ResponseReturnValue:
    """Ask for a code of the authenticator app, or a recovery code."""
    if _waiting() is None:
        return _start_again()
    return render_template("identity/second_factor.html", form=CodeForm())


@bp.post("/login/code")
@public
def pass_second_factor() -> ResponseReturnValue:
    """Check the code."""
    waiting, form = _waiting(), CodeForm()
    if waiting is None:
        return _start_again()
    user_id, mark, wanted = waiting
    if form.is_sent():
        email = queries.get_account(user_id).email
        begin_try("code", email)
        token = actions.open_session(
            user_id,
            mark=mark,
            code=form.code.data,
            device=device_of(),
            address=address_of(),
            is_known_browser=browser_known_to(email) is not None,
        )
        if token is not None:
            end_try("code", email)
            return _enter(token, wanted, email)
        sentence = "This code is wrong or was used already. Wait for the next one, or use a recovery code."
        form.refuse(RuleBroken("CODE_WRONG", sentence, fields={"code": sentence}))
    return render_template("identity/second_factor.html", form=form), 422


@bp.get("/login/enrol")
@public
def enrol() -> ResponseReturnValue:
    """Show the QR code to somebody whose role requires a second factor."""
    waiting = _waiting()
    if waiting is None:
        return _start_again()
    actions.begin_enrolment(waiting[0])
    return _enrolment(waiting[0], CodeForm())


@bp.post("/login/enrol")
@public
def finish_enrolment() -> ResponseReturnValue:
    """Check the first code, sign in, and show the recovery codes once."""
    waiting, form = _waiting(), CodeForm()
    if waiting is None:
        return _start_again()
    user_id, mark, wanted = waiting
    if form.is_sent():
        email = queries.get_account(user_id).email
        begin_try("code", email)
        with form.refusals(DomainError):
            codes = actions.confirm_enrolment(user_id, form.code.data)
            token = actions.open_session(
                user_id,
                mark=mark,
                device=device_of(),
                address=address_of(),
                has_enrolled=True,
                is_known_browser=browser_known_to(email) is not None,
            )
            end_try("code", email)
            begin_session(token or "")
            # Shown in the answer itself: nothing that is secret travels through an address or is kept for later.
            page = make_response(render_template("identity/signed_out_codes.html", codes=codes, go_on=_next(wanted)))
            page.headers["Cache-Control"] = "no-store"
            remember_browser(page, email)
            return page
    return _enrolment(user_id, form), 422


def _enrolment(user_id: UUID, form: CodeForm) -> str:
    key = queries.find_enrolment(user_id)
    picture = segno.make(key.address, error="m").svg_data_uri(scale=5, light="#fff") if key else ""
    return render_template("identity/enrol.html", form=form, key=key, picture=picture)


@bp.post("/logout")
@public
def logout() -> ResponseReturnValue:
    """End the session of this browser."""
    end_former_session()
    forget_session()
    flash("You are signed out.", "good")
    response = redirect(url_for("identity.login"), 303)
    # What pages kept in the browser goes; cookies stay: the theme, and that its owner uses this browser.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@bp.post("/switch")
@signed_in
@without_second_factor
def switch() -> ResponseReturnValue:
    """Act for another of one's organizations."""
    session_id = current_session_id()
    if session_id is not None:
        actions.switch_organization(session_id, _uuid(request.form.get("organization_id", "")))
    return redirect(url_for("web.home"), 303)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


@bp.get("/password/reset")
@public
def forgotten() -> str:
    """Ask whose password is to be set anew."""
    return render_template("identity/forgotten.html", form=ResetRequestForm(), is_sent=False)


@bp.post("/password/reset")
@public
@limited(RESETS_OF_SOURCE)
@limited(RESETS_OF_SOURCE_AND_ADDRESS, key=account_and_source)
def request_reset() -> ResponseReturnValue:
    """Have the link sent; the answer is the same whether or not the address is known."""
    form = ResetRequestForm()
    if not form.is_sent():
        return render_template("identity/forgotten.html", form=form, is_sent=False), 422
    actions.request_password_reset(form.email.data)
    return redirect(url_for("identity.reset_sent"), 303)


@bp.get("/password/reset/sent")
@public
def reset_sent() -> str:
    """Say that a mail is on its way, if the address is known."""
    return render_template("identity/forgotten.html", form=ResetRequestForm(), is_sent=True)


@bp.get("/password/new")
@public
def new_password() -> ResponseReturnValue:
    """Ask for a new password, where the link still works."""
    link = queries.find_reset(request.args.get("token", ""))
    status = 200 if link else 410
    page = render_template("identity/new_password.html", form=NewPasswordForm(), link=link)
    return page, status, NO_REFERRER


@bp.post("/password/new")
@public
@limited(LINKS_OF_SOURCE)
def reset_password() -> ResponseReturnValue:
    """Set the new password; every session ends."""
    token, form = request.args.get("token", ""), NewPasswordForm()
    if form.is_sent():
        with form.refusals(DomainError):
            actions.reset_password(token, new=form.new.data, keeps_tokens=keeps_tokens())
            forget_session()
            flash("Your password is set. Sign in with it now.", "good")
            return redirect(url_for("identity.login"), 303)
    link = queries.find_reset(token)
    return render_template("identity/new_password.html", form=form, link=link), 422 if link else 410
