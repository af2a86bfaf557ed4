"""The vendor's decision: the request, what else wants the vehicle, and what each answer does to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from karokar.availability import queries as availability
from karokar.booking import actions, queries, rules
from karokar.booking.forms import ReasonForm, RejectForm
from karokar.booking.permissions import BOOKING_APPROVE, BOOKING_REJECT
from karokar.booking.views.blueprint import bp
from karokar.booking.views.shown import Shown, offers, shown, shown_many
from karokar.booking.views.strip import Strip, make_strip
from karokar.fleet import queries as fleet
from karokar.fleet.queries import REQUIRED_DOCUMENTS, VehicleFacts, WindowFacts
from karokar.kernel.errors import RuleBroken
from karokar.kernel.permissions import requires
from karokar.verification import queries as verifications
from karokar.web.forms import choices, choose, sent_version

AROUND = timedelta(days=1)
OFFERED = 15
"""So many other vehicles are offered to choose from."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
LOOKED_AT = 200
"""Among so many free ones the nearest are looked for."""


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
    checks: Sequence[tuple[bool, str]]


@dataclass(frozen=True)
class Supply:
    """What the vendor has for a request: whether the vehicle's documents lapse before the end, what else is free."""

    lapses: bool
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
    return _page(line, _others_form(), _reject_form(supply), supply)


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
    return _page(line, form, _reject_form(supply), supply), form.status


@bp.post("/<uuid:booking_id>/reject")
@requires(BOOKING_REJECT)
def reject(booking_id: UUID) -> Response | tuple[str, int]:
    """Turn the request down, with another vehicle offered where one was chosen."""
    line = shown(queries.get_seen(booking_id))
    supply = _supply(line)
    form = _reject_form(supply)
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


def _reject_form(supply: Supply) -> RejectForm:
    form = RejectForm()
    form.reason.choices = choose(rules.REJECT_REASONS.items(), "Choose a reason")
    form.offered_vehicle_id.choices = choices(
        [
            ("", "No other vehicle"),
            *((str(vehicle.id), f"{vehicle.label}, {vehicle.city}") for vehicle in supply.others),
        ]
    )
    return form


def _surroundings(line: Shown, supply: Supply) -> Surroundings:
    booking = line.booking
    until = _held_until(line)
    first, last = booking.start - AROUND, until + AROUND
    near, requests = queries.neighbours(booking, first, last, until=until)
    blockers = [row for row in near if rules.overlaps(row.start, row.held_until, booking.start, until)]
    windows = fleet.windows(booking.vehicle_id, first, last)
    lines = {one.booking.id: one for one in shown_many([*near, *requests], vehicle=line.vehicle)}
    in_the_way = [window for window in windows if window.start < booking.end and window.end > booking.start]
    return Surroundings(
        held_until=until,
        blockers=[lines[row.id] for row in blockers],
        windows=in_the_way,
        competing=[lines[row.id] for row in requests],
        before_and_after=[lines[row.id] for row in near],
        alternatives=supply.others,
        past=queries.count_with(booking.corporate_organization_id),
        strip=make_strip(booking, until, holders=near, requests=requests, windows=windows, first=first, last=last),
        checks=_checks(line, is_held=bool(blockers), in_maintenance=bool(in_the_way), lapses=supply.lapses),
    )


def _held_until(line: Shown) -> datetime:
    """Return until when an approval now would hold the vehicle."""
    return line.booking.end + timedelta(minutes=line.vendor.buffer_minutes)


def _checks(line: Shown, *, is_held: bool, in_maintenance: bool, lapses: bool) -> list[tuple[bool, str]]:
    """Return what the rules say to an approval, one sentence each."""
    vehicle = line.vehicle
    return [
        (
            vehicle is not None and vehicle.status == "ACTIVE",
            "The vehicle is on the road"
            if vehicle is not None and vehicle.status == "ACTIVE"
            else "The vehicle is not on the road",
        ),
        (not is_held, "Another booking holds the vehicle" if is_held else "No other booking holds the vehicle"),
        (
            not in_maintenance,
            "The vehicle is in maintenance then" if in_maintenance else "No maintenance is planned for the period",
        ),
        (
            not lapses,
            "A document of the vehicle runs out before the end" if lapses else "Its documents last until the end",
        ),
        (
            line.corporate.status == "ACTIVE",
            f"{line.corporate.name} takes part"
            if line.corporate.status == "ACTIVE"
            else f"{line.corporate.name} does not take part at the moment",
        ),
    ]


def _supply(line: Shown) -> Supply:
    """Return what the vendor has: of free vehicles those of the same category first, then the nearest."""
    booking, vehicle = line.booking, line.vehicle
    if vehicle is None:
        return Supply(lapses=False, others=[])
    ids = fleet.candidate_ids(vendor_ids=[booking.vendor_organization_id], first=vehicle.category)
    own = vehicle.id.hex
    lapsing = verifications.lapsing_ids("Vehicle", REQUIRED_DOCUMENTS, LONG_AGO, booking.end, among={own, *ids})
    out = {own, *lapsing, *availability.busy_vehicle_ids(booking.start, _held_until(line))}
    free = fleet.vehicles(UUID(id_) for id_ in [id_ for id_ in ids if id_ not in out][:LOOKED_AT]).values()
    nearest = sorted(
        free,
        key=lambda other: (
            other.category != vehicle.category,
            other.city != vehicle.city,
            abs(other.seats - vehicle.seats),
            other.label,
        ),
    )
    return Supply(lapses=own in lapsing, others=nearest[:OFFERED])
