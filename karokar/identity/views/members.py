"""Members of the acting organization: inviting them, their roles, their rights."""

from collections.abc import Mapping
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from karokar.identity import actions, queries
from karokar.identity.forms import IdentityCheckForm, MemberForm, ReasonForm, RoleChangeForm, role_choices
from karokar.identity.permissions import EMPLOYEE_MANAGE
from karokar.identity.views.account import keeps_tokens
from karokar.identity.views.blueprint import bp
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import NotFound
from karokar.kernel.pages.paging import Page
from karokar.kernel.permissions import may, requires
from karokar.organization import facts as organization
from karokar.runs.views.exports import ListExport
from karokar.web.forms.base import label_of, sent_version
from karokar.web.lists.exports import Column
from karokar.web.lists.filters import Choice, Filters, Text
from karokar.web.shell.states import state_choices, state_of


def _acting_for() -> UUID:
    organization_id = current_actor().organization_id
    if organization_id is None:
        raise NotFound("organization")
    return organization_id


COLUMNS = (
    Column(label_of(MemberForm, "first_name"), lambda row: row.first_name),
    Column(label_of(MemberForm, "last_name"), lambda row: row.last_name),
    Column(label_of(MemberForm, "email"), lambda row: row.email),
    Column(label_of(MemberForm, "phone"), lambda row: row.phone),
    Column(label_of(MemberForm, "role_id"), lambda row: row.role_name),
    Column("Status", lambda row: state_of("membership", row.status).word),
    Column("Invited", lambda row: row.invited_at),
    Column("Joined", lambda row: row.joined_at),
    Column("Last seen", lambda row: row.last_seen_at),
)


def _filters(args: Mapping[str, str] | None = None) -> Filters:
    roles = _roles_to_give(_acting_for())
    fields = (
        Text("q", "Name or address", argument="text"),
        Choice("status", "Status", choices=state_choices("membership")),
        Choice("role", "Role", argument="role_id", choices=[(str(row.id), row.name) for row in roles], is_id=True),
    )
    return Filters.of_request(fields, sorts=tuple(queries.MEMBER_SORTS), default_sort="name", args=args)


@bp.get("/identity/members")
@requires(EMPLOYEE_MANAGE, reading=True)
def members() -> str:
    """List the members of the acting organization."""
    filters = _filters()
    page = queries.list_member_rows(
        organization_id=_acting_for(), **filters.values, sort=filters.sort, cursor=filters.cursor
    )
    return render_template("identity/members.html", page=page, filters=filters, may_manage=may(EMPLOYEE_MANAGE))


def _page_of(filters: Filters, cursor: str | None, size: int) -> Page[queries.MemberRow]:
    return queries.list_member_rows(
        organization_id=_acting_for(), **filters.values, sort=filters.sort, cursor=cursor, size=size, counted=False
    )


def _count(filters: Filters, limit: int) -> int:
    return queries.count_listed_members(organization_id=_acting_for(), **filters.values, limit=limit)


MEMBERS = ListExport(
    "identity.export",
    "Members",
    permission=EMPLOYEE_MANAGE,
    columns=COLUMNS,
    filters=_filters,
    page=_page_of,
    count=_count,
)


@bp.get("/identity/members/export")
@requires(EMPLOYEE_MANAGE, reading=True)
def export_members() -> Response:
    """Send the list, as the filters show it, as a file; a long one is made by a run."""
    return MEMBERS.answer()


def _roles_to_give(organization_id: UUID) -> list[queries.RoleFacts]:
    return queries.list_roles_to_give(organization_id, organization.get_organization(organization_id).type)


def _roles_within_reach(organization_id: UUID) -> list[queries.RoleFacts]:
    return queries.list_roles_within_reach(organization_id, organization.get_organization(organization_id).type)


def _member_form(organization_id: UUID) -> MemberForm:
    form = MemberForm()
    form.role_id.choices = role_choices(_roles_within_reach(organization_id))
    return form


@bp.get("/identity/members/new")
@requires(EMPLOYEE_MANAGE)
def new_member() -> str:
    """Ask whom to invite."""
    return render_template("identity/new_member.html", form=_member_form(_acting_for()))


@bp.post("/identity/members/new")
@requires(EMPLOYEE_MANAGE)
def invite() -> ResponseReturnValue:
    """Invite somebody by e-mail."""
    form = _member_form(_acting_for())
    if form.is_sent():
        with form.refusals():
            values = form.values()
            member = actions.invite_member(**{**values, "role_id": UUID(values["role_id"])})
            flash("Invited. The mail with the link is on its way.", "good")
            return redirect(url_for("identity.member", membership_id=member.id), 303)
    return render_template("identity/new_member.html", form=form), form.status


@bp.get("/identity/members/<uuid:membership_id>")
@requires(EMPLOYEE_MANAGE, reading=True)
def member(membership_id: UUID) -> str:
    """Show a member: who they are, what they may do here, and what can be done."""
    return _page(membership_id, RoleChangeForm())


def _page(membership_id: UUID, form: RoleChangeForm) -> str:
    row = queries.get_member_row(membership_id)
    roles = _roles_within_reach(row.organization_id)
    form.role_id.choices = role_choices([role for role in roles if role.id != row.role_id])
    return render_template(
        "identity/member.html",
        member=row,
        organization=organization.get_organization(row.organization_id),
        role_form=form,
        reason_form=ReasonForm(),
        rights=queries.effective_rights(row.user_id, row.organization_id),
        may_manage=may(EMPLOYEE_MANAGE) and row.may_touch,
        is_above=may(EMPLOYEE_MANAGE) and not row.may_touch,
        is_last_admin=row.is_admin and row.status == "ACTIVE" and queries.count_admins(row.organization_id) == 1,
    )


def _back(membership_id: UUID, message: str) -> ResponseReturnValue:
    flash(message, "good")
    return redirect(url_for("identity.member", membership_id=membership_id), 303)


@bp.post("/identity/members/<uuid:membership_id>/role")
@requires(EMPLOYEE_MANAGE)
def change_role(membership_id: UUID) -> ResponseReturnValue:
    """Give a member another role."""
    form = RoleChangeForm()
    row = queries.get_member_row(membership_id)
    form.role_id.choices = role_choices(_roles_to_give(row.organization_id))
    if form.is_sent():
        with form.refusals():
            actions.change_role(membership_id, role_id=UUID(form.role_id.data), version=form.sent_version)
            return _back(membership_id, "The role is changed. It counts from the next click on.")
    return _page(membership_id, form), 422


@bp.post("/identity/members/<uuid:membership_id>/suspend")
@requires(EMPLOYEE_MANAGE)
def suspend(membership_id: UUID) -> ResponseReturnValue:
    """Take a member's rights away for now."""
    actions.suspend_member(membership_id, reason=_reason(), version=sent_version())
    return _back(membership_id, "Suspended. They can do nothing here until you reinstate them.")


@bp.post("/identity/members/<uuid:membership_id>/reinstate")
@requires(EMPLOYEE_MANAGE)
def reinstate(membership_id: UUID) -> ResponseReturnValue:
    """Give a suspended member their rights back."""
    actions.reinstate_member(membership_id, version=sent_version())
    return _back(membership_id, "Reinstated.")


@bp.post("/identity/members/<uuid:membership_id>/remove")
@requires(EMPLOYEE_MANAGE)
def remove(membership_id: UUID) -> ResponseReturnValue:
    """Let a member go."""
    actions.remove_member(membership_id, reason=_reason(), version=sent_version())
    return _back(membership_id, "Removed. Their history stays; you can invite them again.")


def _reason() -> str:
    return request.form.get("reason", "").strip()[:200]


@bp.post("/identity/members/<uuid:membership_id>/resend")
@requires(EMPLOYEE_MANAGE)
def resend(membership_id: UUID) -> ResponseReturnValue:
    """Send the invitation anew."""
    actions.resend_invitation(membership_id, version=sent_version())
    return _back(membership_id, "Sent again. Only the newest link works.")


@bp.post("/identity/members/<uuid:membership_id>/withdraw")
@requires(EMPLOYEE_MANAGE)
def withdraw(membership_id: UUID) -> ResponseReturnValue:
    """Take the invitation back."""
    actions.withdraw_invitation(membership_id, version=sent_version())
    return _back(membership_id, "Withdrawn. The link in the mail works no more.")


@bp.post("/identity/members/<uuid:membership_id>/link")
@requires(EMPLOYEE_MANAGE)
def copy_link(membership_id: UUID) -> ResponseReturnValue:
    """Show the invitation's link once, for handing it over another way."""
    link = actions.take_invitation_link(membership_id)
    # Shown in the answer itself: nothing that is secret travels through an address or is kept for later.
    page = render_template("identity/invitation_link.html", link=link, member=queries.get_member_row(membership_id))
    return page, 200, {"Cache-Control": "no-store"}


@bp.get("/identity/people/<uuid:user_id>")
@requires(EMPLOYEE_MANAGE, reading=True)
def person(user_id: UUID) -> ResponseReturnValue:
    """Lead to a person's membership in the acting organization (the platform: to their first anywhere)."""
    row = queries.find_member_row(user_id, _acting_for())
    if row is None and current_actor().is_platform:
        row = queries.find_member_row(user_id, None)
    if row is None:
        raise NotFound("person")
    return redirect(url_for("identity.member", membership_id=row.id), 303)


# --- the platform -----------------------------------------------------------------------------------------------------


@bp.post("/identity/people/<uuid:user_id>/end-sessions")
@requires(EMPLOYEE_MANAGE, everywhere=True)
def end_sessions_of(user_id: UUID) -> ResponseReturnValue:
    """End every session of a person, as the platform."""
    count = actions.end_sessions_of(user_id, keeps_tokens=keeps_tokens())
    flash(f"{count} sessions ended." if count != 1 else "One session ended.", "good")
    return redirect(url_for("administration.people"), 303)


@bp.route("/identity/people/<uuid:user_id>/reset-second-factor", methods=["GET", "POST"])
@requires(EMPLOYEE_MANAGE, everywhere=True)
def reset_second_factor_of(user_id: UUID) -> ResponseReturnValue:
    """Remove the second factor of somebody who lost it, as the platform, which says how it made sure who that is."""
    person = queries.people([user_id]).get(user_id)
    if person is None:
        raise NotFound("person")
    form = IdentityCheckForm()
    if form.is_sent():
        with form.refusals():
            actions.reset_second_factor_of(user_id, identity_check=form.identity_check.data)
            flash("The second factor has been removed, and their sessions have ended.", "good")
            return redirect(url_for("administration.people"), 303)
    return render_template("identity/reset_second_factor.html", form=form, person=person), form.status
