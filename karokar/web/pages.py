"""Pages that belong to no context: home, search, display and keyboard, health."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from karokar.kernel.actor import current_actor
from karokar.kernel.fairness.limits import SEARCHES_OF_PERSON
from karokar.kernel.permissions import public, requires, signed_in
from karokar.kernel.ports import ports
from karokar.outbox.monitoring.metrics import CONTENT_TYPE, exposition
from karokar.web import health
from karokar.web.lists import saved_views
from karokar.web.requests.limits import spend
from karokar.web.requests.session_end import local_path, second_factor_missing, sign_in_url
from karokar.web.responses.cookies import set_cookie
from karokar.web.shell import snooze
from karokar.web.shell.home import (
    find_hits,
    group_waiting,
    hit_url,
    list_figures,
    list_parts,
    list_waiting,
    names_of_waiting,
)
from karokar.web.shell.navigation import navigation
from karokar.web.shell.shell import THEMES, current_shell
from karokar.web.shell.times import local_time

bp = Blueprint("web", __name__)


@bp.get("/")
@public
def home() -> Any:
    """Show what waits for the acting person; whoever is not signed in is sent to sign in."""
    actor = current_actor()
    if actor.user_id is None:
        return redirect(sign_in_url(), 303)
    if actor.lacks_second_factor:
        return second_factor_missing()
    noted = snooze.note(list_waiting(actor), actor)
    shown, aside = snooze.split(noted)
    return render_template(
        "web/home.html",
        groups=group_waiting(shown),
        parts=list_parts(),
        is_due=snooze.is_due,
        count=len(shown),
        aside=aside,
        names=names_of_waiting(noted),
        hit_url=hit_url,
    )


@bp.post("/waiting")
@signed_in
def note_waiting() -> Response:
    """Note something beside a thing that waits: put it aside or bring it back, be at it or let it go."""
    key, deed = request.form.get("item", ""), request.form.get("do", "")
    item = next((item for item in list_waiting(current_actor()) if snooze.key_of(item) == key), None)
    if item is None:
        flash("That waits for you no more.", "info")
    elif deed == "aside":
        until = snooze.put_aside(item, request.form.get("until", "day"))
        flash(f"Put aside until {local_time(until)}. You find it below the list.", "good")
    elif deed == "claim":
        snooze.be_at_it(item)
        flash("Your colleagues see for half an hour that you are at it.", "good")
    elif deed == "back":
        snooze.bring_back(item)
    elif deed == "release":
        snooze.let_go(item)
    return redirect(url_for("web.home"), 303)


@bp.after_app_request
def stay_at_home(response: Response) -> Response:
    """Lead whoever acted from home back to it."""
    is_done = request.method == "POST" and response.status_code == 303 and current_actor().user_id is not None
    if is_done and request.form.get("then") == "home":
        response.location = url_for("web.home")
    return response


@bp.get("/figures")
@signed_in
def figures() -> str:
    """Show how things stand in numbers: as a page, or as the part of home that comes after it."""
    template = "web/_figures.html" if request.headers.get("HX-Request") else "web/figures.html"
    return render_template(template, figures=list_figures(current_actor()), hit_url=hit_url)


@bp.get("/search")
@signed_in
def search() -> str:
    """Find a plate, a booking, a person, an organization, an event, or a page: as a page, or as the palette's list."""
    spend(SEARCHES_OF_PERSON)
    text = request.args.get("q", "")[:100]
    hits = find_hits(current_actor(), text)
    template = "web/_hits.html" if request.args.get("part") else "web/search.html"
    return render_template(template, hits=hits, text=text, hit_url=hit_url)


@bp.get("/views")
@signed_in
def views() -> str:
    """List the saved views that the person may use, to share or remove their own."""
    return render_template("web/views.html", views=saved_views.list_all())


@bp.post("/views")
@signed_in
def save_view() -> Response:
    """Keep the filters of a list under a name, and go back to the list."""
    endpoint, query = request.form.get("endpoint", ""), request.form.get("query", "")
    saved_views.save(endpoint, request.form.get("name", ""), query, is_shared=request.form.get("shared") == "y")
    flash("The view is kept above the list.", "success")
    return redirect(local_path(request.form.get("next")) or url_for("web.views"), 303)


@bp.post("/views/<uuid:view_id>/share")
@signed_in
def share_view(view_id: UUID) -> Response:
    """Share one's view with the organization, or keep it to oneself again."""
    saved_views.share(view_id, is_shared=request.form.get("shared") == "y")
    return redirect(url_for("web.views"), 303)


@bp.post("/views/<uuid:view_id>/rename")
@signed_in
def rename_view(view_id: UUID) -> Response:
    """Give one's view another name."""
    saved_views.rename(view_id, request.form.get("name", ""))
    flash("The view is renamed.", "success")
    return redirect(url_for("web.views"), 303)


@bp.post("/views/<uuid:view_id>/default")
@signed_in
def default_view(view_id: UUID) -> Response:
    """Let the list open with this view, or with everything again."""
    is_default = request.form.get("default") == "y"
    saved_views.make_default(view_id, is_default=is_default)
    flash("The list opens with this view." if is_default else "The list opens with everything again.", "success")
    return redirect(local_path(request.form.get("next")) or url_for("web.views"), 303)


@bp.post("/views/<uuid:view_id>/remove")
@signed_in
def remove_view(view_id: UUID) -> Response:
    """Remove one's view."""
    saved_views.remove(view_id)
    flash("The view is removed.", "success")
    return redirect(url_for("web.views"), 303)


@bp.get("/keys")
@signed_in
def keys() -> str:
    """Show the keyboard map, and switch single keys on or off."""
    return render_template("web/keys.html", links=[link for group in navigation() for link in group.links if link.key])


@bp.post("/keys")
@signed_in
def set_keys() -> Response:
    """Switch single-key shortcuts on or off, in this browser."""
    value = "on" if request.form.get("keys") == "on" else "off"
    return _with_cookie(redirect(url_for("web.keys"), 303), "kk_keys", value)


@bp.post("/theme")
@public
def set_theme() -> Response:
    """Choose light, dark or the device's theme, in this browser."""
    theme = request.form.get("theme", "auto")
    back = local_path(request.form.get("next")) or url_for("web.home")
    return _with_cookie(redirect(back, 303), "kk_theme", theme if theme in THEMES else "auto")


def _with_cookie(response: Response, name: str, value: str) -> Response:
    set_cookie(response, name, value)
    return response


@bp.get("/signed-in-again")
@signed_in
def signed_in_again() -> str:
    """Tell somebody who signed in in a second tab to go back to the first one, where the form waits."""
    return render_template("web/signed_in_again.html", name=current_shell().person_name)


@bp.get("/healthz")
@public
def healthz() -> Response:
    """Answer that this process is alive; it touches nothing else."""
    return make_response({"status": "ok"}, 200)


@bp.get("/readyz")
@public
def readyz() -> Response:
    """Answer whether this process can serve: database reachable, migrations current, Redis there if it is needed."""
    checks = health.readiness()
    is_ready = all(check.is_ok for check in checks)
    body = {"status": "ready" if is_ready else "not ready", "checks": {check.name: check.sentence for check in checks}}
    return make_response(body, 200 if is_ready else 503)


@bp.get("/metrics")
@requires("event.operate")
def metrics() -> Response:
    """Answer with the engine's figures in Prometheus' format, to a bearer token of somebody who operates it."""
    others = [family for console in ports().consoles if console.metrics is not None for family in console.metrics()]
    return make_response(exposition(others), 200, {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})
