"""From a free vehicle to a request."""

from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from karokar.booking import actions, queries
from karokar.booking.circumstances import judge_request
from karokar.booking.forms import BookingForm
from karokar.booking.permissions import (
    BOOKING_CREATE,
    BOOKING_DISCARD,
    BOOKING_EDIT,
    BOOKING_READ,
    BOOKING_SUBMIT,
)
from karokar.booking.queries import BookingFacts
from karokar.booking.rules.obstacles import Problem
from karokar.booking.views.blueprint import bp
from karokar.booking.views.presenter import offers, shown
from karokar.fleet import facts as fleet
from karokar.fleet.facts import VehicleFacts
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.errors import DomainError, NotFound, RuleBroken, StateConflict
from karokar.kernel.permissions import may, requires, scope_of
from karokar.organization import facts as organization
from karokar.web.forms.base import sent_version
from karokar.web.lists.filters import asked_moment


@bp.route("/new", methods=["GET", "POST"])
@requires(BOOKING_CREATE)
def new() -> Response | str | tuple[str, int]:
    """Draft a booking of a vehicle, or draft and send it at once; the search fills vehicle and period in."""
    vehicle_id = _asked_vehicle()
    if vehicle_id is None:
        return redirect(_search_url(), 303)
    vehicle = fleet.get_seen(vehicle_id)
    if vehicle.ownership_type != "VENDOR_OWNED":
        raise RuleBroken("NOT_BOOKABLE", "This is your company's own vehicle: it needs no booking. Assign it directly.")
    form = BookingForm(start=asked_moment("start"), end=asked_moment("end"), purpose=request.args.get("purpose", ""))
    if form.is_sent():
        wants_to_send = request.form.get("do") == "send"
        with form.refusals(RuleBroken, StateConflict):
            booking_id = _send_or_keep(vehicle_id, form) if wants_to_send else _keep(vehicle_id, form)
            return redirect(url_for("booking.show", booking_id=booking_id), 303)
    page = render_template(
        "booking/new.html",
        form=form,
        vehicle=vehicle,
        vendor=organization.get_organization(vehicle.organization_id),
        period=(form.start.data, form.end.data),
        problems=_problems(vehicle, form),
        asked_already=_asked_already(vehicle_id, form.start.data, form.end.data),
        may_send=may(BOOKING_SUBMIT),
        search_url=_search_url(),
    )
    return page, form.status


SEARCHED = frozenset({"start", "end", "city", "category", "seats", "vendor", "text", "page"})
"""What a search for vehicles is narrowed by."""
MISSING_ELSEWHERE = frozenset({"REPRESENTATIVE_NOT_VERIFIED", "REGISTRATION_EXPIRED"})
"""Refusals that no other period or vehicle would change: what was asked for is kept until they are mended."""


def _send_or_keep(vehicle_id: UUID, form: BookingForm) -> UUID:
    try:
        booking_id = actions.request_booking(vehicle_id, **form.values())
    except StateConflict as refusal:
        if refusal.code not in MISSING_ELSEWHERE:
            raise
        booking_id = actions.create_booking(vehicle_id, **form.values())
        flash(f"{refusal.sentence} Your request is kept as a draft.", "bad")
    else:
        flash("The request was sent.", "good")
    return booking_id


def _keep(vehicle_id: UUID, form: BookingForm) -> UUID:
    booking_id = actions.create_booking(vehicle_id, **form.values())
    flash("The draft is kept.", "good")
    return booking_id


@bp.route("/<uuid:booking_id>/edit", methods=["GET", "POST"])
@requires(BOOKING_EDIT)
def edit(booking_id: UUID) -> Response | tuple[str, int]:
    """Change a draft's period or purpose."""
    booking = queries.get_seen(booking_id)
    if "edit" not in offers(booking):
        raise NotFound("draft")
    form = BookingForm(obj=booking)
    if form.is_sent():
        with form.refusals():
            actions.edit_booking(booking_id, version=form.sent_version, **form.values())
            flash("The draft was changed.", "good")
            return redirect(url_for("booking.show", booking_id=booking_id), 303)
    line = shown(booking)
    page = render_template(
        "booking/edit.html",
        form=form,
        line=line,
        period=(form.start.data, form.end.data),
        problems=_problems(line.vehicle, form),
    )
    return page, form.status


@bp.post("/<uuid:booking_id>/submit")
@requires(BOOKING_SUBMIT)
def submit(booking_id: UUID) -> Response:
    """Send a draft to the vendor."""
    try:
        actions.submit_booking(booking_id, version=sent_version())
    except DomainError as error:
        if error.code in {"STALE_VERSION", "NOT_FOUND", "PERMISSION_MISSING"}:
            raise
        flash(error.sentence, "bad")
    else:
        flash("The request was sent. You are told as soon as the vendor answers.", "good")
    return redirect(url_for("booking.show", booking_id=booking_id), 303)


@bp.post("/<uuid:booking_id>/discard")
@requires(BOOKING_DISCARD)
def discard(booking_id: UUID) -> Response:
    """Delete a draft."""
    actions.discard_booking(booking_id, version=sent_version())
    flash("The draft was discarded.", "good")
    return redirect(url_for("booking.index"), 303)


def _search_url() -> str:
    """Return the search from which the person came, with everything that narrowed it; else one for the period."""
    came_from = parse_qsl(request.args.get("search", ""))
    known = {name: value for name, value in came_from if name in SEARCHED}
    period: dict[str, Any] = {name: request.args[name] for name in ("start", "end") if name in request.args}
    return url_for("availability.index", **(known or period))


def _asked_vehicle() -> UUID | None:
    text = request.args.get("vehicle_id", "")
    try:
        return UUID(text) if text else None
    except ValueError:
        raise NotFound("vehicle") from None


def _problems(vehicle: VehicleFacts | None, form: BookingForm) -> list[Problem] | None:
    """Return what would keep a request for the form's period from being sent; None where the form says no period, or
    says already what is wrong with it.
    """
    start, end, own = form.start.data, form.end.data, current_actor().organization_id
    if vehicle is None or own is None or start is None or end is None or form.errors:
        return None
    return judge_request(vehicle, own, start, end)


def _asked_already(vehicle_id: UUID, start: datetime | None, end: datetime | None) -> list[BookingFacts]:
    """Return the company's own requests for the vehicle then that wait for an answer, where the person may see them."""
    if start is None or end is None or not start < end or scope_of(BOOKING_READ) is not Scope.PARTY:
        return []
    own = current_actor().organization_id
    waiting = queries.requests_in_period([vehicle_id], start, end)
    return [one for one in waiting if one.corporate_organization_id == own]
