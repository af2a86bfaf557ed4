"""The vendor's decision: the request, what else wants the vehicle, and what each answer does to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from karokar.availability import queries as availability
from karokar.booking import actions, queries, rules
from karokar.booking.forms import ReasonForm, RejectForm, choices
from karokar.booking.models import Booking
from karokar.booking.permissions import BOOKING_APPROVE, BOOKING_REJECT
from karokar.booking.views.blueprint import bp
from karokar.booking.views.shown import Shown, offers, shown, shown_many
from karokar.booking.views.strip import Strip, make_strip
from karokar.fleet import queries as fleet
from karokar.fleet.queries import VehicleFacts, WindowFacts
from karokar.kernel.errors import RuleBroken
from karokar.kernel.permissions import requires
from karokar.organization import queries as organization
from karokar.web.forms import sent_version

AROUND = timedelta(days=2)


@dataclass(frozen=True)
class Surroundings:
    """What is around a request: what holds the vehicle, what competes for it, and what else could be offered."""

    held_until: datetime
    blockers: Sequence[Shown]
    windows: Sequence[WindowFacts]
    competing: Sequence[Shown]
    before_and_after: Sequence[Shown]
    alternatives: Sequence[VehicleFacts]
    past: dict[str, int]
    strip: Strip


@bp.get("/<uuid:booking_id>/decide")
@requires(BOOKING_APPROVE)
def decide(booking_id: UUID) -> Response | str:
    """Show the request with everything that a decision rests on."""
    booking = queries.get_seen(booking_id)
    if "approve" not in offers(booking):
        flash(f"This request is {rules.WORDS[rules.Status(booking.status)]}; there is nothing to decide.", "info")
        return redirect(url_for("booking.show", booking_id=booking_id), 303)
    return _page(booking, _others_form(), _reject_form(booking))


@bp.post("/<uuid:booking_id>/approve")
@requires(BOOKING_APPROVE)
def approve(booking_id: UUID) -> Response | tuple[str, int]:
    """Approve, and turn the overlapping requests down where the form says so."""
    rejects_others = request.form.get("others") == "reject"
    form = _others_form()
    if not rejects_others or form.is_sent():
        with form.refusals(RuleBroken):
            actions.approve_booking(
                booking_id,
                version=sent_version(),
                reject_overlapping=rejects_others,
                reason=form.reason.data if rejects_others else "",
                note=(form.note.data or "") if rejects_others else "",
            )
            flash("Approved. The company has been told.", "good")
            return redirect(url_for("booking.show", booking_id=booking_id), 303)
    booking = queries.get_seen(booking_id)
    return _page(booking, form, _reject_form(booking)), form.status


@bp.post("/<uuid:booking_id>/reject")
@requires(BOOKING_REJECT)
def reject(booking_id: UUID) -> Response | tuple[str, int]:
    """Turn the request down, with another vehicle offered where one was chosen."""
    booking = queries.get_seen(booking_id)
    form = _reject_form(booking)
    if form.is_sent():
        with form.refusals(RuleBroken):
            offered = form.offered_vehicle_id.data
            actions.reject_booking(
                booking_id,
                form.reason.data,
                form.note.data or "",
                offered_vehicle_id=UUID(offered) if offered else None,
                version=form.sent_version,
            )
            flash("Rejected. The company has been told why.", "good")
            return redirect(url_for("booking.show", booking_id=booking_id), 303)
    return _page(booking, _others_form(), form), form.status


def _page(booking: Booking, others_form: ReasonForm, reject_form: RejectForm) -> str:
    return render_template(
        "booking/decide.html",
        line=shown(booking),
        around=_surroundings(booking),
        others_form=others_form,
        reject_form=reject_form,
    )


def _others_form() -> ReasonForm:
    form = ReasonForm(prefix="")
    form.reason.choices = choices(rules.REJECT_REASONS.items())
    return form


def _reject_form(booking: Booking) -> RejectForm:
    form = RejectForm()
    form.reason.choices = choices(rules.REJECT_REASONS.items())
    form.offered_vehicle_id.choices = choices(
        [
            ("", "No other vehicle"),
            *((str(vehicle.id), f"{vehicle.label}, {vehicle.city}") for vehicle in _alternatives(booking)),
        ]
    )
    return form


def _surroundings(booking: Booking) -> Surroundings:
    buffer = organization.get_organization(booking.vendor_organization_id).buffer_minutes
    until = booking.end + timedelta(minutes=buffer)
    first, last = booking.start - AROUND, until + AROUND
    near = queries.holders(booking, first, last)
    blockers = [row for row in near if row.start < until and (row.held_until or row.end) > booking.start]
    requests = queries.competing_requests(booking, until)
    windows = fleet.windows(booking.vehicle_id, first, last)
    lines = {line.booking.id: line for line in shown_many([*near, *requests])}
    return Surroundings(
        held_until=until,
        blockers=[lines[row.id] for row in blockers],
        windows=[window for window in windows if window.start < booking.end and window.end > booking.start],
        competing=[lines[row.id] for row in requests],
        before_and_after=[lines[row.id] for row in near],
        alternatives=_alternatives(booking),
        past=queries.count_with(booking.corporate_organization_id),
        strip=make_strip(booking, until, holders=near, requests=requests, windows=windows, first=first, last=last),
    )


def _alternatives(booking: Booking) -> list[VehicleFacts]:
    """Return the vendor's other vehicles of the same category that are free then, nearest first."""
    vehicle = fleet.get_vehicle(booking.vehicle_id)
    found = fleet.search_candidates(vendor_ids=[booking.vendor_organization_id], category=vehicle.category, limit=50)
    free = [
        other
        for other in found
        if other.id != vehicle.id and availability.is_free(other.id, booking.start, booking.end)
    ]
    held = {row.vehicle_id for row in queries.live_in_period([one.id for one in free], booking.start, booking.end)}
    free = [other for other in free if other.id not in held]
    return sorted(free, key=lambda other: (other.city != vehicle.city, abs(other.seats - vehicle.seats)))[:10]
