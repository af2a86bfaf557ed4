"""The timeline of any entity: as a part of its page, as a page with filters and downloads, and live.

A template shows it with one call, `{{ timeline("Booking", booking.id) }}`; nothing is needed in the view.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from flask import Blueprint, Flask, Response, jsonify, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from karokar.events.base import SUBJECT_TYPES
from karokar.events.contracts.visibility import reads_organization, sees_everything
from karokar.kernel import clock
from karokar.kernel.actor import Actor, current_actor
from karokar.kernel.db import primitive
from karokar.kernel.errors import NotFound, RuleBroken
from karokar.kernel.permissions import signed_in
from karokar.kernel.ports import ports
from karokar.kernel.settings import settings
from karokar.kernel.text.notes import texts_of
from karokar.kernel.text.references import notes_in
from karokar.outbox.reading.cursors import hide, reveal
from karokar.outbox.reading.search import FoundEvent
from karokar.outbox.reading.timeline import Timeline, entries_of, families, news, state_then, whole_story
from karokar.outbox.reading.timeline import timeline as read_timeline
from karokar.outbox.reading.timeline_query import TimelineFilter
from karokar.web.lists.exports import safe
from karokar.web.lists.filters import Choice, Day, Filters, Text, asked_moment
from karokar.web.shell import words
from karokar.web.shell.links import entity_url, look_up
from karokar.web.shell.times import NO_MOMENT, iso, local_day, to_local, viewer_zone
from karokar.web.timeline import event_presenter

bp = Blueprint("timeline", __name__, url_prefix="/timeline")

MOST_WATCHED = 50


@bp.get("/<kind>/<uuid:subject_id>")
@signed_in
def show(kind: str, subject_id: UUID) -> str:
    """Show the whole story of an entity with filters; `?as_of=` what it was then.

    `?part=1` is the list alone, `?part=newest` the one on the entity's own page, which may be empty.
    """
    subject = _subject(kind, subject_id)
    if request.args.get("part") == "newest":
        found = read_timeline(*subject, current_actor())
        return render_template("_shared/timeline_list.html", **_part(subject, found, is_filtered=False, is_first=True))
    filters = _filters()
    wanted, then = _wanted(filters), _then(subject)
    if then and then.get("at"):
        wanted = replace(wanted, until=then["at"] + timedelta(microseconds=1))
    before = _before()
    found = read_timeline(*subject, current_actor(), wanted, before=before)
    look_up([subject])
    # Its own page leads here, whether or not anything in its story is the reader's to see.
    is_nothing = not found.entries and found.next is None and not filters.is_filtered and before is None
    if is_nothing and not entity_url(*subject):
        raise NotFound("timeline")
    part = _part(subject, found, is_filtered=filters.is_filtered, is_first=before is None, then=then)
    if request.args.get("part"):
        return render_template("_shared/timeline_list.html", **part)
    return render_template(
        "web/timeline.html",
        filters=filters,
        name=_name(subject, part),
        kind_word=words.kind_in_words(kind),
        subject_url=entity_url(kind, subject_id),
        then_typed=to_local(then["at"]).isoformat(timespec="seconds") if then and then.get("at") else "",
        before=before,
        **part,
    )


@bp.get("/<kind>/<uuid:subject_id>/news")
@signed_in
def poll(kind: str, subject_id: UUID) -> Response:
    """Tell how much is new since `after`, and send shown entries (`watch=id:mark,…`) whose deliveries went on.

    204 where nothing is; the address to ask next is in `X-Live-Url`.
    """
    subject, viewer = _subject(kind, subject_id), current_actor()
    after = reveal(request.args.get("after", ""), settings().secret_keys, _reader(viewer))
    fresh = news(*subject, viewer, after, _wanted(_filters()))
    watched = _watched(request.args.get("watch", ""))
    changed = [entry for entry in entries_of(list(watched), viewer) if entry.mark != watched[entry.event.event_id]]
    address: dict[str, Any] = {**_filter_values(), "after": _hide(fresh.head, viewer)}
    url = url_for("timeline.poll", kind=kind, subject_id=subject_id, **address)
    if not fresh.count and not changed:
        return Response(status=204, headers={"X-Live-Url": url})
    answer = jsonify(
        count=fresh.count,
        isMore=fresh.is_more,
        entries=[
            {
                "id": str(line.event.event_id),
                "mark": line.entry.mark if line.entry else "",
                "isSettled": line.entry.is_settled if line.entry else True,
                "html": render_template("_shared/timeline_entry.html", line=line, subject=subject, **_rights(viewer)),
            }
            for line in event_presenter.lines(changed, viewer, subject)
        ],
    )
    answer.headers["X-Live-Url"] = url
    return answer


@bp.get("/<kind>/<uuid:subject_id>/download")
@signed_in
def download(kind: str, subject_id: UUID) -> BaseResponse:
    """Download the story as the filters show it: JSON Lines (one envelope per line), or CSV in words."""
    subject, viewer = _subject(kind, subject_id), current_actor()
    events = whole_story(*subject, viewer, _wanted(_filters()))
    format_ = "csv" if request.args.get("format") == "csv" else "jsonl"
    name = f"{kind.lower()}-{str(subject_id)[-8:]}-{to_local(clock.now()):%Y-%m-%d-%H%M}.{format_}"
    # Written while the request lasts: who is acting ends with it.
    body = "".join(_csv(events, viewer, subject) if format_ == "csv" else _json_lines(events))
    return Response(
        body,
        mimetype="text/csv" if format_ == "csv" else "application/jsonl",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def component(subject_type: str, subject_id: UUID) -> Markup:
    """Return the timeline of an entity as a part of its page: the newest events, live, with a link to the whole story.

    The page does not wait for its events: the browser asks for them as soon as it has the page. With `?as_of=` in the
    page's address the part begins with the entity as it was then.
    """
    subject = (subject_type, subject_id)
    address: dict[str, Any] = {"kind": subject_type, "subject_id": subject_id}
    then = _then(subject)
    html = render_template(
        "_shared/timeline.html",
        then=_in_words(then, event_presenter.names_for([], _fields(then)), subject_type),
        all_url=url_for("timeline.show", **address),
        newest_url=url_for("timeline.show", **address, part="newest"),
    )
    return Markup(html)  # noqa: S704 - made by a template


def init_app(app: Flask) -> None:
    """Give every template `timeline(type, id)`, and serve the pages."""
    app.register_blueprint(bp)
    app.jinja_env.globals["timeline"] = component
    app.jinja_env.globals["describe_handler"] = event_presenter.describe_handler


# Filters --------------------------------------------------------------------------------------------------------------


def _filters() -> Filters:
    viewer = current_actor()
    shows_people = viewer.organization_id is not None and reads_organization(viewer)
    people = ports().sign_in.people_of(viewer.organization_id) if shows_people and viewer.organization_id else []
    producers = {code: word for console in ports().consoles for code, word in console.producers.items()}
    known = families()
    fields = [
        Choice("kind", "About", choices=[(code, word) for code, word in producers.items() if code in known]),
        Choice(
            "actor",
            "Who",
            choices=[
                *((str(id_), name) for id_, name in people),
                ("others", "Another organization"),
                ("system", f"{event_presenter.SYSTEM_NAME} itself"),
            ],
        ),
        Day("from", "From", argument="since"),
        Day("to", "To", argument="until", is_end=True),
        Text("text", "Id or reference"),
    ]
    if sees_everything(viewer) or reads_organization(viewer):
        fields.insert(2, Choice("failed", "Deliveries", choices=[("yes", "Failed or held up")]))
    return Filters.of_request(fields)


def _filter_values() -> dict[str, str]:
    return {
        name: request.args[name] for name in ("kind", "actor", "failed", "from", "to", "text") if name in request.args
    }


def _wanted(filters: Filters) -> TimelineFilter:
    values = filters.values
    actor = values.get("actor")
    return TimelineFilter(
        event_types=families().get(values["kind"]) if values.get("kind") else None,
        actor=UUID(actor) if actor and actor not in {"others", "system"} else None,
        by=actor if actor in {"others", "system"} else None,
        since=values.get("since"),
        until=values.get("until"),
        is_failed_only=values.get("failed") == "yes",
        text=values.get("text"),
    )


# What templates are given ---------------------------------------------------------------------------------------------


def _part(
    subject: tuple[str, UUID],
    found: Timeline,
    *,
    is_filtered: bool,
    is_first: bool,
    then: dict[str, Any] | None = None,
) -> dict[str, Any]:
    kind, subject_id = subject
    viewer, values = current_actor(), _filter_values() if is_filtered else {}
    names = event_presenter.names_of(found.entries, _fields(then))
    lines = event_presenter.lines(found.entries, viewer, subject, names)
    address: dict[str, Any] = {"kind": kind, "subject_id": subject_id, **values}
    return {
        "subject": subject,
        "names": names,
        "then": _in_words(then, names, kind),
        "days": _days(lines),
        "next_url": url_for("timeline.show", **{**address, "before": _hide(found.next, viewer)})
        if found.next
        else None,
        "all_url": url_for("timeline.show", kind=kind, subject_id=subject_id),
        "download_url": url_for("timeline.download", **address),
        "part_url": url_for("timeline.show", **{**address, "part": 1}),
        # Only the first page is live: what is new belongs above it.
        "live_url": url_for("timeline.poll", **{**address, "after": _hide(found.head, viewer)}) if is_first else None,
        "is_filtered": is_filtered,
        **_rights(viewer),
    }


def _rights(viewer: Actor) -> dict[str, Any]:
    return {"sees_errors": sees_everything(viewer), "opens_events": viewer.is_platform or reads_organization(viewer)}


def _days(lines: Sequence[event_presenter.Line]) -> list[tuple[str, list[event_presenter.Line]]]:
    """Group lines by day in the organization's zone."""
    days: list[tuple[str, list[event_presenter.Line]]] = []
    zone = viewer_zone()
    for line in lines:
        day = local_day(line.event.occurred_at.astimezone(zone).date())
        if not days or days[-1][0] != day:
            days.append((day, []))
        days[-1][1].append(line)
    return days


def _then(subject: tuple[str, UUID]) -> dict[str, Any] | None:
    """Return what the template shows of the entity as it was at `?as_of=`; None where nothing was asked."""
    if not request.args.get("as_of", "").strip():
        return None
    at = asked_moment("as_of")
    if at is None:
        return {"problem": NO_MOMENT}
    state = state_then(*subject, current_actor(), at)
    if state is None:
        return {"problem": "There was nothing to see of it then.", "at": at}
    return {"at": at, "state": state, "problem": ""}


def _fields(then: dict[str, Any] | None) -> Mapping[str, Any]:
    state = then.get("state") if then else None
    return state.fields if state else {}


def _in_words(then: dict[str, Any] | None, names: words.Names, of: str) -> dict[str, Any] | None:
    state = then.get("state") if then else None
    return {**(then or {}), "rows": event_presenter.state_rows(state, names, of)} if state else then


def _name(subject: tuple[str, UUID], part: Mapping[str, Any]) -> str:
    kind, subject_id = subject
    lines = [line for _day, shown in part["days"] for line in shown]
    if kind == "Booking":
        references = (line.event.payload.get("reference") for line in lines)
        reference = next((found for found in references if found), None)
        if reference:
            return str(reference)
    names: words.Names = part["names"]
    if subject_id not in names.by_id and entity_url(*subject):
        names = words.names_by_kind({kind: {subject_id}})
    return names.of(subject_id)


def _subject(kind: str, subject_id: UUID) -> tuple[str, UUID]:
    if kind not in SUBJECT_TYPES:
        raise NotFound("timeline")
    return kind, subject_id


def _reader(viewer: Actor) -> str:
    return str(viewer.organization_id or viewer.user_id)


def _hide(position: int, viewer: Actor) -> str:
    return hide(position, settings().secret_key, _reader(viewer))


def _before() -> int | None:
    """Return below which event the page asked for begins; None for the newest, and for a place not given out here."""
    try:
        return reveal(request.args.get("before", ""), settings().secret_keys, _reader(current_actor()))
    except RuleBroken:
        return None


def _watched(text: str) -> dict[UUID, str]:
    found: dict[UUID, str] = {}
    for part in text.split(",")[:MOST_WATCHED]:
        entry_id, _, mark = part.partition(":")
        event_id = _uuid(entry_id)
        if event_id is not None:
            found[event_id] = mark
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


# Downloads ------------------------------------------------------------------------------------------------------------


def _json_lines(events: Iterator[FoundEvent]) -> Iterator[str]:
    for chunk in _in_chunks(events):
        texts = texts_of(set().union(*(notes_in(event.payload, event.changes) for event in chunk)))
        for event in chunk:
            yield _json_line(event, texts)


def _json_line(event: FoundEvent, texts: Mapping[UUID, str]) -> str:
    envelope = {
        "eventId": event.event_id,
        "eventType": event.event_type,
        "version": event.version,
        "aggregateType": event.aggregate_type,
        "aggregateId": event.aggregate_id,
        "aggregateSeq": event.aggregate_seq,
        "occurredAt": event.occurred_at,
        "payload": event.payload,
        "metadata": {
            "actorId": event.actor_id,
            "organizationId": event.organization_id,
            "correlationId": event.correlation_id,
            "causationId": event.causation_id,
            "changes": event.changes,
        },
        "notes": {one: texts[one] for one in notes_in(event.payload, event.changes) if one in texts},
    }
    return json.dumps(primitive(envelope), ensure_ascii=False) + "\n"


def _in_chunks(events: Iterator[FoundEvent]) -> Iterator[Sequence[FoundEvent]]:
    while chunk := list(islice(events, 200)):
        yield chunk


def _csv(events: Iterator[FoundEvent], viewer: Actor, subject: tuple[str, UUID]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)

    def taken() -> str:
        text = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return text

    writer.writerow(["Time", "Local time", "Who", "On behalf of", "What", "About", "Changes", "Details", "Event", "Id"])
    yield "\ufeff" + taken()
    for chunk in _in_chunks(events):
        _write_rows(writer, chunk, viewer, subject)
        yield taken()


def _write_rows(writer: Any, events: Sequence[FoundEvent], viewer: Actor, subject: tuple[str, UUID]) -> None:
    names = event_presenter.names_for(events)
    for event in events:
        line = event_presenter.line(event, viewer, names, subject)
        changes = "; ".join(
            f"{change.label}: changed"
            if change.is_personal
            else f"{change.label}: {change.before or ''} → {change.after}"
            for change in line.changes
        )
        cells = [
            iso(event.occurred_at),
            to_local(event.occurred_at).strftime("%Y-%m-%d %H:%M:%S"),
            line.who,
            line.behalf,
            line.sentence,
            ", ".join(f"{about.kind} {about.name}" for about in line.about),
            changes,
            "; ".join(f"{label}: {value}" for label, value in line.details),
            event.event_type,
            str(event.event_id),
        ]
        writer.writerow([safe(cell) for cell in cells])
