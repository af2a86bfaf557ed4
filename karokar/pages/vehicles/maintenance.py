"""Maintenance: the plan of the fleet, one window, planning it with a look at what it hits."""

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for

from karokar.fleet import actions, queries
from karokar.fleet.forms import CancelForm, CompleteForm, WindowForm
from karokar.fleet.permissions import (
    MAINTENANCE_COMPLETE,
    MAINTENANCE_SCHEDULE,
    MAINTENANCE_START,
    VEHICLE_READ,
)
from karokar.fleet.queries import WindowFacts
from karokar.fleet.rules import WindowStatus
from karokar.fleet.views.blueprint import bp
from karokar.kernel import clock
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.errors import NotFound, RuleBroken, StateConflict
from karokar.kernel.permissions import may, reaches_others, requires, scope_of
from karokar.pages.vehicles.affected_bookings import Hit, hits
from karokar.web.forms.base import sent_version
from karokar.web.lists.filters import Choice, Filters, asked_moment
from karokar.web.shell.states import state_choices


@bp.get("/maintenance")
@requires(VEHICLE_READ)
def maintenance() -> str:
    """Show what is planned, running and done: of an organization's own vehicles, of all to the platform."""
    if scope_of(VEHICLE_READ) is Scope.SELF:
        raise NotFound
    filters = Filters.of_request((Choice("status", "Status", choices=state_choices("maintenance")),))
    windows = queries.list_windows(status=filters.values["status"] or "")
    return render_template(
        "fleet/maintenance.html",
        filters=filters,
        windows=windows,
        vehicles=queries.vehicles({window.vehicle_id for window in windows}),
        now=clock.now(),
    )


@bp.route("/<uuid:vehicle_id>/maintenance/new", methods=["GET", "POST"])
@requires(MAINTENANCE_SCHEDULE)
def schedule(vehicle_id: UUID) -> Any:
    """Plan maintenance; where it hits bookings, show them and ask again."""
    vehicle = queries.get_seen(vehicle_id)
    if vehicle.organization_id != current_actor().organization_id:
        raise NotFound("vehicle")
    form = WindowForm(start=asked_moment("start"), end=asked_moment("end"))
    hit: list[Hit] = []
    if form.is_sent():
        hit = hits(vehicle_id, form.start.data, form.end.data)
        if _is_known(hit):
            with form.refusals(RuleBroken, StateConflict):
                window_id = actions.schedule_maintenance(vehicle_id, **_planned(form))
                flash("Scheduled.", "good")
                return redirect(url_for("fleet.window", window_id=window_id), 303)
    values = {"form": form, "vehicle": vehicle, "hit": hit, "window": None, "others": _others(vehicle_id, form, None)}
    return render_template("fleet/schedule.html", **values), 422 if hit else form.status


@bp.route("/maintenance/<uuid:window_id>/edit", methods=["GET", "POST"])
@requires(MAINTENANCE_SCHEDULE)
def change(window_id: UUID) -> Any:
    """Move or describe a window anew; where it hits bookings, show them and ask again."""
    window = queries.get_window(window_id)
    form = WindowForm(obj=window)
    hit: list[Hit] = []
    if form.is_sent():
        start = window.start if window.status == WindowStatus.IN_PROGRESS else form.start.data
        hit = hits(window.vehicle_id, start, form.end.data)
        if _is_known(hit):
            with form.refusals():
                actions.change_maintenance(window_id, version=form.sent_version or 0, **_planned(form))
                flash("Saved.", "good")
                return redirect(url_for("fleet.window", window_id=window_id), 303)
    vehicle = queries.get_vehicle(window.vehicle_id)
    others = _others(window.vehicle_id, form, window_id)
    values = {"form": form, "vehicle": vehicle, "hit": hit, "window": window, "others": others}
    return render_template("fleet/schedule.html", **values), 422 if hit else form.status


def _planned(form: WindowForm) -> dict[str, Any]:
    values = form.values()
    return {**values, "description": values["description"] or ""}


def _is_known(hit: list[Hit]) -> bool:
    """Whether the person has seen exactly these bookings and goes ahead."""
    return set(request.form.getlist("seen")) >= {str(one.id) for one in hit}


def _others(vehicle_id: UUID, form: WindowForm, window_id: UUID | None) -> list[WindowFacts]:
    if form.start.data is None or form.end.data is None:
        return []
    return queries.windows(vehicle_id, form.start.data, form.end.data, except_id=window_id)


@bp.get("/maintenance/<uuid:window_id>")
@requires(VEHICLE_READ)
def window(window_id: UUID) -> Any:
    """Show one window, what it hits, and what can be done with it."""
    return _window_page(window_id, CompleteForm(formdata=None), CancelForm(formdata=None))


def _window_page(window_id: UUID, complete_form: CompleteForm, cancel_form: CancelForm) -> Any:
    found = queries.get_window(window_id)
    is_open = found.status in {WindowStatus.SCHEDULED, WindowStatus.IN_PROGRESS}
    mine = found.organization_id == current_actor().organization_id
    tells_hits = is_open and reaches_others("booking.read")
    page = render_template(
        "fleet/window.html",
        window=found,
        vehicle=queries.get_vehicle(found.vehicle_id),
        hit=hits(found.vehicle_id, found.start, found.end) if tells_hits else [],
        complete_form=complete_form,
        cancel_form=cancel_form,
        can={
            "change": mine and is_open and may(MAINTENANCE_SCHEDULE),
            "cancel": mine and is_open and may(MAINTENANCE_SCHEDULE),
            "start": mine and found.status == WindowStatus.SCHEDULED and may(MAINTENANCE_START),
            "complete": mine and found.status == WindowStatus.IN_PROGRESS and may(MAINTENANCE_COMPLETE),
        },
        now=clock.now(),
    )
    return page, 422 if complete_form.errors or cancel_form.errors else 200


@bp.post("/maintenance/<uuid:window_id>/start")
@requires(MAINTENANCE_START)
def start(window_id: UUID) -> Any:
    """Start the work."""
    actions.start_maintenance(window_id, version=sent_version())
    flash("Started.", "good")
    return redirect(url_for("fleet.window", window_id=window_id), 303)


@bp.post("/maintenance/<uuid:window_id>/complete")
@requires(MAINTENANCE_COMPLETE)
def complete(window_id: UUID) -> Any:
    """End the work, with what it cost."""
    form = CompleteForm()
    if form.is_sent():
        with form.refusals():
            cost = form.cost.data
            actions.complete_maintenance(
                window_id,
                version=form.sent_version,
                cost_minor=None if cost is None else round(cost * 100),
                cost_currency=form.cost_currency.data if cost is not None else None,
            )
            flash("Completed. The vehicle is free from now on.", "good")
            return redirect(url_for("fleet.window", window_id=window_id), 303)
    return _window_page(window_id, form, CancelForm(formdata=None))


@bp.post("/maintenance/<uuid:window_id>/cancel")
@requires(MAINTENANCE_SCHEDULE)
def cancel(window_id: UUID) -> Any:
    """Call the window off."""
    form = CancelForm()
    if form.is_sent():
        with form.refusals():
            actions.cancel_maintenance(window_id, reason=form.reason.data or "", version=form.sent_version)
            flash("Cancelled.", "good")
            return redirect(url_for("fleet.window", window_id=window_id), 303)
    return _window_page(window_id, CompleteForm(formdata=None), form)
