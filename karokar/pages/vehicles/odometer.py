"""A vehicle's odometer log."""

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, url_for

from karokar.fleet import actions, queries
from karokar.fleet.forms import ReadingForm, VoidForm
from karokar.fleet.permissions import VEHICLE_UPDATE
from karokar.fleet.rules import MARK_SENTENCES
from karokar.fleet.views.blueprint import bp
from karokar.kernel.errors import NotFound, RuleBroken, StateConflict
from karokar.kernel.permissions import requires
from karokar.pages.vehicles.vehicles import page_of


@bp.post("/<uuid:vehicle_id>/readings")
@requires(VEHICLE_UPDATE)
def record(vehicle_id: UUID) -> Any:
    """Take a reading into the log; an odd one is kept and marked."""
    form = ReadingForm()
    if form.is_sent() and form.is_sure(queries.find_likely_readings(vehicle_id, form.read_at.data)):
        with form.refusals():
            reading_id = actions.record_odometer(
                vehicle_id,
                kilometres=form.kilometres.data,
                read_at=form.read_at.data,
                note=form.note.data or "",
            )
            mark = next((row.mark for row in queries.list_readings(vehicle_id) if row.id == reading_id), "")
            flash(
                MARK_SENTENCES[mark] if mark else "Recorded.",
                "wait" if mark else "good",
            )
            return redirect(url_for("fleet.show", vehicle_id=vehicle_id, _anchor="odometer"), 303)
    return page_of(vehicle_id, reading_form=form)


@bp.route("/<uuid:vehicle_id>/readings/<uuid:reading_id>/void", methods=["GET", "POST"])
@requires(VEHICLE_UPDATE)
def void(vehicle_id: UUID, reading_id: UUID) -> Any:
    """Declare a reading wrong, with a reason."""
    vehicle = queries.get_seen(vehicle_id)
    reading = next((row for row in queries.list_readings(vehicle_id) if row.id == reading_id), None)
    if reading is None:
        raise NotFound("odometer reading")
    form = VoidForm()
    if form.is_sent():
        with form.refusals(RuleBroken, StateConflict):
            actions.void_odometer(vehicle_id, reading_id, reason=form.reason.data)
            flash("Voided. It stays in the log and counts no more.", "good")
            return redirect(url_for("fleet.show", vehicle_id=vehicle_id, _anchor="odometer"), 303)
    return render_template("fleet/void.html", form=form, vehicle=vehicle, reading=reading), form.status
