"""From the approved booking to its end: assign, hand over, take back, call off, end early."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from karokar.assignment import facts as assignment
from karokar.assignment.facts import Candidate
from karokar.booking import actions, queries, rules
from karokar.booking.forms import AssignForm, ReasonForm
from karokar.booking.models import Booking
from karokar.booking.permissions import (
    BOOKING_ACTIVATE,
    BOOKING_ASSIGN,
    BOOKING_CANCEL,
    BOOKING_COMPLETE,
    BOOKING_TERMINATE,
)
from karokar.booking.views.blueprint import bp
from karokar.booking.views.handover import missing_steps
from karokar.booking.views.presenter import driver_of, find_current, offers, photo_url, shown
from karokar.fleet import facts as fleet
from karokar.identity import facts as identity
from karokar.kernel.errors import RuleBroken, StateConflict
from karokar.kernel.permissions import requires
from karokar.verification import facts as verification
from karokar.web.forms.base import choices
from karokar.web.forms.handover import (
    CorrectionForm,
    HandoverForm,
    ReturnForm,
    most_bytes,
    nothing_to_correct,
    page_values,
    say_corrected,
)
from karokar.web.requests.uploads import takes_up_to


@bp.route("/<uuid:booking_id>/assign", methods=["GET", "POST"])
@requires(BOOKING_ASSIGN)
def assign(booking_id: UUID) -> Response | tuple[str, int]:
    """Choose who gets the vehicle: who may, who may not and why."""
    booking = queries.get_seen(booking_id)
    if "assign" not in offers(booking):
        return _nothing_to_do(booking, "assign")
    candidates = _candidates(booking)
    form = AssignForm()
    form.employee_id.choices = choices((str(one.user_id), one.name) for one in candidates)
    if form.is_sent():
        with form.refusals(RuleBroken):
            actions.assign_booking(booking_id, UUID(form.employee_id.data), version=form.sent_version)
            flash("Assigned. The employee has been asked to accept.", "good")
            return redirect(url_for("booking.show", booking_id=booking_id), 303)
    vehicles = fleet.vehicles({busy.vehicle_id for one in candidates for busy in one.busy})
    page = render_template(
        "booking/assign.html",
        form=form,
        line=shown(booking),
        candidates=candidates,
        vehicles=vehicles,
        current=find_current(booking, assignment.of_booking(booking_id)),
    )
    return page, form.status


@bp.route("/<uuid:booking_id>/activate", methods=["GET", "POST"])
@requires(BOOKING_ACTIVATE)
@takes_up_to(most_bytes)
def activate(booking_id: UUID) -> Response | tuple[str, int]:
    """Hand the vehicle over with a checklist."""
    booking = queries.get_seen(booking_id)
    if "activate" not in offers(booking):
        return _nothing_to_do(booking, "activate")
    form = HandoverForm()
    likely = fleet.find_likely_readings(booking.vehicle_id)
    if form.is_sent() and form.is_sure(likely):
        with form.refusals(RuleBroken, StateConflict):
            actions.activate_booking(booking_id, version=form.sent_version, **form.found())
            flash("Handed over. Have a good trip.", "good")
            return redirect(url_for("booking.show", booking_id=booking_id), 303)
    line, current = shown(booking), find_current(booking, assignment.of_booking(booking_id))
    page = render_template(
        "booking/activate.html",
        **page_values(form=form, likely=likely, line=line),
        driver=driver_of(line, current),
        missing=missing_steps(booking, line, current),
    )
    return page, form.status


@bp.route("/<uuid:booking_id>/complete", methods=["GET", "POST"])
@requires(BOOKING_COMPLETE)
@takes_up_to(most_bytes)
def complete(booking_id: UUID) -> Response | tuple[str, int]:
    """Take the vehicle back with a checklist."""
    booking = queries.get_seen(booking_id)
    if "complete" not in offers(booking):
        return _nothing_to_do(booking, "complete")
    form = ReturnForm()
    likely = fleet.find_likely_readings(booking.vehicle_id, form.returned_at.data)
    if form.is_sent() and form.is_sure(likely):
        with form.refusals(RuleBroken):
            actions.complete_booking(booking_id, version=form.sent_version, **form.found())
            flash("Taken back. The vehicle is free again.", "good")
            return redirect(url_for("booking.show", booking_id=booking_id), 303)
    page = render_template(
        "booking/complete.html",
        **page_values(form=form, likely=likely, line=shown(booking)),
        photo_url=photo_url,
        out=queries.find_handovers(booking_id).get("OUT"),
        photos=queries.list_photos(booking_id),
    )
    return page, form.status


@bp.route("/<uuid:booking_id>/handover/odometer", methods=["GET", "POST"])
@requires(BOOKING_ACTIVATE)
def correct_handover(booking_id: UUID) -> Response | tuple[str, int]:
    """Correct the odometer reading of the handover."""
    return _correct(booking_id, "OUT")


@bp.route("/<uuid:booking_id>/return/odometer", methods=["GET", "POST"])
@requires(BOOKING_COMPLETE)
def correct_return(booking_id: UUID) -> Response | tuple[str, int]:
    """Correct the odometer reading of the return."""
    return _correct(booking_id, "IN")


def _correct(booking_id: UUID, kind: str) -> Response | tuple[str, int]:
    booking = queries.get_seen(booking_id)
    found = queries.find_handovers(booking_id).get(kind)
    if found is None:
        return nothing_to_correct("booking.show", booking_id=booking_id)
    form = CorrectionForm()
    instead_of = kind, booking_id
    likely = fleet.find_likely_readings(booking.vehicle_id, found.done_at, instead_of=instead_of)
    if form.is_sent() and form.is_sure(likely):
        with form.refusals(RuleBroken):
            doubt = fleet.doubt_correction(booking.vehicle_id, form.odometer.data, found.done_at, instead_of)
            actions.correct_odometer(booking_id, kind, form.odometer.data, version=form.sent_version)
            say_corrected(doubt)
            return redirect(url_for("booking.show", booking_id=booking_id), 303)
    page = render_template("booking/correct.html", form=form, likely=likely, line=shown(booking), found=found)
    return page, form.status


@bp.route("/<uuid:booking_id>/cancel", methods=["GET", "POST"])
@requires(BOOKING_CANCEL)
def cancel(booking_id: UUID) -> Response | tuple[str, int]:
    """Call the booking off."""
    return _with_reason(booking_id, "cancel", rules.CANCEL_REASONS, actions.cancel_booking, "The booking is cancelled.")


@bp.route("/<uuid:booking_id>/terminate", methods=["GET", "POST"])
@requires(BOOKING_TERMINATE)
def terminate(booking_id: UUID) -> Response | tuple[str, int]:
    """End the running booking early."""
    return _with_reason(
        booking_id, "terminate", rules.TERMINATE_REASONS, actions.terminate_booking, "The booking was ended early."
    )


def _with_reason(
    booking_id: UUID, action: str, reasons: dict[str, str], act: Callable[..., Any], done: str
) -> Response | tuple[str, int]:
    booking = queries.get_seen(booking_id)
    if action not in offers(booking):
        return _nothing_to_do(booking, action)
    form = ReasonForm()
    form.reason.choices = choices([("", "Choose a reason"), *reasons.items()])
    if form.is_sent():
        with form.refusals(RuleBroken):
            act(booking_id, form.reason.data, form.note.data or "", version=form.sent_version)
            flash(done, "good")
            return redirect(url_for("booking.show", booking_id=booking_id), 303)
    return render_template(f"booking/{action}.html", form=form, line=shown(booking)), form.status


def _nothing_to_do(booking: Booking, action: str) -> Response:
    """Send somebody who came too late (or too early) to the booking, saying how it stands."""
    words = rules.words_for(booking.state)
    flash(f"This booking is {words}, so it can't be {rules.DONE[action]} here now.", "info")
    return redirect(url_for("booking.show", booking_id=booking.id), 303)


def _candidates(booking: Booking) -> list[Candidate]:
    members = identity.list_members(booking.corporate_organization_id)
    return assignment.list_candidates(
        members,
        verification.coverages("User", [member.user_id for member in members]),
        booking.start,
        booking.end,
        except_booking_id=booking.id,
    )
