"""What organization answers: who the tenants are, and whether they may take part."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from karokar.kernel import clock
from karokar.kernel.actor import Actor
from karokar.kernel.database.columns import finds
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound, StateConflict
from karokar.kernel.pages.paging import PAGE_SIZE, Page, count_up_to, paginate
from karokar.kernel.pages.waiting import Hit, WaitingItem
from karokar.kernel.permissions import permitted, scope_of
from karokar.organization import rules
from karokar.organization.models import Applicant, Organization, OrganizationDecision, OrganizationOpening
from karokar.organization.permissions import ORGANIZATION_APPROVE, ORGANIZATION_READ
from karokar.organization.rules import OrganizationStatus

PRESENCE_MINUTES = 5


@dataclass(frozen=True)
class OrganizationFacts:
    """A tenant, as every context may know it. Times are shown in `time_zone`; `reminders`: whether it wants any."""

    id: UUID
    name: str
    type: str
    status: str
    time_zone: str
    buffer_minutes: int
    contact_name: str | None
    contact_phone: str | None
    reminders: bool


@dataclass(frozen=True)
class OrganizationPage:
    """A tenant, as its own page and the platform's desk show it."""

    id: UUID
    version: int
    name: str
    type: str
    status: str
    parent_organization_id: UUID | None
    details: dict[str, Any]
    time_zone: str
    buffer_minutes: int
    contact_name: str | None
    contact_phone: str | None
    reminders: bool
    created_at: datetime
    applied_at: datetime


@dataclass(frozen=True)
class Decision:
    """One decision about an organization; `decision` is PENDING, APPROVED, REJECTED or REVOKED."""

    decision: str
    reviewer_id: UUID | None
    decided_at: datetime
    reason: str
    notes: str


@dataclass(frozen=True)
class ApplicantFacts:
    """The first administrator that the application named."""

    first_name: str
    last_name: str
    email: str
    phone: str | None


@dataclass(frozen=True)
class Waiting:
    """An organization that waits for review, and since when."""

    id: UUID
    name: str
    type: str
    since: datetime
    opened_by: tuple[UUID, ...] = field(default=())


def get_organization(organization_id: UUID) -> OrganizationFacts:
    """Return a tenant's facts. Raises NotFound."""
    found = organizations([organization_id])
    if organization_id not in found:
        raise NotFound("organization")
    return found[organization_id]


def organizations(ids: Iterable[UUID]) -> dict[UUID, OrganizationFacts]:
    """Return tenants' facts by id, in one statement; unknown ids are left out."""
    wanted = set(ids)
    if not wanted:
        return {}
    statement = select(Organization).where(Organization.id.in_(wanted)).execution_options(populate_existing=True)
    return {row.id: _facts(row) for row in db.session.scalars(statement)}


def name_of(organization_id: UUID) -> str | None:
    """Return a tenant's name, None for an unknown one."""
    return db.session.scalar(select(Organization.name).where(Organization.id == organization_id))


def hold_active(ids: Iterable[UUID]) -> dict[UUID, OrganizationFacts]:
    """Return the tenants' facts, and keep them from being suspended until this transaction ends.

    Raises StateConflict ORGANIZATION_NOT_ACTIVE for one that is not ACTIVE, naming it, and NotFound for an unknown one.
    """
    wanted = sorted(set(ids))
    # The order of ids is the order of locks, so that two transactions never wait for each other.
    statement = select(Organization).where(Organization.id.in_(wanted)).order_by(Organization.id)
    statement = statement.with_for_update(read=True).execution_options(populate_existing=True)
    found = {row.id: _facts(row) for row in db.session.scalars(statement)}
    if len(found) != len(wanted):
        raise NotFound("organization")
    for facts in found.values():
        if facts.status != OrganizationStatus.ACTIVE:
            raise StateConflict(
                "ORGANIZATION_NOT_ACTIVE",
                f"{facts.name} is {facts.status.lower()}, so this has to wait until it is active.",
                organization_id=facts.id,
                organization_status=facts.status,
            )
    return found


def list_active(type: str) -> list[OrganizationFacts]:  # noqa: A002 - the domain's word
    """Return the ACTIVE tenants of a type."""
    conditions = (Organization.type == type, Organization.status == OrganizationStatus.ACTIVE)
    statement = select(Organization).where(*conditions).order_by(Organization.id)
    return [_facts(row) for row in db.session.scalars(statement.execution_options(populate_existing=True))]


def list_platform_ids() -> list[UUID]:
    """Return the ids of the platform's own organizations."""
    return [facts.id for facts in list_active(rules.OrganizationType.PLATFORM)]


def get_applicant(organization_id: UUID) -> ApplicantFacts | None:
    """Return who applied for an organization; None for one that was not applied for."""
    row = db.session.get(Applicant, organization_id)
    return ApplicantFacts(row.first_name, row.last_name, row.email, row.phone) if row else None


def get_page(organization_id: UUID) -> OrganizationPage:
    """Return what the actor may see of an organization. Raises NotFound."""
    statement = _permitted().where(Organization.id == organization_id)
    row = db.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise NotFound("organization")
    return _page(row)


SORTS = {
    "name": Organization.search_key,
    "applied": Organization.applied_at,
    "status": Organization.status,
}
"""What the list of organizations can be sorted by."""


def list_pages(
    *,
    status: str | None = None,
    type: str | None = None,  # noqa: A002 - the domain's word
    text: str | None = None,
    sort: str = "name",
    cursor: str | None = None,
    size: int = PAGE_SIZE,
    counted: bool = True,
) -> Page[OrganizationPage]:
    """Return one page of the organizations that the actor may see."""
    statement = _listed(status, type, text)
    page = paginate(statement, sorts=SORTS, tie=Organization.id, sort=sort, cursor=cursor, size=size, counted=counted)
    return page.map(_page)


def count_listed(
    *,
    status: str | None = None,
    type: str | None = None,  # noqa: A002 - the domain's word
    text: str | None = None,
    limit: int,
) -> int:
    """Return how many organizations `list_pages` pages through, `limit` + 1 where they are more."""
    return count_up_to(_listed(status, type, text), limit)


def _listed(status: str | None, type_: str | None, text: str | None) -> Select[Organization]:
    statement = _permitted()
    if status:
        statement = statement.where(Organization.status == status)
    if type_:
        statement = statement.where(Organization.type == type_)
    return statement.where(*finds(Organization.search_key, text))


def list_decisions(page: OrganizationPage) -> list[Decision]:
    """Return what was decided about an organization, of which the actor has the page, newest first."""
    statement = select(OrganizationDecision).where(OrganizationDecision.organization_id == page.id)
    rows = db.session.scalars(statement.order_by(OrganizationDecision.id.desc()))
    return [Decision(row.decision, row.reviewer_id, row.decided_at, row.reason, row.notes) for row in rows]


def list_children(organization_id: UUID) -> list[OrganizationFacts]:
    """Return the organizations whose parent this one is."""
    statement = select(Organization).where(Organization.parent_organization_id == organization_id)
    return [_facts(row) for row in db.session.scalars(statement.order_by(Organization.search_key))]


def describe(organization_id: UUID) -> list[tuple[str, str]]:
    """Return what an organization the actor may see says about itself, for people: label and value. Raises NotFound."""
    page = get_page(organization_id)
    known = [(label, str(page.details[name])) for name, label in rules.DETAIL_LABELS.items() if page.details.get(name)]
    return [("Name", page.name), ("Kind", page.type.capitalize()), *known]


def list_ancestors(organization_id: UUID) -> list[UUID]:
    """Return an organization and all that are above it, nearest first."""
    found: list[UUID] = []
    current: UUID | None = organization_id
    while current is not None and current not in found:
        found.append(current)
        current = db.session.scalar(select(Organization.parent_organization_id).where(Organization.id == current))
    return found


def list_waiting() -> list[Waiting]:
    """Return the organizations that wait for the platform's decision, the longest wait first."""
    if scope_of(ORGANIZATION_APPROVE) is None:
        return []
    statement = select(Organization).where(Organization.status == OrganizationStatus.PENDING)
    rows = list(db.session.scalars(statement.order_by(Organization.applied_at, Organization.id)))
    opened = _opened_by([row.id for row in rows])
    return [Waiting(row.id, row.name, row.type, row.applied_at, tuple(opened.get(row.id, ()))) for row in rows]


def list_openings(organization_id: UUID, *, except_by: UUID | None = None) -> list[tuple[UUID, datetime]]:
    """Return who had the organization's review open in the last minutes, newest first."""
    since = clock.now() - timedelta(minutes=PRESENCE_MINUTES)
    statement = select(OrganizationOpening).where(
        OrganizationOpening.organization_id == organization_id, OrganizationOpening.opened_at > since
    )
    rows = db.session.scalars(statement.order_by(OrganizationOpening.opened_at.desc()))
    return [(row.user_id, row.opened_at) for row in rows if row.user_id != except_by]


def list_waiting_for(actor: Actor) -> list[WaitingItem]:
    """Return applications for reviewers, and for an applicant's administrators what stands between them and
    approval.
    """
    if scope_of(ORGANIZATION_APPROVE, actor) is None:
        return []
    return [
        WaitingItem(
            kind="Application",
            title=waiting.name,
            since=waiting.since,
            endpoint="organization.review",
            values={"organization_id": str(waiting.id)},
            verb="Review",
            detail=f"Wants to join as {waiting.type.lower()}",
            subject_id=waiting.id,
        )
        for waiting in list_waiting()
    ]


def search(actor: Actor, text: str) -> list[Hit]:
    """Find organizations by name, as far as the actor may see them."""
    if len(text.strip()) < 2:
        return []
    conditions = [permitted(Organization, ORGANIZATION_READ, actor), *finds(Organization.search_key, text)]
    statement = select(Organization).where(*conditions)
    return [
        Hit(
            kind="Organization",
            title=row.name,
            endpoint="organization.show",
            values={"organization_id": str(row.id)},
            detail=f"{row.type.capitalize()} · {row.status.lower()}",
        )
        for row in db.session.scalars(statement.order_by(Organization.search_key).limit(6))
    ]


def _opened_by(ids: list[UUID]) -> dict[UUID, list[UUID]]:
    since = clock.now() - timedelta(minutes=PRESENCE_MINUTES)
    statement = select(OrganizationOpening).where(
        OrganizationOpening.organization_id.in_(ids), OrganizationOpening.opened_at > since
    )
    found: dict[UUID, list[UUID]] = {}
    for row in db.session.scalars(statement):
        found.setdefault(row.organization_id, []).append(row.user_id)
    return found


def _permitted() -> Select[Organization]:
    return select(Organization).where(permitted(Organization, ORGANIZATION_READ))


def _facts(row: Organization) -> OrganizationFacts:
    return OrganizationFacts(
        id=row.id,
        name=row.name,
        type=row.type,
        status=row.status,
        time_zone=row.time_zone,
        buffer_minutes=row.buffer_minutes,
        contact_name=row.contact_name,
        contact_phone=row.contact_phone,
        reminders=row.reminders,
    )


def _page(row: Organization) -> OrganizationPage:
    return OrganizationPage(
        id=row.id,
        version=row.version,
        name=row.name,
        type=row.type,
        status=row.status,
        parent_organization_id=row.parent_organization_id,
        details=dict(row.details),
        time_zone=row.time_zone,
        buffer_minutes=row.buffer_minutes,
        contact_name=row.contact_name,
        contact_phone=row.contact_phone,
        reminders=row.reminders,
        created_at=row.created_at,
        applied_at=row.applied_at,
    )
