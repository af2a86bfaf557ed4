"""Roles: what the system's allow, and composing one's own."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from karokar.identity import actions, queries
from karokar.identity.forms import RoleForm
from karokar.identity.permissions import ROLE_MANAGE
from karokar.identity.rules import PERMISSION_FIELD, as_entry
from karokar.identity.views.blueprint import bp
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import may, requires
from karokar.web.forms.base import sent_version


def _acting() -> tuple[UUID, str]:
    actor = current_actor()
    if actor.organization_id is None or actor.organization_type is None:
        raise NotFound("organization")
    return actor.organization_id, actor.organization_type


@bp.get("/identity/roles")
@requires(ROLE_MANAGE, reading=True)
def roles() -> str:
    """List the roles that members can have, with how many hold each."""
    return render_template("identity/roles.html", rows=queries.list_role_rows(*_acting()), may_manage=may(ROLE_MANAGE))


@bp.get("/identity/roles/new")
@requires(ROLE_MANAGE)
def new_role() -> str:
    """Offer every permission that the organization's type allows."""
    return _composer(RoleForm(), None, {})


@bp.post("/identity/roles/new")
@requires(ROLE_MANAGE)
def create_role() -> ResponseReturnValue:
    """Compose a role."""
    form = RoleForm()
    if form.is_sent():
        with form.refusals():
            made = actions.create_role(
                name=form["name"].data, description=form.description.data or "", permissions=_chosen()
            )
            flash(f"The role {made.name} is made. You can give it to members now.", "good")
            return redirect(url_for("identity.role", role_id=made.id), 303)
    return _composer(form, None, _levels(_chosen())), 422


@bp.get("/identity/roles/<uuid:role_id>")
@requires(ROLE_MANAGE, reading=True)
def role(role_id: UUID) -> str:
    """Show what a role allows; a composed one can be changed here."""
    found = queries.get_role(role_id, *_acting())
    is_within_reach = queries.outranks(found.permissions, _acting()[0])
    if found.is_system_role or not may(ROLE_MANAGE) or not is_within_reach:
        return render_template("identity/role.html", role=found, grantable=queries.grantable_permissions(_acting()[1]))
    return _composer(RoleForm(obj=found), found, _levels(list(found.entries)))


@bp.post("/identity/roles/<uuid:role_id>")
@requires(ROLE_MANAGE)
def update_role(role_id: UUID) -> ResponseReturnValue:
    """Change a composed role."""
    found = queries.get_role(role_id, *_acting())
    form = RoleForm()
    if form.is_sent():
        with form.refusals():
            changed = actions.update_role(
                role_id,
                name=form["name"].data,
                description=form.description.data or "",
                permissions=_chosen(),
                version=form.sent_version,
            )
            flash(f"The role {changed.name} is changed. It counts from its holders' next click on.", "good")
            return redirect(url_for("identity.roles"), 303)
    return _composer(form, found, _levels(_chosen())), 422


@bp.post("/identity/roles/<uuid:role_id>/delete")
@requires(ROLE_MANAGE)
def delete_role(role_id: UUID) -> ResponseReturnValue:
    """Delete a composed role that nobody holds."""
    actions.delete_role(role_id, version=sent_version())
    flash("The role is deleted.", "good")
    return redirect(url_for("identity.roles"), 303)


def _composer(form: RoleForm, found: queries.RoleFacts | None, levels: dict[str, str]) -> str:
    groups: dict[str, list[queries.Grantable]] = {}
    for item in queries.grantable_permissions(_acting()[1]):
        groups.setdefault(item.resource, []).append(item)
    base = {
        f"{PERMISSION_FIELD}{item.code}": levels.get(item.code, "no") for items in groups.values() for item in items
    }
    return render_template("identity/compose_role.html", form=form, role=found, groups=groups, levels=levels, base=base)


def _chosen() -> list[str]:
    """Return the entries chosen on the page: one control per permission, `no`, `own` or `self`."""
    return [
        as_entry(name.removeprefix(PERMISSION_FIELD), is_self=value == "self")
        for name, value in request.form.items()
        if name.startswith(PERMISSION_FIELD) and value in {"own", "self"}
    ]


def _levels(entries: list[str]) -> dict[str, str]:
    return {entry.removesuffix(":self"): "self" if entry.endswith(":self") else "own" for entry in entries}
