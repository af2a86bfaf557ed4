"""Pages of messages: the inbox, what people choose to get, and the mails that were sent or kept."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from karokar.identity import facts as identity
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.permissions import requires, scope_of, signed_in
from karokar.kernel.settings import settings
from karokar.notification import actions, queries
from karokar.notification.permissions import MAIL_READ, NOTIFICATION_READ
from karokar.notification.rules.matrix import KINDS, Kind, kinds_for
from karokar.organization import facts as organizations
from karokar.web.lists.filters import Choice, Day, Filters
from karokar.web.shell.links import entity_url, look_up
from karokar.web.shell.states import state_choices

bp = Blueprint("notification", __name__)

_KINDS = tuple((kind.code, kind.label) for kind in KINDS.values())
_MESSAGE_FILTERS = (
    Choice("unread", "Show", choices=(("yes", "Unread only"),)),
    Choice("kind", "Kind", choices=_KINDS),
)
_MAIL_FILTERS = (
    Choice("state", "State", choices=tuple(state_choices("mail"))),
    Choice("kind", "Kind", choices=_KINDS),
    Day("from", "From", argument="since"),
    Day("to", "To", argument="until", is_end=True),
)


@bp.get("/")
@requires(NOTIFICATION_READ)
def index() -> str:
    """Show the acting person's messages, newest first."""
    actor = current_actor()
    filters = Filters.of_request(_MESSAGE_FILTERS)
    page = queries.list_messages(**filters.values, cursor=filters.cursor)
    names = actions.names_of(message.data for message in page.rows)
    lines = [(one, actions.words_of(one.template, one.data, names, actor.time_zone)) for one in page.rows]
    elsewhere = queries.count_unread_elsewhere(actor)
    return render_template(
        "notification/index.html",
        page=page,
        lines=lines,
        filters=filters,
        kinds=KINDS,
        unread=queries.count_unread(actor),
        elsewhere=[(one.name, elsewhere[one.id]) for one in organizations.organizations(elsewhere).values()],
    )


@bp.get("/count")
@requires(NOTIFICATION_READ)
def count() -> Response:
    """Return the number at the bell as a part of the page; 204 while it is what the page shows."""
    unread = queries.count_unread(current_actor())
    if request.args.get("seen") == str(unread):
        return Response(status=204)
    answer = make_response(render_template("notification/_count.html", unread=unread))
    answer.headers["X-Live-Url"] = url_for("notification.count", seen=unread)
    return answer


@bp.get("/<uuid:notification_id>")
@signed_in
def show(notification_id: UUID) -> Any:
    """Open what a message is about, and mark it read; for another organization's, offer to act for that one."""
    message = queries.get_message(notification_id)
    actor = current_actor()
    if message.organization_id is not None and message.organization_id != actor.organization_id:
        facts = organizations.organizations([message.organization_id])
        name = next((one.name for one in facts.values()), "another organization")
        return render_template("notification/elsewhere.html", message=message, name=name)
    actions.mark_read(notification_id)
    url = None
    if message.subject_type and message.subject_id:
        look_up([(message.subject_type, message.subject_id)])
        url = entity_url(message.subject_type, message.subject_id)
    return redirect(url or url_for("notification.index"), 303)


@bp.post("/<uuid:notification_id>/read")
@requires(NOTIFICATION_READ)
def mark_read(notification_id: UUID) -> Response:
    """Mark one message read."""
    actions.mark_read(notification_id)
    return redirect(url_for("notification.index"), 303)


@bp.post("/read")
@requires(NOTIFICATION_READ)
def mark_all_read() -> Response:
    """Mark every message read."""
    count_read = actions.mark_all_read()
    flash(f"{count_read} marked as read." if count_read else "Everything was read already.", "good")
    return redirect(url_for("notification.index"), 303)


@bp.get("/preferences")
@signed_in
def preferences() -> str:
    """Show which kinds of message reach the person on which channel."""
    actor = current_actor()
    choices = queries.list_choices(actor.user_id) if actor.user_id else []
    table = {(choice.kind, choice.channel): choice for choice in choices}
    return render_template("notification/preferences.html", kinds=_own_kinds(), table=table)


def _own_kinds() -> Sequence[Kind]:
    """The kinds that the person may get; all of them for who acts for several organizations in turn."""
    actor = current_actor()
    if actor.user_id is None or len(identity.list_memberships_of(actor.user_id)) != 1:
        return tuple(KINDS.values())
    return kinds_for(actor.permissions)


@bp.post("/preferences")
@signed_in
def save_preferences() -> Response:
    """Keep what the person chose: an unchecked box turns its kind off on its channel."""
    chosen = set(request.form.getlist("on"))
    shown = request.form.getlist("shown")
    wanted = {}
    for entry in shown:
        kind, _, channel = entry.partition(":")
        wanted[kind, channel] = entry in chosen
    actions.choose(wanted)
    flash("Your choice is kept. It holds from the next event on.", "good")
    return redirect(url_for("notification.preferences"), 303)


@bp.get("/mail")
@requires(MAIL_READ)
def mail() -> str:
    """List the mails that were sent, are on their way, or are kept because there is no mail server."""
    filters = Filters.of_request(_MAIL_FILTERS)
    page = queries.list_mails(**filters.values, cursor=filters.cursor)
    names = actions.names_of(row.data for row in page.rows)
    people = identity.people(row.recipient_id for row in page.rows)
    zone = current_actor().time_zone
    lines = [
        (row, people.get(row.recipient_id), actions.words_of(row.template, row.data, names, zone)) for row in page.rows
    ]
    return render_template(
        "notification/mail.html",
        page=page,
        lines=lines,
        filters=filters,
        kinds=KINDS,
        is_kept=settings().smtp_url is None,
        may_decide=_may_decide(),
    )


@bp.get("/mail/<uuid:mail_id>")
@requires(MAIL_READ)
def show_mail(mail_id: UUID) -> str:
    """Show a mail as it reads, without its signed links unless the example data is loaded."""
    found = queries.get_mail(mail_id)
    rendered = actions.render_mail(
        found.notification_id,
        found.recipient_id,
        found.kind,
        found.template,
        found.data,
        with_links=settings().demo and identity.may_touch(found.recipient_id),
    )
    return render_template(
        "notification/show_mail.html", mail=found, rendered=rendered, kinds=KINDS, may_decide=_may_decide()
    )


@bp.post("/mail/<uuid:mail_id>/send-again")
@requires(MAIL_READ)
def send_again(mail_id: UUID) -> Response:
    """Have a mail tried again."""
    actions.send_again(mail_id)
    flash("The mail is due again.", "good")
    return redirect(url_for("notification.show_mail", mail_id=mail_id), 303)


@bp.post("/mail/<uuid:mail_id>/arrived")
@requires(MAIL_READ)
def settle_as_arrived(mail_id: UUID) -> Response:
    """Note that a mail of unknown outcome arrived."""
    actions.settle_as_arrived(mail_id)
    flash("Noted: the mail arrived.", "good")
    return redirect(url_for("notification.show_mail", mail_id=mail_id), 303)


@bp.post("/mail/<uuid:mail_id>/let-go")
@requires(MAIL_READ)
def let_go(mail_id: UUID) -> Response:
    """Leave a mail unsent for good."""
    actions.let_go(mail_id)
    flash("The mail stays unsent.", "good")
    return redirect(url_for("notification.show_mail", mail_id=mail_id), 303)


def _may_decide() -> bool:
    return scope_of(MAIL_READ) in {Scope.ALL, Scope.OWN}
