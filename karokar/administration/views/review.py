"""The review queue, and people of every organization."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from karokar.administration.views.blueprint import bp
from karokar.identity import facts as identity
from karokar.kernel.actor import current_actor
from karokar.kernel.permissions import requires
from karokar.organization import facts as organization
from karokar.verification import facts as verification
from karokar.web.lists.filters import Carried, Filters, Text


@dataclass(frozen=True)
class QueueRow:
    """One line of the review queue: an application or a document."""

    kind: str
    title: str
    organization_name: str
    since: datetime
    url: str
    opened_by: tuple[str, ...]


@bp.get("/review")
@requires("verification.review")
def review() -> str:
    """List what waits for a decision of the platform, the longest wait first."""
    chosen = request.args.get("kind", "")
    rows = sorted([*_documents(), *_applications()], key=lambda row: row.since)
    kinds = sorted({row.kind for row in rows})
    shown = [row for row in rows if not chosen or row.kind == chosen]
    return render_template("administration/review.html", rows=shown, kinds=kinds, chosen=chosen, count=len(rows))


def _documents() -> list[QueueRow]:
    waiting = verification.list_waiting()
    names = organization.organizations(page.organization_id for page in waiting)
    openings = verification.openings(page.id for page in waiting)
    people = identity.people(user_id for found in openings.values() for user_id, _at in found)
    people.pop(current_actor().user_id or UUID(int=0), None)
    return [
        QueueRow(
            kind="Document",
            title=page.kind_label,
            organization_name=names[page.organization_id].name,
            since=page.requested_at,
            url=url_for("verification.show", verification_id=page.id),
            opened_by=tuple(people[user_id].name for user_id, _at in openings.get(page.id, ()) if user_id in people),
        )
        for page in waiting
    ]


def _applications() -> list[QueueRow]:
    waiting = organization.list_waiting()
    people = identity.people(user_id for row in waiting for user_id in row.opened_by)
    people.pop(current_actor().user_id or UUID(int=0), None)
    return [
        QueueRow(
            kind="Application",
            title=f"Wants to take part as {row.type.lower()}",
            organization_name=row.name,
            since=row.since,
            url=url_for("organization.review", organization_id=row.id),
            opened_by=tuple(people[user_id].name for user_id in row.opened_by if user_id in people),
        )
        for row in waiting
    ]


@bp.get("/people")
@requires("employee.manage", everywhere=True)
def people() -> ResponseReturnValue:
    """List people of every organization."""
    fields = (
        Text("q", "Name or address", argument="text"),
        Carried("organization", "Member of", "organization_id", name_of=cache(organization.name_of)),
    )
    filters = Filters.of_request(fields, sorts=tuple(identity.PEOPLE_SORTS), default_sort="name")
    page = identity.list_people(**filters.values, sort=filters.sort, cursor=filters.cursor)
    names = organization.organizations(member.organization_id for row in page.rows for member in row.memberships)
    return render_template("administration/people.html", page=page, filters=filters, names=names)
