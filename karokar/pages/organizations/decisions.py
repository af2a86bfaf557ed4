"""The platform's decisions: who takes part."""

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from karokar.booking import facts as booking
from karokar.fleet import facts as fleet
from karokar.identity import facts as identity
from karokar.kernel.actor import current_actor
from karokar.kernel.pages.shown import digest_of
from karokar.kernel.permissions import requires
from karokar.organization import actions, queries, rules
from karokar.organization.forms import ApproveForm, RejectForm, SuspendForm
from karokar.organization.permissions import (
    ORGANIZATION_APPROVE,
)
from karokar.organization.views.blueprint import bp
from karokar.verification import facts as verification
from karokar.web.forms.base import sent_version
from karokar.web.responses.live import live_part


@bp.get("/<uuid:organization_id>/review")
@requires(ORGANIZATION_APPROVE)
def review(organization_id: UUID) -> str:
    """Show an application beside what proves it, who else looks at it, and the decisions that are possible."""
    actions.note_opening(organization_id)
    return _review(organization_id, {})


@bp.get("/<uuid:organization_id>/openings")
@requires(ORGANIZATION_APPROVE)
def openings(organization_id: UUID) -> ResponseReturnValue:
    """Answer who else has opened an organization's review, as a part of its page."""
    queries.get_page(organization_id)
    found = queries.list_openings(organization_id, except_by=current_actor().user_id)
    return live_part(
        "_shared/openings.html", openings=found, people=identity.people({user_id for user_id, _at in found})
    )


def _review(organization_id: UUID, forms: dict[str, Any]) -> str:
    page = queries.get_page(organization_id)
    openings = queries.list_openings(organization_id, except_by=current_actor().user_id)
    decisions = queries.list_decisions(page)
    involved = {user_id for user_id, _at in openings} | {row.reviewer_id for row in decisions if row.reviewer_id}
    return render_template(
        "organization/review.html",
        organization=page,
        labels=rules.DETAIL_LABELS,
        applicant=queries.get_applicant(organization_id),
        documents=verification.list_tries("Organization", organization_id),
        is_verified=page.status == "PENDING"
        and verification.is_covered("Organization", organization_id, actions.REGISTRATION),
        openings=openings,
        people=identity.people(involved),
        decisions=decisions,
        reasons={**rules.REJECTION_REASONS, **rules.SUSPENSION_REASONS},
        preview=_preview(organization_id) if page.status == "ACTIVE" else None,
        approve_form=forms.get("approve") or ApproveForm(),
        reject_form=forms.get("reject") or RejectForm(),
        suspend_form=forms.get("suspend") or SuspendForm(),
    )


def _preview(organization_id: UUID) -> dict[str, Any]:
    """Return what a suspension would touch; `shown` names the bookings that it would cancel."""
    vehicles = fleet.count_vehicles(organization_id)
    bookings = booking.list_cancellable(organization_id)
    return {
        "bookings": len(bookings),
        "shown": digest_of(bookings),
        "vehicles": vehicles.get("ACTIVE", 0),
        "members": identity.count_members(organization_id),
    }


@bp.post("/<uuid:organization_id>/approve")
@requires(ORGANIZATION_APPROVE)
def approve(organization_id: UUID) -> ResponseReturnValue:
    """Admit an organization."""
    form = ApproveForm()
    if form.is_sent():
        with form.refusals():
            decided = actions.approve_organization(
                organization_id, notes=form.notes.data or "", version=form.sent_version
            )
            return _decided(f"{decided.name} is approved. Its administrators get a mail.")
    return _review(organization_id, {"approve": form}), 422


@bp.post("/<uuid:organization_id>/reject")
@requires(ORGANIZATION_APPROVE)
def reject(organization_id: UUID) -> ResponseReturnValue:
    """Turn an application down."""
    form = RejectForm()
    if form.is_sent():
        with form.refusals():
            decided = actions.reject_organization(
                organization_id, reason=form.reason.data, notes=form.notes.data or "", version=form.sent_version
            )
            return _decided(f"{decided.name} is rejected. It can correct its data and apply again.")
    return _review(organization_id, {"reject": form}), 422


@bp.post("/<uuid:organization_id>/suspend")
@requires(ORGANIZATION_APPROVE)
def suspend(organization_id: UUID) -> ResponseReturnValue:
    """Take an organization out of the marketplace for now.

    Asks again where other bookings would be cancelled than those that were shown.
    """
    form = SuspendForm()
    if form.is_sent():
        if request.form.get("expected") != digest_of(booking.list_cancellable(organization_id)):
            flash(
                "Its bookings have changed since you saw what a suspension does. Nothing was done: look again.", "wait"
            )
            return _review(organization_id, {"suspend": form}), 409
        with form.refusals():
            decided = actions.suspend_organization(
                organization_id, reason=form.reason.data, notes=form.notes.data or "", version=form.sent_version
            )
            return _decided(f"{decided.name} is suspended. Its bookings that have not begun are being cancelled.")
    return _review(organization_id, {"suspend": form}), 422


@bp.post("/<uuid:organization_id>/reinstate")
@requires(ORGANIZATION_APPROVE)
def reinstate(organization_id: UUID) -> ResponseReturnValue:
    """Lift a suspension."""
    notes = request.form.get("notes", "").strip()[:1000]
    decided = actions.reinstate_organization(organization_id, notes=notes, version=sent_version())
    return _decided(f"{decided.name} takes part again.")


def _decided(message: str) -> ResponseReturnValue:
    flash(message, "good")
    return redirect(url_for("administration.review"), 303)
