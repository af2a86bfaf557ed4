"""Members from a CSV file or a workbook: checked first, every bad cell named, then invited by a run."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from karokar.identity import actions, queries
from karokar.identity.forms import MemberForm, choices
from karokar.identity.permissions import EMPLOYEE_MANAGE
from karokar.identity.rules import MembershipStatus
from karokar.identity.views.blueprint import bp
from karokar.identity.views.members import COLUMNS
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import NotFound, RuleBroken
from karokar.kernel.permissions import requires
from karokar.kernel.text.email_addresses import normal_email
from karokar.kernel.text.normalization import same_key
from karokar.organization import facts as organization
from karokar.runs.imports import Good, Heading, Line, Report
from karokar.runs.kinds import Item
from karokar.runs.views.imports import ListImport
from karokar.web.forms.base import label_of

HEADINGS = (
    Heading("first_name", label_of(MemberForm, "first_name")),
    Heading("last_name", label_of(MemberForm, "last_name")),
    Heading("email", label_of(MemberForm, "email")),
    Heading("phone", label_of(MemberForm, "phone"), is_optional=True),
    Heading("role", label_of(MemberForm, "role_id"), is_optional=True),
)


def _check(report: Report) -> None:
    """Take every line through the checks of a single invitation."""
    organization_id = current_actor().organization_id
    if organization_id is None:
        raise NotFound("organization")
    found = queries.list_roles_to_give(organization_id, organization.get_organization(organization_id).type)
    roles = {same_key(role.name): role for role in found}
    roles |= {same_key(role.code): role for role in found if role.code}
    refused = {role.id: _refusal(role.id, organization_id) for role in found}
    usual = roles.get("employee") or next(iter(roles.values()))
    standing = queries.standings(organization_id, [_email(line) for line in report.lines])
    seen: dict[str, int] = {}
    bad = set(report.bad_lines)
    for line in report.lines:
        before = len(report.problems)
        typed = line.cells.get("role", "")
        role = roles.get(same_key(typed)) if typed else usual
        if role is None:
            report.note(line, "role", f"There is no role “{typed}” here.")
        elif refused[role.id]:
            report.note(line, "role", refused[role.id])
        form = MemberForm(formdata=MultiDict({**line.cells, "role_id": str((role or usual).id)}))
        form.role_id.choices = choices(*((str(one.id), one.name) for one in found))
        if not form.validate():
            for name, sentences in form.errors.items():
                report.note(line, name or "", " ".join(map(str, sentences)))
        email = _email(line)
        if email in seen:
            report.note(line, "email", f"Line {seen[email]} has the same address.")
        elif standing.get(email) == MembershipStatus.INVITED:
            report.note(line, "email", "This person is invited already.")
        elif standing.get(email) in {MembershipStatus.ACTIVE, MembershipStatus.SUSPENDED}:
            report.note(line, "email", "This person is a member already.")
        if email:
            seen.setdefault(email, line.number)
        if len(report.problems) == before and line.number not in bad:
            facts = form.values()
            label = f"{facts['first_name']} {facts['last_name']}, {facts['email']}"
            report.good.append(Good(line, label, facts))


def _refusal(role_id: UUID, organization_id: UUID) -> str:
    try:
        actions.check_role(role_id, organization_id)
    except RuleBroken as error:
        return error.sentence
    return ""


def _email(line: Line) -> str:
    return normal_email(line.cells.get("email", ""))


def _do(item: Item, _parameters: Mapping[str, Any]) -> None:
    actions.invite_member(**{**item.data, "role_id": UUID(item.data["role_id"])})


MEMBERS = ListImport(
    "identity.import",
    "Import members",
    permission=EMPLOYEE_MANAGE,
    headings=HEADINGS,
    check=_check,
    do=_do,
    endpoint="identity.import_file",
    back=("Members", "identity.members"),
    noun=("person", "people"),
    exported=COLUMNS,
    hint="Without a role everybody becomes an employee. Each of them is invited by e-mail.",
)


@bp.route("/identity/members/import", methods=["GET", "POST"])
@requires(EMPLOYEE_MANAGE)
def import_file() -> ResponseReturnValue:
    """Take a file of members and lead to what importing it would do."""
    answer: ResponseReturnValue = MEMBERS.upload()
    return answer
