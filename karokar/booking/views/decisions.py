"""The vendor's decision: the request, what else wants the vehicle, and what each answer does to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from karokar.availability import facts as availability
from karokar.booking import actions, queries, rules
from karokar.booking.circumstances import judge_approval
from karokar.booking.forms import ReasonForm, RejectForm
from karokar.booking.permissions import BOOKING_APPROVE, BOOKING_REJECT
from karokar.booking.rules import obstacles
from karokar.booking.views.blueprint import bp
from karokar.booking.views.presenter import Shown, offers, shown, shown_many
from karokar.booking.views.strip import Strip, make_strip
from karokar.fleet import facts as fleet
from karokar.fleet.facts import VehicleFacts
from karokar.kernel.errors import RuleBroken
from karokar.kernel.permissions import requires
from karokar.web.forms.base import choices, choose, sent_version

AROUND = timedelta(days=1)
OFFERED = 15
"""So many other vehicles are offered to choose from."""
SHOWN = 30
"""Of what holds the vehicle, and of what competes for it, so much is shown."""
LOOKED_AT = 200
"""Among so many free ones the nearest are looked for."""


@dataclass(frozen=True)
class Surroundings:
    """What is around a request: what keeps it from being approved, what competes for the vehicle and what holds it (the
    first of each), and what else could be offered.
    """

    held_until: datetime
    problems: Sequence[obstacles.Problem]
    competing: Sequence[Shown]
    competing_count: int
    before_and_after: Sequence[Shown]
    before_and_after_count: int
    alternatives: Sequence[VehicleFacts]
    past: dict[str, int]
    strip: Strip
    late: Shown | None


@dataclass(frozen=True)
class Supply:
    """What the vendor has for a request: whether the vehicle is free, and what else is."""

    is_free: bool
    others: Sequence[VehicleFacts]


@bp.get("/<uuid:booking_id>/decide")
@requires(BOOKING_APPROVE)
def decide(booking_id: UUID) -> Response | str:
    """Show the request with everything that a decision rests on."""
    booking = queries.get_seen(booking_id)
    if "approve" not in offers(booking):
        flash(f"This request is {rules.words_for(booking.state)}; there is nothing to decide.", "info")
        return redirect(url_for("booking.show", booking_id=booking_id), 303)
    line = shown(booking)
    supply = _supply(line)
    return _page(line, _others_form(), _reject_form(supply.others), supply)


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
            flash(
                "Approved, and the overlapping requests rejected. All of them have been told."
                if rejects_others
                else "Approved. The company has been told.",
                "good",
            )
            return redirect(url_for("booking.show", booking_id=booking_id), 303)
    line = shown(queries.get_seen(booking_id))
    supply = _supply(line)
    return _page(line, form, _reject_form(supply.others), supply), form.status


@bp.post("/<uuid:booking_id>/reject")
@requires(BOOKING_REJECT)
def reject(booking_id: UUID) -> Response | tuple[str, int]:
    """Turn the request down, with another vehicle offered where one was chosen."""
    line = shown(queries.get_seen(booking_id))
    supply = _supply(line)
    form = _reject_form(supply.others)
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
    return _page(line, _others_form(), form, supply), form.status


def _page(line: Shown, others_form: ReasonForm, reject_form: RejectForm, supply: Supply) -> str:
    return render_template(
        "booking/decide.html",
        line=line,
        around=_surroundings(line, supply),
        others_form=others_form,
        reject_form=reject_form,
    )


def _others_form() -> ReasonForm:
    # Two forms on one page: without a name of its own, a label would lead to the other one's field.
    form = ReasonForm(prefix="others-", note="Another request for this time was approved.")
    form.reason.choices = choices(rules.REJECT_REASONS.items())
    return form


def _reject_form(others: Sequence[VehicleFacts]) -> RejectForm:
    form = RejectForm()
    form.reason.choices = choose(rules.REJECT_REASONS.items(), "Choose a reason")
    form.offered_vehicle_id.choices = choices(
        [
            ("", "No other vehicle"),
            *((str(vehicle.id), f"{vehicle.label}, {vehicle.city}") for vehicle in others),
        ]
    )
    return form


def _surroundings(line: Shown, supply: Supply) -> Surroundings:
    booking = line.booking
    until = _held_until(line)
    first, last = booking.start - AROUND, until + AROUND
    near, requests = queries.neighbours(booking, first, last, until=until, limit=SHOWN)
    parties = {one.id: one for one in (line.vendor, line.corporate)}
    around = shown_many([*near.rows, *requests.rows], vehicle=line.vehicle, parties=parties)
    lines = {one.booking.id: one for one in around}
    windows = fleet.windows(booking.vehicle_id, first, last)
    # The calendar may be some milliseconds old; bookings and maintenance are at hand.
    is_held = any(rules.overlaps(row.start, row.held_until, booking.start, until) for row in near.rows)
    is_held = is_held or any(rules.overlaps(one.start, one.end, booking.start, until) for one in windows)
    return Surroundings(
        held_until=until,
        problems=_problems(line, is_free=supply.is_free and not is_held),
        competing=[lines[row.id] for row in requests.rows],
        competing_count=requests.count,
        before_and_after=[lines[row.id] for row in near.rows],
        before_and_after_count=near.count,
        alternatives=supply.others,
        past=queries.count_with(booking.corporate_organization_id),
        strip=make_strip(
            booking,
            until,
            holders=near.rows,
            requests=requests.rows,
            windows=windows,
            first=first,
            last=last,
        ),
        late=next((one for one in lines.values() if one.is_late), None),
    )


def _held_until(line: Shown) -> datetime:
    """Return until when an approval now would hold the vehicle."""
    return line.booking.end + timedelta(minutes=line.vendor.buffer_minutes)


def _problems(line: Shown, *, is_free: bool) -> Sequence[obstacles.Problem]:
    """Return what keeps the request from being approved: what the action asks, too."""
    booking = line.booking
    if line.vehicle is None:
        return ()
    parties = {one.id: one for one in (line.vendor, line.corporate)}
    return judge_approval(line.vehicle, line.corporate.id, booking.start, booking.end, parties=parties, is_free=is_free)


def _supply(line: Shown) -> Supply:
    """Return what the vendor has: of free vehicles those of the same category first, then the nearest."""
    booking, vehicle = line.booking, line.vehicle
    if vehicle is None:
        return Supply(is_free=False, others=[])
    vendor_id, own = booking.vendor_organization_id, vehicle.id.hex
    ids = [id_ for id_ in fleet.candidate_ids(vendor_ids=[vendor_id], first=vehicle.category) if id_ != own]
    turnaround = {vendor_id: timedelta(minutes=line.vendor.buffer_minutes)}
    taken = availability.taken_among([own, *ids], booking.start, booking.end, turnaround, is_exact=False)
    offered = fleet.vehicles(UUID(id_) for id_ in [id_ for id_ in ids if id_ not in taken][:LOOKED_AT]).values()
    nearest = sorted(
        offered,
        key=lambda other: (
            other.category != vehicle.category,
            other.city != vehicle.city,
            abs(other.seats - vehicle.seats),
            other.label,
        ),
    )
    return Supply(is_free=own not in taken, others=nearest[:OFFERED])
