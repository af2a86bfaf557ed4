"""Events: searching all that one may see, one event in full, and what led to what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import make_response, render_template, request
from werkzeug.wrappers import Response

from karokar.administration.permissions import EVENT_READ
from karokar.administration.views.blueprint import bp
from karokar.administration.views.presenter import (
    changes_in_words,
    envelope_as_text,
    field_in_words,
    kind_in_words,
    names_for,
)
from karokar.events.base import LATEST
from karokar.events.contracts.names import names_matching
from karokar.events.contracts.schema import contract_of
from karokar.events.contracts.visibility import sees_everything
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import requires
from karokar.kernel.settings import settings
from karokar.outbox.reading import cursors
from karokar.outbox.reading.causes import CauseTree, cause_tree
from karokar.outbox.reading.deliveries import Delivery, deliveries
from karokar.outbox.reading.search import EventFilter, EventPage, find_at, find_event, list_events
from karokar.web.lists.filters import Choice, Day, Field, Filters
from karokar.web.shell.links import look_up, page_url


@dataclass(frozen=True)
class Id(Field):
    """A whole id."""

    def read(self, raw: str) -> Any:
        """Return the id."""
        try:
            return UUID(raw)
        except ValueError:
            message = "Paste a whole id."
            raise ValueError(message) from None


@dataclass(frozen=True)
class EventNames(Field):
    """Names and patterns of events, separated by commas."""

    def read(self, raw: str) -> Any:
        """Return the text, in which every part stands for at least one event."""
        names_matching(raw)
        return raw


FILTERS = (
    EventNames("type", "Event, or a pattern such as Booking*", "types"),
    Id("id", "Id of anything in it", "any_id"),
    Day("from", "From", "since"),
    Day("to", "To", "until", is_end=True),
)
OPERATOR_FILTERS = (*FILTERS, Choice("trouble", "Delivery", "trouble", choices=(("open", "In trouble"),)))
PAGE = 25


@bp.get("/events")
@requires(EVENT_READ)
def events() -> str:
    """List the events that the person may see, newest first."""
    viewer = current_actor()
    filters, wanted = _asked()
    page = _page(wanted, PAGE)
    names = names_for(page.rows)
    look_up(thing for found in page.rows for thing in found.subjects)
    is_operator = sees_everything(viewer)
    positions = [found.position for found in page.rows if found.position is not None]
    return render_template(
        "administration/events.html",
        filters=filters,
        page=page,
        names=names,
        older=_cursor(page.first, reads_up=False) if page.first and _has_older(page) else None,
        newer=_cursor(page.last, reads_up=True) if page.last and _has_newer(page) else None,
        live_url=_live_url(page) if "cursor" not in request.args else None,
        deliveries=deliveries(positions) if is_operator else {},
        is_operator=is_operator,
        kind_in_words=kind_in_words,
    )


@bp.get("/events/new")
@requires(EVENT_READ)
def events_since() -> Response:
    """Answer whether there is anything newer than the list that is open: 204 for nothing.

    A look may end among events that are hidden from the reader: `X-Live-Url` is where the next one goes on.
    """
    _filters, wanted = _asked()
    after, _before = cursors.reveal_place(request.args.get("at", ""), settings().secret_keys, _reader())
    page = list_events(wanted, current_actor(), after=after or 0, limit=1)
    if page.rows:
        return make_response("new", 200)
    answer = make_response("", 204)
    if page.last is not None:
        answer.headers["X-Live-Url"] = _live_url(page)
    return answer


@bp.get("/events/<uuid:event_id>")
@requires(EVENT_READ)
def event(event_id: UUID) -> str:
    """Show one event in full: words, changes, payload, deliveries, what it belongs to."""
    viewer = current_actor()
    found = find_event(event_id, viewer)
    tree = cause_tree(found.correlation_id, viewer)
    reports: Sequence[Delivery] = ()
    if sees_everything(viewer) and found.position is not None:
        reports = deliveries([found.position]).get(found.position, [])
    blockers = find_at([one.blocked_by for one in reports if one.blocked_by is not None], viewer) if reports else {}
    names = names_for([found, *(node.event for node in tree.nodes)])
    look_up(found.subjects)
    class_ = LATEST.get(found.event_type)
    return render_template(
        "administration/event.html",
        found=found,
        names=names,
        changes=changes_in_words(found, names),
        envelope=envelope_as_text(found),
        tree=tree,
        deliveries=reports,
        blockers=blockers,
        contract=contract_of(class_) if class_ is not None else None,
        is_operator=sees_everything(viewer),
        field_in_words=field_in_words,
        kind_in_words=kind_in_words,
    )


@bp.get("/events/causes/<uuid:correlation_id>")
@requires(EVENT_READ)
def causes(correlation_id: UUID) -> str:
    """Show all that one request, job or tick set off, as a tree and as a table."""
    viewer = current_actor()
    tree = cause_tree(correlation_id, viewer)
    if not tree.nodes:
        raise NotFound("chain of events")
    names = names_for([node.event for node in tree.nodes])
    positions = [node.event.position for node in tree.nodes if node.event.position is not None]
    reports = deliveries(positions) if sees_everything(viewer) else {}
    return render_template(
        "administration/causes.html",
        tree=tree,
        names=names,
        deliveries=reports,
        took=took(tree),
        is_operator=sees_everything(viewer),
    )


def took(tree: CauseTree) -> dict[UUID, float]:
    """Return the milliseconds from each event's cause to the event."""
    found = {}
    for root in tree.roots:
        for node in root.walk():
            for child in node.children:
                passed = child.event.occurred_at - node.event.occurred_at
                found[child.event.event_id] = passed.total_seconds() * 1000
    return found


# What was asked -------------------------------------------------------------------------------------------------------


def _asked() -> tuple[Filters, EventFilter]:
    fields = OPERATOR_FILTERS if sees_everything(current_actor()) else FILTERS
    filters = Filters.of_request(fields)
    values = dict(filters.values)
    is_in_trouble = values.pop("trouble", None) == "open"
    return filters, EventFilter(**values, is_in_trouble=is_in_trouble)


def _page(wanted: EventFilter, limit: int) -> EventPage:
    after = before = None
    if request.args.get("cursor"):
        after, before = cursors.reveal_place(request.args["cursor"], settings().secret_keys, _reader())
    return list_events(wanted, current_actor(), after=after, before=before, limit=limit)


def _reads_up() -> bool:
    if not request.args.get("cursor"):
        return False
    return cursors.reveal_place(request.args["cursor"], settings().secret_keys, _reader())[0] is not None


def _has_older(page: EventPage) -> bool:
    return page.has_more or _reads_up()


def _has_newer(page: EventPage) -> bool:
    return page.has_more if _reads_up() else bool(request.args.get("cursor"))


def _live_url(page: EventPage) -> str:
    return page_url(_endpoint="administration.events_since", at=_cursor(page.last or 0, reads_up=True))


def _cursor(position: int, *, reads_up: bool) -> str:
    return cursors.hide_place(position, settings().secret_key, _reader(), reads_up=reads_up)


def _reader() -> str:
    return str(current_actor().organization_id)
