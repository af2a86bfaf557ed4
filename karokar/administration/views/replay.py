"""Replay: say what, see what it means for each handler, try it, then start it and watch it as a run."""

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from karokar.administration import actions
from karokar.administration.permissions import EVENT_OPERATE
from karokar.administration.views.blueprint import bp
from karokar.administration.views.events import EventNames, Id
from karokar.events.base import LATEST
from karokar.kernel.errors import RuleBroken
from karokar.kernel.permissions import requires
from karokar.outbox.monitoring.overview import handler_names
from karokar.outbox.operations.replay import DELIVERIES_A_SECOND, JUDGED_FROM, STOPS_OVER_PERCENT
from karokar.outbox.operations.replay_plan import Wanted, digest_of_plan, make_plan
from karokar.runs.queries import list_runs
from karokar.web.lists.filters import Choice, Day, Filters


def _filters() -> Filters:
    names = sorted(set(handler_names().values()))
    aggregates = sorted({class_.aggregate_type for class_ in LATEST.values()} - {"System"})
    return Filters.of_request(
        (
            Choice("handler", "Handler", choices=tuple((name, name) for name in names)),
            EventNames("type", "Event, or a pattern such as Booking*", "types"),
            Choice("about", "About", "aggregate_type", choices=tuple((name, name) for name in aggregates)),
            Id("id", "Its id", "aggregate_id"),
            Day("from", "From", "since"),
            Day("to", "To", "until", is_end=True),
            Choice("only", "Only", "is_dead_only", choices=(("dead", "Dead letters"),)),
        )
    )


def _wanted(filters: Filters) -> Wanted:
    values = dict(filters.values)
    return Wanted(**{**values, "is_dead_only": values["is_dead_only"] == "dead"})


@bp.get("/replays")
@requires(EVENT_OPERATE)
def replays() -> str:
    """Ask what is to be delivered again; once asked, show what that means. Lists earlier replays."""
    filters = _filters()
    plan = make_plan(_wanted(filters)) if filters.is_filtered and not filters.problems else None
    return render_template(
        "administration/replays.html",
        filters=filters,
        plan=plan,
        expected=digest_of_plan(plan.wanted) if plan else "",
        runs=list_runs(kind="event.replay"),
        tries=list_runs(kind="event.replay_try"),
        rate=DELIVERIES_A_SECOND,
        stops_over_percent=STOPS_OVER_PERCENT,
        judged_from=JUDGED_FROM,
    )


@bp.post("/replays")
@requires(EVENT_OPERATE)
def start_replay() -> Response:
    """Start the replay that was planned, or try it; asks again where the plan is no longer the one that was seen."""
    filters = _filters()
    filters.refuse_problems()
    if not filters.is_filtered:
        raise RuleBroken("NOTHING_SELECTED", "Say what is to be delivered again: fill in at least one field.")
    is_try = request.form.get("try") == "yes"
    run_id = actions.start_replay(
        _wanted(filters),
        expected=request.form.get("expected", ""),
        is_try=is_try,
        with_mails=request.form.get("with_mails") == "yes",
        rate=_number("rate", DELIVERIES_A_SECOND),
        stops_over_percent=_number("stops_over_percent", STOPS_OVER_PERCENT),
    )
    flash("It is tried stream by stream, and taken back." if is_try else "The replay has begun.", "good")
    return redirect(url_for("runs.show", run_id=run_id), 303)


def _number(name: str, default: int) -> int:
    """Return a whole number of the form; what is none is refused where it is used."""
    text = request.form.get(name, "").strip()
    return int(text) if text.isdecimal() else -1 if text else default
