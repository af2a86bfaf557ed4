"""Answering, assigning directly, handing over, taking back, closing."""

from datetime import datetime
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from karokar.assignment import actions, queries, rules
from karokar.assignment.forms import AssignmentForm, CloseForm, DeclineForm
from karokar.assignment.models import Assignment
from karokar.assignment.permissions import (
    ASSIGNMENT_ACCEPT,
    ASSIGNMENT_CLOSE,
    ASSIGNMENT_COMPLETE,
    ASSIGNMENT_CREATE,
    ASSIGNMENT_REJECT,
    ASSIGNMENT_START,
)
from karokar.assignment.queries import Candidate
from karokar.assignment.rules import Status
from karokar.assignment.views.blueprint import bp
from karokar.assignment.views.detail import offers, photo_url, shown
from karokar.fleet import facts as fleet
from karokar.identity import facts as identity
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import RuleBroken, StateConflict
from karokar.kernel.permissions import requires
from karokar.verification import facts as verification
from karokar.web.forms.base import choices, sent_version
from karokar.web.forms.handover import (
    CorrectionForm,
    HandoverForm,
    ReturnForm,
    most_bytes,
    nothing_to_correct,
    page_values,
    say_corrected,
)
from karokar.web.lists.filters import asked_moment
from karokar.web.requests.uploads import takes_up_to


@bp.route("/new", methods=["GET", "POST"])
@requires(ASSIGNMENT_CREATE)
def new() -> Response | tuple[str, int]:
    """Assign one of the company's own vehicles to an employee."""
    form = AssignmentForm(
        vehicle_id=request.args.get("vehicle_id", ""),
        start=asked_moment("start"),
        end=asked_moment("end"),
        employee_id=request.args.get("employee_id", ""),
    )
    own = current_actor().organization_id
    vehicles = fleet.list_candidates(vendor_ids=[], own_organization_id=own, limit=1000)
    candidates = _candidates(form.start.data, form.end.data)
    form.vehicle_id.choices = choices([("", "Choose a vehicle"), *((str(one.id), one.label) for one in vehicles)])
    form.employee_id.choices = choices(
        [("", "Choose an employee"), *((str(one.user_id), _described(one)) for one in candidates)]
    )
    if form.is_sent():
        with form.refusals(RuleBroken, StateConflict):
            assignment_id = actions.create_assignment(
                UUID(form.vehicle_id.data), UUID(form.employee_id.data), form.start.data, form.end.data
            )
            flash("Assigned. The employee has been asked to accept.", "good")
            return redirect(url_for("assignment.show", assignment_id=assignment_id), 303)
    page = render_template("assignment/new.html", form=form, vehicles=vehicles, is_judged=form.start.data is not None)
    return page, form.status


@bp.post("/<uuid:assignment_id>/accept")
@requires(ASSIGNMENT_ACCEPT)
def accept(assignment_id: UUID) -> Response:
    """Accept one's own assignment."""
    actions.accept_assignment(assignment_id, version=sent_version())
    flash("Accepted. Your company has been told.", "good")
    return redirect(url_for("assignment.show", assignment_id=assignment_id), 303)


@bp.route("/<uuid:assignment_id>/decline", methods=["GET", "POST"])
@requires(ASSIGNMENT_REJECT)
def reject(assignment_id: UUID) -> Response | tuple[str, int]:
    """Decline one's own assignment, with or without a reason."""
    row = queries.get_seen(assignment_id)
    if "reject" not in offers(row):
        return _nothing_to_do(row, "reject")
    form = DeclineForm()
    if form.is_sent():
        with form.refusals():
            actions.reject_assignment(assignment_id, form.reason.data or "", version=form.sent_version)
            flash("Declined. Your company chooses somebody else.", "good")
            return redirect(url_for("assignment.show", assignment_id=assignment_id), 303)
    return render_template("assignment/decline.html", form=form, line=shown(row)), form.status


@bp.route("/<uuid:assignment_id>/start", methods=["GET", "POST"])
@requires(ASSIGNMENT_START)
@takes_up_to(most_bytes)
def start(assignment_id: UUID) -> Response | tuple[str, int]:
    """Hand a company's own vehicle over."""
    row = queries.get_seen(assignment_id)
    if "start" not in offers(row):
        return _nothing_to_do(row, "start")
    form = HandoverForm()
    likely = fleet.find_likely_readings(row.vehicle_id)
    if form.is_sent() and form.is_sure(likely):
        with form.refusals(RuleBroken, StateConflict):
            actions.start_assignment(assignment_id, version=form.sent_version, **form.found())
            flash("Handed over. Have a good trip.", "good")
            return redirect(url_for("assignment.show", assignment_id=assignment_id), 303)
    page = render_template(
        "assignment/start.html", **page_values(form=form, likely=likely, line=shown(row)), is_mine=_is_mine(row)
    )
    return page, form.status


@bp.route("/<uuid:assignment_id>/complete", methods=["GET", "POST"])
@requires(ASSIGNMENT_COMPLETE)
@takes_up_to(most_bytes)
def complete(assignment_id: UUID) -> Response | tuple[str, int]:
    """Take a company's own vehicle back."""
    row = queries.get_seen(assignment_id)
    if "complete" not in offers(row):
        return _nothing_to_do(row, "complete")
    form = ReturnForm()
    likely = fleet.find_likely_readings(row.vehicle_id, form.returned_at.data)
    if form.is_sent() and form.is_sure(likely):
        with form.refusals():
            actions.complete_assignment(assignment_id, version=form.sent_version, **form.found())
            flash("Taken back. The vehicle is free again.", "good")
            return redirect(url_for("assignment.show", assignment_id=assignment_id), 303)
    page = render_template(
        "assignment/complete.html",
        **page_values(form=form, likely=likely, line=shown(row)),
        is_mine=_is_mine(row),
        out=queries.find_handovers(row.id).get("OUT"),
        photos=queries.list_photos(row.id),
        photo_url=photo_url,
    )
    return page, form.status


def _is_mine(row: Assignment) -> bool:
    """Whether the vehicle is the acting person's: they receive and return what others hand over and take back."""
    return row.employee_id == current_actor().user_id


@bp.route("/<uuid:assignment_id>/handover/odometer", methods=["GET", "POST"])
@requires(ASSIGNMENT_START)
def correct_handover(assignment_id: UUID) -> Response | tuple[str, int]:
    """Correct the odometer reading of the handover of a company's own vehicle."""
    return _correct(assignment_id, "OUT")


@bp.route("/<uuid:assignment_id>/return/odometer", methods=["GET", "POST"])
@requires(ASSIGNMENT_COMPLETE)
def correct_return(assignment_id: UUID) -> Response | tuple[str, int]:
    """Correct the odometer reading of the return of a company's own vehicle."""
    return _correct(assignment_id, "IN")


def _correct(assignment_id: UUID, kind: str) -> Response | tuple[str, int]:
    row = queries.get_seen(assignment_id)
    found = queries.find_handovers(assignment_id).get(kind)
    if found is None:
        return nothing_to_correct("assignment.show", assignment_id=assignment_id)
    form = CorrectionForm()
    instead_of = kind, assignment_id
    likely = fleet.find_likely_readings(row.vehicle_id, found.done_at, instead_of=instead_of)
    if form.is_sent() and form.is_sure(likely):
        with form.refusals(RuleBroken):
            doubt = fleet.doubt_correction(row.vehicle_id, form.odometer.data, found.done_at, instead_of)
            actions.correct_odometer(assignment_id, kind, form.odometer.data, version=form.sent_version)
            say_corrected(doubt)
            return redirect(url_for("assignment.show", assignment_id=assignment_id), 303)
    page = render_template("assignment/correct.html", form=form, likely=likely, line=shown(row), found=found)
    return page, form.status


@bp.route("/<uuid:assignment_id>/close", methods=["GET", "POST"])
@requires(ASSIGNMENT_CLOSE)
def close(assignment_id: UUID) -> Response | tuple[str, int]:
    """End a direct assignment administratively."""
    row = queries.get_seen(assignment_id)
    if "close" not in offers(row):
        return _nothing_to_do(row, "close")
    form = CloseForm()
    if form.is_sent():
        with form.refusals():
            actions.close_assignment(assignment_id, form.reason.data, version=form.sent_version)
            flash("The assignment is closed.", "good")
            return redirect(url_for("assignment.show", assignment_id=assignment_id), 303)
    return render_template("assignment/close.html", form=form, line=shown(row)), form.status


def _nothing_to_do(row: Assignment, action: str) -> Response:
    """Send somebody who came too late (or too early) to the assignment, saying how it stands."""
    words = rules.WORDS[Status(row.status)]
    flash(f"This assignment is {words}, so it can't be {rules.DONE[action]} here now.", "info")
    return redirect(url_for("assignment.show", assignment_id=row.id), 303)


def _candidates(start: datetime | None, end: datetime | None) -> list[Candidate]:
    """Return the company's members; with a sensible period judged for it, else only named."""
    own = current_actor().organization_id
    members = identity.list_members(own) if own is not None else []
    if start is None or (end is not None and end <= start):
        return [
            Candidate(user_id=one.user_id, name=one.name, role=one.role, refusal="", warning="", busy=())
            for one in members
        ]
    coverages = verification.coverages("User", [member.user_id for member in members])
    return queries.list_candidates(members, coverages, start, end)


def _described(one: Candidate) -> str:
    """Return the name and what stands against, as a choice of a list shows them."""
    note = one.refusal or one.warning
    return f"{one.name} ({note.rstrip('.').lower()})" if note else one.name
