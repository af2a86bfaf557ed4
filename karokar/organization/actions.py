"""What is done with organizations."""

from typing import Any
from uuid import UUID

from sqlalchemy import and_, select

from karokar.events.bus import publish
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken
from karokar.kernel.permissions import check, load
from karokar.kernel.ports import ports
from karokar.kernel.text.email_addresses import email_problem
from karokar.organization import queries, rules
from karokar.organization.models import Applicant, Organization, OrganizationDecision, OrganizationOpening
from karokar.organization.permissions import (
    ORGANIZATION_APPLY_AGAIN,
    ORGANIZATION_APPROVE,
    ORGANIZATION_UPDATE,
)
from karokar.organization.rules import OrganizationType

REGISTRATION = "ORGANIZATION_REGISTRATION"


@action
def apply(
    *,
    name: str,
    type: str,  # noqa: A002 - the domain's word
    time_zone: str,
    first_name: str,
    last_name: str,
    email: str,
    phone: str | None = None,
    details: dict[str, Any] | None = None,
) -> Organization:
    """Apply for the marketplace: a PENDING organization; its first administrator is invited after it.

    Raises RuleBroken for a type that cannot apply, an unknown time zone, or an address that cannot be mailed to.
    """
    if type not in {OrganizationType.VENDOR, OrganizationType.CORPORATE}:
        sentence = "Choose whether you rent out vehicles or book them."
        raise RuleBroken("TYPE_CANNOT_APPLY", sentence, fields={"type": sentence})
    if not rules.is_time_zone(time_zone):
        sentence = "There is no such time zone. Choose one from the list."
        raise RuleBroken("UNKNOWN_TIME_ZONE", sentence, fields={"time_zone": sentence})
    problem = email_problem(email)
    if problem:
        raise RuleBroken("EMAIL_NOT_ACCEPTED", problem, fields={"email": problem})
    organization, event = Organization.apply(
        name=name,
        type=type,
        time_zone=time_zone,
        details=_known(details or {}),
        contact_name=f"{first_name} {last_name}".strip(),
        contact_phone=phone,
    )
    db.session.add(organization)
    db.session.flush()
    db.session.add(
        Applicant(organization_id=organization.id, first_name=first_name, last_name=last_name, email=email, phone=phone)
    )
    _record(organization, "PENDING")
    publish(event)
    return organization


@action
def update_organization(organization_id: UUID, *, version: int | None = None, **changes: Any) -> Organization:
    """Change name, parent_organization_id, details, time_zone, buffer_minutes, contact_name, contact_phone or
    reminders of the acting organization: what is given.

    Raises StaleVersion, and RuleBroken for values that cannot be, a parent that does not exist, is of another type, or
    stands below this one.
    """
    organization = load(Organization, organization_id, ORGANIZATION_UPDATE, version=version)
    if "details" in changes:
        kept = {name: value for name, value in organization.details.items() if name not in changes["details"]}
        changes["details"] = {**kept, **_known(changes["details"])}
    parent_id = changes.get("parent_organization_id")
    if parent_id is not None and parent_id != organization.parent_organization_id:
        _check_parent(organization, parent_id)
    publish(organization.update(**changes))
    return organization


def _check_parent(organization: Organization, parent_id: UUID) -> None:
    found = queries.organizations([parent_id]).get(parent_id)
    sentence = ""
    if found is None or found.type != organization.type:
        sentence = "There is no organization of this kind with that id. Ask the other company for theirs."
    elif rules.makes_a_cycle(organization.id, queries.list_ancestors(parent_id)):
        sentence = f"{found.name} stands below your organization already, so it cannot stand above it."
    if sentence:
        raise RuleBroken("PARENT_IMPOSSIBLE", sentence, fields={"parent_organization_id": sentence})


@action
def approve_organization(organization_id: UUID, *, notes: str = "", version: int | None = None) -> Organization:
    """Admit an organization. Raises RuleBroken until its registration is verified, StateConflict where it does not
    wait.
    """
    organization = load(Organization, organization_id, ORGANIZATION_APPROVE, version=version, lock=True)
    is_verified = ports().documents.is_covered("Organization", organization_id, REGISTRATION, is_held=True)
    event = organization.approve(current_actor().user_id, notes, is_verified=is_verified)
    _record(organization, "APPROVED", notes=notes)
    publish(event)
    return organization


@action
def reject_organization(
    organization_id: UUID, *, reason: str, notes: str = "", version: int | None = None
) -> Organization:
    """Turn an application down, with a coded reason. Raises StateConflict where it does not wait."""
    organization = load(Organization, organization_id, ORGANIZATION_APPROVE, version=version, lock=True)
    _check_reason(reason, rules.REJECTION_REASONS, notes)
    event = organization.reject(current_actor().user_id, reason, notes)
    _record(organization, "REJECTED", reason=reason, notes=notes)
    publish(event)
    return organization


@action
def apply_again(organization_id: UUID, *, version: int | None = None) -> Organization:
    """Ask for another review of a rejected organization. Raises StateConflict where it was not rejected."""
    organization = load(Organization, organization_id, ORGANIZATION_APPLY_AGAIN, version=version, lock=True)
    event = organization.apply_again()
    _record(organization, "PENDING")
    publish(event)
    return organization


@action
def suspend_organization(
    organization_id: UUID, *, reason: str, notes: str = "", version: int | None = None
) -> Organization:
    """Take an organization out of the marketplace for now; its bookings that have not begun are cancelled after it.

    Raises StateConflict where it is not ACTIVE.
    """
    organization = load(Organization, organization_id, ORGANIZATION_APPROVE, version=version, lock=True)
    _check_reason(reason, rules.SUSPENSION_REASONS, notes)
    event = organization.suspend(current_actor().user_id, reason, notes)
    _record(organization, "REVOKED", reason=reason, notes=notes)
    publish(event)
    return organization


@action
def reinstate_organization(organization_id: UUID, *, notes: str = "", version: int | None = None) -> Organization:
    """Lift a suspension. Raises StateConflict where there is none."""
    organization = load(Organization, organization_id, ORGANIZATION_APPROVE, version=version, lock=True)
    event = organization.reinstate(current_actor().user_id, notes)
    _record(organization, "APPROVED", notes=notes)
    publish(event)
    return organization


@action
def note_opening(organization_id: UUID) -> None:
    """Remember that the acting reviewer has this organization's review open. Raises NotFound for an unknown one."""
    check(ORGANIZATION_APPROVE)
    user_id = current_actor().user_id
    if user_id is None:
        return
    mine = and_(OrganizationOpening.organization_id == Organization.id, OrganizationOpening.user_id == user_id)
    statement = select(Organization.id, OrganizationOpening).outerjoin(OrganizationOpening, mine)
    row = db.session.execute(statement.where(Organization.id == organization_id)).one_or_none()
    if row is None:
        raise NotFound(Organization.label)
    opening: OrganizationOpening | None = row[1]
    if opening is None:
        db.session.add(OrganizationOpening(organization_id=organization_id, user_id=user_id, opened_at=clock.now()))
    else:
        opening.opened_at = clock.now()


def _record(organization: Organization, decision: str, *, reason: str = "", notes: str = "") -> None:
    db.session.add(
        OrganizationDecision(
            organization_id=organization.id,
            decision=decision,
            reviewer_id=None if decision == "PENDING" else current_actor().user_id,
            decided_at=clock.now(),
            reason=reason,
            notes=notes,
        )
    )


def _check_reason(reason: str, known: dict[str, str], notes: str) -> None:
    if reason not in known:
        sentence = "Choose a reason from the list."
        raise RuleBroken("UNKNOWN_REASON", sentence, fields={"reason": sentence})
    if reason == "OTHER" and not notes.strip():
        sentence = "Say in a note what the reason is."
        raise RuleBroken("NOTE_MISSING", sentence, fields={"notes": sentence})


def _known(details: dict[str, Any]) -> dict[str, Any]:
    website = details.get("website")
    if website and not rules.is_website(str(website)):
        sentence = "Use an address that begins with https:// or http://."
        raise RuleBroken("WEBSITE_NOT_ACCEPTED", sentence, fields={"website": sentence})
    return {name: value for name, value in details.items() if name in rules.DETAIL_LABELS and value}
