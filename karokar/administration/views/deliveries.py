"""Operating deliveries: the pipeline at a glance, failures by kind, dead letters, handlers."""

import hashlib
from uuid import UUID

from flask import flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response
from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length

from karokar.administration import actions
from karokar.administration.permissions import EVENT_OPERATE
from karokar.administration.runs import DISMISS
from karokar.administration.views.blueprint import bp
from karokar.administration.views.events import EventNames
from karokar.events.handlers import HANDLERS
from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import requires
from karokar.kernel.text.normalization import count_of
from karokar.outbox.delivery import canary
from karokar.outbox.monitoring.dead_letters import list_dead_letters
from karokar.outbox.monitoring.overview import failure_groups, find_handler, handler_names, handler_states, list_pending
from karokar.outbox.monitoring.overview import overview as poll
from karokar.outbox.operations.actions import digest_of_open
from karokar.runs.views.bulk import ask_with
from karokar.web.forms.base import Form
from karokar.web.lists.filters import Choice, Filters

LATEST_GROUPS = 5


class ReasonForm(Form):
    """Why deliveries stay undone."""

    reason = TextAreaField("Reason", [DataRequired("Say why these deliveries stay undone."), Length(max=500)])


# The pipeline at a glance ---------------------------------------------------------------------------------------------


@bp.get("/pipeline")
@requires(EVENT_OPERATE)
def overview() -> str:
    """Show rate, lag, retries, dead letters and failures of the whole pipeline."""
    part = _overview()
    return render_template("administration/overview.html", part=part, live_url=_live_url(part))


@bp.get("/pipeline/part")
@requires(EVENT_OPERATE)
def overview_part() -> Response:
    """Answer the figures as a part of their page; 204 while they stand as the page has them."""
    part = _overview()
    if request.args.get("at") == _digest(part):
        return make_response("", 204)
    response = make_response(part)
    response.headers["X-Live-Url"] = _live_url(part)
    return response


def _overview() -> str:
    pending = list_pending()
    states = handler_states(pending)
    groups = failure_groups({state.number: state.name for state in states})
    return render_template(
        "administration/_overview.html",
        state=poll(states, pending),
        handlers=sorted(states, key=lambda one: (one.status == "RUNNING", -one.lag, one.name)),
        groups=groups[:LATEST_GROUPS],
        group_count=len(groups),
        canary=canary.poll(),
    )


def _digest(part: str) -> str:
    return hashlib.sha256(part.encode()).hexdigest()[:16]


def _live_url(part: str) -> str:
    return url_for("administration.overview_part", at=_digest(part))


# Failures by kind -----------------------------------------------------------------------------------------------------


@bp.get("/failures")
@requires(EVENT_OPERATE)
def failures() -> str:
    """List open failures by handler and cause."""
    return render_template("administration/failures.html", groups=failure_groups())


@bp.get("/failures/<name>/<fingerprint>")
@requires(EVENT_OPERATE)
def failure(name: str, fingerprint: str) -> str:
    """Show one kind of failure: its error, the newest events that it hit, and what to do about all of them."""
    group = next((one for one in failure_groups() if (one.handler, one.fingerprint) == (name, fingerprint)), None)
    if group is None:
        raise NotFound("kind of failure")
    dead = list_dead_letters(handler=name, fingerprint=fingerprint)
    return render_template(
        "administration/failure.html",
        group=group,
        dead=dead,
        form=ReasonForm(),
        shown=digest_of_open(name, fingerprint),
    )


@bp.post("/failures/<name>/<fingerprint>/retry")
@requires(EVENT_OPERATE)
def retry_failures(name: str, fingerprint: str) -> Response:
    """Let all failures of one kind run again."""
    count = actions.retry_failures(name, fingerprint, request.form.get("expected", ""))
    flash(
        f"{count_of(count, 'delivery runs', 'deliveries run')} again now. What still fails comes back to this list.",
        "good",
    )
    return redirect(url_for("administration.failures"), 303)


@bp.post("/failures/<name>/<fingerprint>/dismiss")
@requires(EVENT_OPERATE)
def dismiss_failures(name: str, fingerprint: str) -> Response:
    """Leave all failures of one kind undone."""
    count = actions.dismiss_failures(
        name, fingerprint, request.form.get("expected", ""), request.form.get("reason", "")
    )
    dismissed = count_of(count, "delivery stays", "deliveries stay")
    flash(f"{dismissed} undone. Deliveries that were blocked by this now continue.", "good")
    return redirect(url_for("administration.failures"), 303)


# Dead letters ---------------------------------------------------------------------------------------------------------


def _dead_filters() -> Filters:
    names = sorted(set(handler_names().values()))
    fields = (
        Choice("handler", "Handler", choices=tuple((name, name) for name in names)),
        EventNames("type", "Event, or a pattern such as Booking*", "types"),
    )
    return Filters.of_request(fields, sorts=("died", "position"), default_sort="-died")


@bp.get("/dead-letters")
@requires(EVENT_OPERATE)
def dead_letters() -> str:
    """List deliveries that were given up, to retry or to dismiss one, some or all."""
    filters = _dead_filters()
    page = list_dead_letters(**filters.values, sort=filters.sort, cursor=filters.cursor)
    return render_template("administration/dead_letters.html", filters=filters, page=page)


ask_with(DISMISS, ReasonForm)


# One delivery ---------------------------------------------------------------------------------------------------------


@bp.post("/events/<uuid:event_id>/deliveries/<name>/retry")
@requires(EVENT_OPERATE)
def retry_delivery(event_id: UUID, name: str) -> Response:
    """Let one delivery run again."""
    actions.retry_delivery(event_id, name)
    flash(f"{name} is given the event again now.", "good")
    return redirect(url_for("administration.event", event_id=event_id, _anchor="deliveries"), 303)


@bp.post("/events/<uuid:event_id>/deliveries/<name>/dismiss")
@requires(EVENT_OPERATE)
def dismiss_delivery(event_id: UUID, name: str) -> Response:
    """Leave one delivery undone."""
    actions.dismiss_delivery(event_id, name, request.form.get("reason", ""))
    flash(f"{name} will not be given the event. What waited behind it goes on.", "good")
    return redirect(url_for("administration.event", event_id=event_id, _anchor="deliveries"), 303)


# Handlers -------------------------------------------------------------------------------------------------------------


@bp.get("/handlers")
@requires(EVENT_OPERATE)
def handlers() -> str:
    """List the handlers with how each keeps up."""
    return render_template("administration/handlers.html", handlers=handler_states())


@bp.get("/handlers/<name>")
@requires(EVENT_OPERATE)
def handler(name: str) -> str:
    """Show one handler: what it does, what it listens to, how it keeps up."""
    state = find_handler(name)
    if state is None:
        raise NotFound("handler")
    groups = failure_groups({state.number: state.name})
    groups = [group for group in groups if group.number == state.number]
    return render_template("administration/handler.html", state=state, declared=HANDLERS.get(name), groups=groups)


@bp.post("/handlers/<name>/pause")
@requires(EVENT_OPERATE)
def pause_handler(name: str) -> Response:
    """Let a handler's deliveries wait."""
    actions.pause_handler(name, request.form.get("reason", ""))
    flash(f"{name} is paused: its events wait until somebody resumes it.", "wait")
    return redirect(url_for("administration.handler", name=name), 303)


@bp.post("/handlers/<name>/resume")
@requires(EVENT_OPERATE)
def resume_handler(name: str) -> Response:
    """Let a paused handler go on."""
    actions.resume_handler(name)
    flash(f"{name} goes on with what waited.", "good")
    return redirect(url_for("administration.handler", name=name), 303)
