"""Members of the acting organization: inviting them, their roles, their rights."""

import csv
import io
import json
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from karokar.identity import actions, queries
from karokar.identity.forms import (
    ImportForm,
    ImportNowForm,
    MemberForm,
    ReasonForm,
    RoleChangeForm,
    choices,
    role_choices,
)
from karokar.identity.permissions import EMPLOYEE_MANAGE
from karokar.identity.views.blueprint import bp
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import NotFound, StateConflict
from karokar.kernel.permissions import may, requires
from karokar.organization import queries as organization
from karokar.web.filters import Choice, Filters, Text
from karokar.web.forms import sent_version
from karokar.web.states import state_choices

_COLUMNS = ("first_name", "last_name", "email", "phone", "role")
MOST_ROWS = 2000


def _acting_for() -> UUID:
    organization_id = current_actor().organization_id
    if organization_id is None:
        raise NotFound("organization")
    return organization_id


@bp.get("/identity/members")
@requires(EMPLOYEE_MANAGE, reading=True)
def members() -> str:
    """List the members of the acting organization."""
    roles = _roles_to_give(_acting_for())
    fields = (
        Text("q", "Name or address", argument="text"),
        Choice("status", "Status", choices=state_choices("membership")),
        Choice("role", "Role", argument="role_id", choices=[(str(row.id), row.name) for row in roles], is_id=True),
    )
    filters = Filters.of_request(fields, sorts=tuple(queries.MEMBER_SORTS), default_sort="name")
    page = queries.list_member_rows(
        organization_id=_acting_for(), **filters.values, sort=filters.sort, cursor=filters.cursor
    )
    return render_template("identity/members.html", page=page, filters=filters, may_manage=may(EMPLOYEE_MANAGE))


def _roles_to_give(organization_id: UUID) -> list[queries.RoleFacts]:
    return queries.list_roles_to_give(organization_id, organization.get_organization(organization_id).type)


def _member_form(organization_id: UUID) -> MemberForm:
    form = MemberForm()
    form.role_id.choices = role_choices(_roles_to_give(organization_id))
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
    roles = _roles_to_give(row.organization_id)
    form.role_id.choices = role_choices([role for role in roles if role.id != row.role_id])
    return render_template(
        "identity/member.html",
        member=row,
        organization=organization.get_organization(row.organization_id),
        role_form=form,
        reason_form=ReasonForm(),
        rights=queries.effective_rights(row.user_id, row.organization_id),
        may_manage=may(EMPLOYEE_MANAGE),
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


# --- many at once -----------------------------------------------------------------------------------------------------


@bp.get("/identity/members/import")
@requires(EMPLOYEE_MANAGE)
def import_file() -> str:
    """Ask for a CSV file."""
    return render_template("identity/import.html", form=ImportForm(), rows=None)


@bp.post("/identity/members/import")
@requires(EMPLOYEE_MANAGE)
def check_import() -> ResponseReturnValue:
    """Check the file, row by row, and invite nobody yet."""
    form = ImportForm()
    file = request.files.get("file")
    try:
        rows = _read(file.read().decode("utf-8-sig") if file else "")
    except (ValueError, csv.Error) as error:
        text = str(error) if not isinstance(error, UnicodeDecodeError) else "Save the file as CSV in UTF-8 first."
        form.form_errors.append(text)
        return render_template("identity/import.html", form=form, rows=None), 422
    members, problems = _checked(rows)
    found = actions.import_members([row for row in members if row is not None], is_dry_run=True)
    answers = iter(found)
    problems = [problem if row is None else next(answers) for row, problem in zip(members, problems, strict=True)]
    return render_template(
        "identity/import.html",
        form=form,
        rows=list(zip(rows, problems, strict=True)),
        count=len(rows),
        wrong=sum(1 for problem in problems if problem),
        now_form=ImportNowForm(rows=json.dumps(rows)),
    )


@bp.post("/identity/members/import/run")
@requires(EMPLOYEE_MANAGE)
def run_import() -> ResponseReturnValue:
    """Invite everybody in the file that was checked."""
    try:
        rows = [dict(row) for row in json.loads(request.form.get("rows", "[]"))][:MOST_ROWS]
    except (ValueError, TypeError):
        rows = []
    members, problems = _checked([{name: str(row.get(name, "")) for name in _COLUMNS} for row in rows])
    if not rows or any(problems):
        raise StateConflict("IMPORT_CHANGED", "These rows are not the ones that were checked. Upload the file again.")
    if any(actions.import_members([row for row in members if row is not None])):
        raise StateConflict(
            "IMPORT_CHANGED", "Somebody in the file was invited meanwhile. Nobody was invited; upload the file again."
        )
    flash(f"{len(rows)} people are invited. Their mails are on their way.", "good")
    return redirect(url_for("identity.members", status="INVITED"), 303)


def _read(text: str) -> list[dict[str, str]]:
    """Return the file's rows. Raises ValueError with a sentence where it is no such file."""
    if not text.strip():
        raise ValueError("Choose a CSV file that has rows.")
    head = text.splitlines()[0]
    # Spreadsheets of many countries separate by semicolons.
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [(name or "").strip().lower() for name in reader.fieldnames or []]
    missing = [name for name in ("first_name", "last_name", "email") if name not in names]
    if missing:
        raise ValueError(f"The first line must name the columns. Missing: {', '.join(missing)}.")
    rows = []
    for row in reader:
        cells = {(name or "").strip().lower(): value for name, value in row.items() if isinstance(value, str)}
        rows.append({name: cells.get(name, "").strip() for name in _COLUMNS})
        if len(rows) > MOST_ROWS:
            raise ValueError(f"A file may have {MOST_ROWS} rows. Split it into several.")
    return rows


def _checked(rows: list[dict[str, str]]) -> tuple[list[actions.NewMember | None], list[str | None]]:
    """Return each row as somebody to invite, or None with the reason: by the same form as a single invitation."""
    roles = {role.name.lower(): role.id for role in _roles_to_give(_acting_for())}
    roles |= {(role.code or "").lower(): role.id for role in _roles_to_give(_acting_for()) if role.code}
    usual = roles.get("employee") or next(iter(roles.values()))
    members: list[actions.NewMember | None] = []
    problems: list[str | None] = []
    for row in rows:
        role_id = roles.get(row["role"].lower()) if row["role"] else usual
        form = MemberForm(formdata=None, data={**row, "role_id": str(role_id)})
        form.role_id.choices = choices(*((str(value), name) for name, value in roles.items()))
        problem = _problem(form) if role_id else f"There is no role “{row['role']}” here."
        problems.append(problem)
        members.append(
            None
            if problem or role_id is None
            else actions.NewMember(row["first_name"], row["last_name"], row["email"], row["phone"] or None, role_id)
        )
    return members, problems


def _problem(form: MemberForm) -> str | None:
    for field in form:
        field.raw_data = [field.data] if field.data else []
    if form.validate():
        return None
    return " ".join(str(message) for messages in form.errors.values() for message in messages)


# --- the platform -----------------------------------------------------------------------------------------------------


@bp.post("/identity/people/<uuid:user_id>/end-sessions")
@requires(EMPLOYEE_MANAGE, everywhere=True)
def end_sessions_of(user_id: UUID) -> ResponseReturnValue:
    """End every session of a person, as the platform."""
    count = actions.end_sessions_of(user_id)
    flash(f"{count} sessions ended." if count != 1 else "One session ended.", "good")
    return redirect(url_for("administration.people"), 303)


@bp.post("/identity/people/<uuid:user_id>/reset-second-factor")
@requires(EMPLOYEE_MANAGE, everywhere=True)
def reset_second_factor_of(user_id: UUID) -> ResponseReturnValue:
    """Remove the second factor of somebody who lost it, as the platform."""
    actions.reset_second_factor_of(user_id)
    flash("The second factor is removed, and their sessions have ended.", "good")
    return redirect(url_for("administration.people"), 303)
