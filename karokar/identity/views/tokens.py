"""API tokens: one's own, and those that members made for an organization."""

from functools import cache
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from karokar.identity import actions, queries
from karokar.identity.forms import TokenForm, choices
from karokar.identity.permissions import EMPLOYEE_MANAGE
from karokar.identity.views.account import own_id
from karokar.identity.views.blueprint import bp
from karokar.kernel.actor import current_actor
from karokar.kernel.permissions import PERMISSIONS, may, requires, signed_in
from karokar.organization import facts as organization
from karokar.web.lists.filters import Carried, Filters, Text


@bp.get("/account/tokens")
@signed_in
def tokens() -> str:
    """List one's tokens, and offer to make one."""
    return _page(_form())


@bp.post("/account/tokens")
@signed_in
def create_token() -> ResponseReturnValue:
    """Make a token, and show its secret once."""
    form = _form()
    if form.is_sent():
        with form.refusals():
            token = actions.create_token(
                name=form["name"].data, permissions=form.permissions.data or [], days=form.days.data
            )
            # Shown in the answer itself: nothing that is secret travels through an address or is kept for later.
            page = render_template("identity/token_made.html", token=token, name=form["name"].data)
            return page, 200, {"Cache-Control": "no-store"}
    return _page(form), 422


@bp.post("/account/tokens/<uuid:token_id>/revoke")
@signed_in
def revoke_token(token_id: UUID) -> ResponseReturnValue:
    """End a token."""
    actions.revoke_token(token_id)
    flash("The token is revoked. Programs that used it are refused from now on.", "good")
    return redirect(url_for("identity.tokens"), 303)


@bp.get("/identity/tokens")
@requires(EMPLOYEE_MANAGE, reading=True)
def member_tokens() -> str:
    """List the tokens that work for the acting organization (the platform: for all), whoever made them."""
    fields = (
        Text("q", "Purpose or owner's address", argument="text"),
        Carried("organization", "Organization", "organization_id", name_of=cache(organization.name_of)),
    )
    filters = Filters.of_request(fields, sorts=tuple(queries.TOKEN_SORTS), default_sort="-made")
    page = queries.list_tokens_to_manage(**filters.values, sort=filters.sort, cursor=filters.cursor)
    names = organization.organizations({row.organization_id for row in page.rows})
    return render_template(
        "identity/member_tokens.html", page=page, filters=filters, names=names, may_manage=may(EMPLOYEE_MANAGE)
    )


@bp.post("/identity/tokens/<uuid:token_id>/revoke")
@requires(EMPLOYEE_MANAGE)
def revoke_token_of_member(token_id: UUID) -> ResponseReturnValue:
    """End a token of somebody else."""
    actions.revoke_token_of_member(token_id)
    flash("The token is revoked. Programs that used it are refused from now on.", "good")
    return redirect(url_for("identity.member_tokens"), 303)


def _form() -> TokenForm:
    form = TokenForm()
    held = current_actor().permissions
    form.permissions.choices = choices(*((code, PERMISSIONS[code].description) for code in sorted(held)))
    return form


def _page(form: TokenForm) -> str:
    rows = queries.list_tokens(own_id())
    names = organization.organizations([row.organization_id for row in rows])
    return render_template("identity/tokens.html", rows=rows, names=names, form=form)
