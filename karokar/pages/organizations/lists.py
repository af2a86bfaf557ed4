"""The platform's list of organizations."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import render_template
from werkzeug.wrappers import Response

from karokar.fleet import facts as fleet
from karokar.identity import facts as identity
from karokar.kernel.pages.paging import Page
from karokar.kernel.permissions import requires
from karokar.organization import queries, rules
from karokar.organization.permissions import (
    ORGANIZATION_APPROVE,
)
from karokar.organization.views.blueprint import bp
from karokar.runs.views.exports import ListExport
from karokar.verification import facts as verification
from karokar.web.lists.exports import Column
from karokar.web.lists.filters import Choice, Filters, Text
from karokar.web.shell.states import state_choices, state_of

COLUMNS = (
    Column("Name", lambda line: line.organization.name),
    Column("Kind", lambda line: line.organization.type.capitalize()),
    Column("Status", lambda line: state_of("organization", line.organization.status).word),
    Column("Applied", lambda line: line.organization.applied_at if line.organization.type != "PLATFORM" else None),
    Column("Documents waiting", lambda line: line.documents_waiting),
    Column("Vehicles", lambda line: line.vehicles),
    Column("Members", lambda line: line.members),
    Column("Time zone", lambda line: line.organization.time_zone),
    Column("Contact", lambda line: line.organization.contact_name),
    Column("Contact phone", lambda line: line.organization.contact_phone),
)


def _filters(args: Mapping[str, str] | None = None) -> Filters:
    kinds = [(str(kind), kind.capitalize()) for kind in rules.OrganizationType]
    fields = (
        Text("q", "Name", argument="text"),
        Choice("type", "Kind", choices=kinds),
        Choice("status", "Status", choices=state_choices("organization")),
    )
    return Filters.of_request(fields, sorts=tuple(queries.SORTS), default_sort="name", args=args)


@bp.get("/")
@requires(ORGANIZATION_APPROVE)
def index() -> str:
    """List organizations."""
    filters = _filters()
    page = _with_counts(queries.list_pages(**filters.values, sort=filters.sort, cursor=filters.cursor))
    return render_template("organization/index.html", page=page, filters=filters)


@dataclass(frozen=True)
class Line:
    """An organization in the list, with how much it has of what others keep."""

    organization: queries.OrganizationPage
    documents_waiting: int
    vehicles: int
    members: int


def _with_counts(page: Page[queries.OrganizationPage]) -> Page[Line]:
    ids = [row.id for row in page.rows]
    waiting, vehicles = verification.count_waiting(ids), fleet.count_by_owner(ids)
    members = identity.count_by_organization(ids)
    return page.map(lambda row: Line(row, waiting.get(row.id, 0), vehicles.get(row.id, 0), members.get(row.id, 0)))


def _page_of(filters: Filters, cursor: str | None, size: int) -> Page[Line]:
    page = queries.list_pages(**filters.values, sort=filters.sort, cursor=cursor, size=size, counted=False)
    return _with_counts(page)


def _count(filters: Filters, limit: int) -> int:
    return queries.count_listed(**filters.values, limit=limit)


ORGANIZATIONS = ListExport(
    "organization.export",
    "Organizations",
    permission=ORGANIZATION_APPROVE,
    columns=COLUMNS,
    filters=_filters,
    page=_page_of,
    count=_count,
)


@bp.get("/export")
@requires(ORGANIZATION_APPROVE)
def export_list() -> Response:
    """Send the list, as the filters show it, as a file; a long one is made by a run."""
    return ORGANIZATIONS.answer()
