"""One's own organization, any for the platform, and little of those with which one deals."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from karokar.booking import facts as booking
from karokar.fleet import facts as fleet
from karokar.identity import facts as identity
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import may, requires, scope_of
from karokar.organization import actions, queries, rules
from karokar.organization.forms import OrganizationForm
from karokar.organization.permissions import (
    ORGANIZATION_APPLY_AGAIN,
    ORGANIZATION_APPROVE,
    ORGANIZATION_READ,
    ORGANIZATION_UPDATE,
)
from karokar.organization.views.application import DETAILS, with_details
from karokar.organization.views.blueprint import bp
from karokar.pages.organizations.checklist import open_steps
from karokar.verification import facts as verification
from karokar.web.forms.base import sent_version


@bp.get("/own")
@requires(ORGANIZATION_READ)
def own() -> str:
    """Show the acting organization."""
    return _page(_acting_for())


def _acting_for() -> UUID:
    organization_id = current_actor().organization_id
    if organization_id is None:
        raise NotFound("organization")
    return organization_id


@bp.get("/<uuid:organization_id>")
@requires(ORGANIZATION_READ)
def show(organization_id: UUID) -> str:
    """Show an organization: one's own, any to the platform, and little of those with which one deals."""
    actor = current_actor()
    if organization_id != actor.organization_id and not actor.is_platform:
        return _partner(organization_id)
    return _page(organization_id)


def _partner(organization_id: UUID) -> str:
    """Show name, kind and whether it is verified of a partner. Raises NotFound for one with which nothing is shared."""
    facts = queries.get_organization(organization_id)
    actor = current_actor()
    # An employee sees what concerns them, and that is not who the partners are.
    if scope_of("booking.read") is not Scope.PARTY or not _deals_with(facts, actor.organization_type):
        raise NotFound("organization")
    coverage = verification.coverage("Organization", organization_id)[actions.REGISTRATION]
    return render_template("organization/partner.html", organization=facts, coverage=coverage)


def _deals_with(facts: queries.OrganizationFacts, own_type: str | None) -> bool:
    """Whether the acting organization may know of this one: a vendor that offers vehicles, a company with a booking."""
    if own_type == "CORPORATE" and facts.type == "VENDOR":
        return fleet.count_vehicles(facts.id).get("ACTIVE", 0) > 0
    if own_type == "VENDOR" and facts.type == "CORPORATE":
        return sum(booking.count_with(facts.id).values()) > 0
    return False


@dataclass(frozen=True)
class _Has:
    """What an organization has of what others keep: verifications by kind, active members, vehicles."""

    coverage: Mapping[str, verification.Coverage]
    members: int
    vehicles: int


def _page(organization_id: UUID) -> str:
    page = queries.get_page(organization_id)
    decisions = queries.list_decisions(page)
    reviewers = identity.people(row.reviewer_id for row in decisions if row.reviewer_id)
    has = _Has(
        coverage=verification.coverage("Organization", organization_id),
        members=identity.count_members(organization_id),
        vehicles=sum(fleet.count_vehicles(organization_id).values()),
    )
    # Tax number, register entry and decisions are for those who answer for the organization, and for the platform.
    sees_records = scope_of(ORGANIZATION_UPDATE) is not None or scope_of(ORGANIZATION_READ) is Scope.ALL
    return render_template(
        "organization/show.html",
        organization=page,
        labels=rules.DETAIL_LABELS if sees_records else {},
        parent=queries.organizations([page.parent_organization_id]).get(page.parent_organization_id)
        if page.parent_organization_id
        else None,
        children=queries.list_children(organization_id),
        decisions=decisions,
        reviewers=reviewers if may(ORGANIZATION_APPROVE) else {},
        reasons={**rules.REJECTION_REASONS, **rules.SUSPENSION_REASONS},
        coverage=has.coverage,
        kind_label=verification.label_of,
        steps=open_steps() if page.id == current_actor().organization_id else [],
        members=has.members,
        vehicles=has.vehicles,
        sees_records=sees_records,
        may_update=may(ORGANIZATION_UPDATE),
        may_apply_again=may(ORGANIZATION_APPLY_AGAIN),
        may_review=may(ORGANIZATION_APPROVE),
    )


@bp.get("/edit")
@requires(ORGANIZATION_UPDATE)
def edit() -> str:
    """Ask for data and settings of the acting organization."""
    page = queries.get_page(_acting_for())
    form = OrganizationForm(obj=page, data={name: page.details.get(name) for name in DETAILS})
    return render_template("organization/edit.html", form=form, organization=page)


@bp.post("/edit")
@requires(ORGANIZATION_UPDATE)
def update() -> ResponseReturnValue:
    """Change them."""
    page = queries.get_page(_acting_for())
    form = OrganizationForm()
    if form.is_sent():
        with form.refusals():
            values = with_details(form.values())
            parent = values.pop("parent_organization_id")
            values["parent_organization_id"] = UUID(parent) if parent else None
            actions.update_organization(page.id, version=form.sent_version, **values)
            flash("Saved.", "good")
            return redirect(url_for("organization.own"), 303)
    return render_template("organization/edit.html", form=form, organization=page), form.status


@bp.post("/apply-again")
@requires(ORGANIZATION_APPLY_AGAIN)
def reapply() -> ResponseReturnValue:
    """Ask for another review."""
    actions.apply_again(_acting_for(), version=sent_version())
    flash("You have applied again. You get a mail as soon as it is decided.", "good")
    return redirect(url_for("organization.own"), 303)
