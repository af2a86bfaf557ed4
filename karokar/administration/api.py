"""Events for programs: `/v1/events`, `/v1/events/{id}` and `/v1/notes/{id}`, in JSON, with a bearer token.

A page begins at the oldest event (`order=desc`: the newest) that the token's organization may see. `next` leads past
everything that the page looked at, even where the reader may see none of it or nothing is there yet, so that a program
which keeps it and asks again misses nothing and gets nothing twice; `previous` leads the other way. `hasMore` says
whether there is more to read at once.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from flask import Blueprint, make_response, request
from werkzeug.wrappers import Response

from karokar.administration.permissions import EVENT_READ
from karokar.events.base import SUBJECT_TYPES
from karokar.events.contracts.names import check_aggregate_type, names_matching
from karokar.events.contracts.visibility import sees_everything
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import NotFound, RuleBroken
from karokar.kernel.permissions import requires
from karokar.kernel.settings import settings
from karokar.kernel.text.nearest import UnknownName
from karokar.kernel.text.notes import find_note
from karokar.kernel.text.references import notes_in
from karokar.outbox.reading import cursors
from karokar.outbox.reading.deliveries import Delivery, deliveries
from karokar.outbox.reading.search import (
    LARGEST_PAGE,
    PAGE,
    EventFilter,
    EventPage,
    FoundEvent,
    find_event,
    list_events,
)

T = TypeVar("T")

bp = Blueprint("administration_api", __name__)

_FILTERS = ("aggregateType", "aggregateId", "subjectType", "subjectId", "type", "since", "until", "correlationId")
_OTHERS = ("cursor", "limit", "order")


@bp.get("/events")
@requires(EVENT_READ)
def list_() -> Response:
    """Return a page of events, oldest first: see the module's docstring."""
    _refuse_unknown()
    wanted = EventFilter(
        aggregate_type=_read("aggregateType", check_aggregate_type, "a kind of thing"),
        aggregate_id=_read("aggregateId", UUID, "an id"),
        subject_type=_subject_type(),
        subject_id=_read("subjectId", UUID, "an id"),
        types=_read("type", _event_names, "a name or a pattern"),
        since=_read("since", _moment, "a time with its zone, such as 2026-11-20T09:00:00Z"),
        until=_read("until", _moment, "a time with its zone, such as 2026-11-20T09:00:00Z"),
        correlation_id=_read("correlationId", UUID, "an id"),
    )
    limit = _read("limit", _limit, f"a whole number from 1 to {LARGEST_PAGE}") or PAGE
    is_newest_first = _read("order", _is_descending, "asc or desc") or False
    place: tuple[int | None, int | None] = (None, None)
    if "cursor" in request.args:
        place = cursors.reveal_place(request.args["cursor"], settings().secret_keys, _reader())
    page = list_events(
        wanted, current_actor(), after=place[0], before=place[1], limit=limit, is_newest_first=is_newest_first
    )
    reports = _deliveries([found.position for found in page.rows if found.position is not None])
    body = {
        "data": [_as_json(found, reports) for found in page.rows],
        **_links(page, place, is_newest_first=is_newest_first),
        "hasMore": page.has_more,
    }
    return _answer(body)


@bp.get("/events/<uuid:event_id>")
@requires(EVENT_READ)
def show(event_id: UUID) -> Response:
    """Return one event."""
    found = find_event(event_id, current_actor())
    return _answer(_as_json(found, _deliveries([found.position] if found.position is not None else [])))


@bp.get("/notes/<uuid:note_id>")
@requires(EVENT_READ)
def note(note_id: UUID) -> Response:
    """Return the text that an event refers to, to whoever may see the reference; null once it has been erased."""
    found = find_note(note_id)
    if found is None:
        raise NotFound("note")
    told = find_event(found.event_id, current_actor())
    if note_id not in notes_in(told.payload, told.changes):
        raise NotFound("note")
    return _answer({"noteId": found.id, "text": found.text, "writtenAt": found.written_at, "eventId": found.event_id})


# What was asked -------------------------------------------------------------------------------------------------------


def _refuse_unknown() -> None:
    known = (*_FILTERS, *_OTHERS)
    for name, values in request.args.lists():
        if name not in known:
            raise RuleBroken("UNKNOWN_PARAMETER", f"{UnknownName('parameter', name, known)} Known: {', '.join(known)}.")
        if len(values) > 1:
            raise RuleBroken("INVALID_PARAMETER", f"{name} was given {len(values)} times: give it once.")


def _read(name: str, parse: Callable[[str], T], expected: str) -> T | None:
    raw = request.args.get(name)
    if raw is None:
        return None
    try:
        return parse(raw)
    except UnknownName as error:
        raise RuleBroken("INVALID_PARAMETER", str(error)) from None
    except ValueError:
        raise RuleBroken("INVALID_PARAMETER", f"{name} has to be {expected}.") from None


def _moment(raw: str) -> datetime:
    moment = datetime.fromisoformat(raw)
    # A year is left free at either end of the calendar, so that no zone shifts a moment out of it.
    if moment.tzinfo is None or not 1 < moment.year < 9999:
        raise ValueError
    return moment.astimezone(UTC)


def _event_names(raw: str) -> str:
    names_matching(raw)
    return raw


def _limit(raw: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", raw) or not 1 <= int(raw) <= LARGEST_PAGE:
        raise ValueError
    return int(raw)


def _is_descending(raw: str) -> bool:
    if raw not in {"asc", "desc"}:
        raise ValueError
    return raw == "desc"


def _subject_type() -> str | None:
    asked = request.args.get("subjectType")
    if (asked is None) != ("subjectId" not in request.args):
        raise RuleBroken("INVALID_PARAMETER", "subjectType and subjectId go together: give both.")
    if asked is not None and asked not in SUBJECT_TYPES:
        raise RuleBroken("INVALID_PARAMETER", str(UnknownName("subjectType", asked, SUBJECT_TYPES)))
    return asked


def _reader() -> str:
    return str(current_actor().organization_id)


# What is answered -----------------------------------------------------------------------------------------------------


def _links(page: EventPage, asked: tuple[int | None, int | None], *, is_newest_first: bool) -> dict[str, str | None]:
    """Return the cursors on both sides of what the page looked at, whether or not it found anything there."""
    after, before = asked
    first, last = page.first, page.last
    if first is None or last is None:
        # Nothing lies on the far side of the place that was asked for, or anywhere: the next event comes after it.
        first = before if after is None else after + 1
        last = after if before is None else before - 1
    up = _cursor(last or 0, reads_up=True)
    down = _cursor(first, reads_up=False) if first is not None else None
    return {"next": down, "previous": up} if is_newest_first else {"next": up, "previous": down}


def _cursor(position: int, *, reads_up: bool) -> str:
    return cursors.hide_place(position, settings().secret_key, _reader(), reads_up=reads_up)


def _deliveries(positions: list[int]) -> dict[int, list[Delivery]] | None:
    return deliveries(positions) if sees_everything(current_actor()) else None


def _as_json(found: FoundEvent, reports: dict[int, list[Delivery]] | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "eventId": found.event_id,
        "eventType": found.event_type,
        "version": found.version,
        "aggregateType": found.aggregate_type,
        "aggregateId": found.aggregate_id,
        "occurredAt": found.occurred_at,
        "payload": found.payload,
        "metadata": {
            "actorId": found.actor_id,
            "organizationId": found.organization_id,
            "correlationId": found.correlation_id,
            "causationId": found.causation_id,
            "sourceModule": found.source_module,
            "changes": found.changes,
        },
        "subjects": [{"type": kind, "id": entity_id} for kind, entity_id in found.subjects],
    }
    if reports is not None:
        body["aggregateSeq"] = found.aggregate_seq
        body["position"] = found.position
        body["metadata"]["traceparent"] = found.metadata.get("traceparent")
        body["deliveries"] = [_delivery_as_json(one) for one in reports.get(found.position or 0, [])]
    return body


def _delivery_as_json(delivery: Delivery) -> dict[str, Any]:
    return {
        "handler": delivery.handler,
        "state": delivery.state,
        "deliveredAt": delivery.delivered_at,
        "attempts": delivery.attempts,
        "error": delivery.error,
    }


def _answer(body: dict[str, Any]) -> Response:
    response = make_response(msgspec.json.encode(body), 200, {"Content-Type": "application/json"})
    response.add_etag()
    response.vary.add("Authorization")
    return response.make_conditional(request)
