"""The audit log's page, and its downloads."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, render_template
from werkzeug.wrappers import Response as BaseResponse

from karokar.audit import actions, queries
from karokar.audit.permissions import AUDIT_EXPORT, AUDIT_READ
from karokar.audit.queries import Record
from karokar.events.base import LATEST, SUBJECT_TYPES
from karokar.kernel.actor import current_actor
from karokar.kernel.db import primitive
from karokar.kernel.pages.paging import Page
from karokar.kernel.permissions import requires
from karokar.runs.views.exports import ListExport
from karokar.web.lists.exports import Column
from karokar.web.lists.filters import Choice, Day, Filters, Text
from karokar.web.shell.links import look_up
from karokar.web.shell.words import Names, as_uuid, is_empty, kind_in_words, label, name_of, names_by_kind, show
from karokar.web.timeline.event_presenter import KIND_OF_FIELD, NOT_SHOWN

bp = Blueprint("audit", __name__)


def _kind_in_words(kind: str) -> str:
    said = kind_in_words(kind)
    return said[:1].upper() + said[1:]


def _filters(args: Mapping[str, str] | None = None) -> Filters:
    producers = sorted({class_.producer for class_ in LATEST.values()})
    return Filters.of_request(
        (
            Choice("producer", "Area", choices=[(name, name.capitalize()) for name in producers]),
            Choice("event_type", "Kind", choices=[(name, name) for name in sorted(LATEST)]),
            Choice("entity_type", "Thing", choices=[(name, _kind_in_words(name)) for name in SUBJECT_TYPES]),
            Text("entity", "Id of the thing"),
            Text("actor", "Id of the person"),
            Day("from", "From", argument="since"),
            Day("to", "To", argument="until", is_end=True),
        ),
        args=args,
    )


@bp.get("/")
@requires(AUDIT_READ)
def index() -> str:
    """Search the records, newest first."""
    filters = _filters()
    page = queries.list_records(**filters.values, cursor=filters.cursor)
    names = _names(page.rows)
    look_up((record.entity_type, record.entity_id) for record in page.rows)
    return render_template(
        "audit/index.html",
        page=page,
        filters=filters,
        status=queries.chain_status(),
        is_platform=current_actor().is_platform,
        names=names,
        changes={record.event_id: _changes(record, names) for record in page.rows},
        name_of=name_of,
        kind_in_words=_kind_in_words,
    )


@bp.get("/export")
@requires(AUDIT_EXPORT)
def download() -> BaseResponse:
    """Download what the filters show, as CSV, Excel or JSON Lines; a long one is made by a run. That it was taken is
    recorded.
    """
    return RECORDS.answer()


def _page(filters: Filters, cursor: str | None, size: int) -> Page[Record]:
    return queries.list_records(**filters.values, cursor=cursor, size=size, counted=False)


def _count(filters: Filters, limit: int) -> int:
    return queries.count_records(**filters.values, limit=limit)


_IDS = frozenset({"entity", "actor"})


def _note(format_: str, count: int, filters: Filters) -> None:
    # An id is typed or pasted: what is none may be anything, a person's name for instance, and an event is for ever.
    chosen = {name: raw for name, raw in filters.raw.items() if name not in _IDS or as_uuid(raw)}
    actions.record_export("audit log", format_, count, chosen)


_COLUMNS = (
    Column("Position", lambda record: record.position),
    Column("Time", lambda record: record.occurred_at),
    Column("Event", lambda record: record.event_type),
    Column("What", lambda record: record.summary),
    Column("Thing", lambda record: record.entity_type),
    Column("Id of the thing", lambda record: record.entity_id),
    Column("Person", lambda record: record.actor_id),
    Column("On behalf of", lambda record: record.organization_id),
    Column("Changes", lambda record: json.dumps(record.changes, ensure_ascii=False, sort_keys=True)),
    Column("Notes", lambda record: "; ".join(record.notes.values())),
    Column("Event id", lambda record: record.event_id),
)


def _json_line(record: Record) -> str:
    line: dict[str, Any] = {
        "position": record.position,
        "eventId": record.event_id,
        "eventType": record.event_type,
        "entityType": record.entity_type,
        "entityId": record.entity_id,
        "actorId": record.actor_id,
        "organizationId": record.organization_id,
        "occurredAt": record.occurred_at,
        "summary": record.summary,
        "payload": record.payload,
        "changes": record.changes,
        "notes": record.notes,
    }
    return json.dumps(primitive(line), ensure_ascii=False) + "\n"


RECORDS = ListExport(
    "audit.export",
    "Audit log",
    permission=AUDIT_EXPORT,
    columns=_COLUMNS,
    filters=_filters,
    page=_page,
    count=_count,
    lines={"jsonl": _json_line},
    before=_note,
)


def _names(records: Sequence[Record]) -> Names:
    """Return what everything is called that these records speak of: things, people, organizations, changed fields."""
    by_kind: dict[str, set[UUID]] = {}
    for record in records:
        by_kind.setdefault("User", set()).update(found for found in (record.actor_id,) if found)
        by_kind.setdefault("Organization", set()).update(found for found in (record.organization_id,) if found)
        by_kind.setdefault(record.entity_type, set()).add(record.entity_id)
        for name in ("employeeId", "userId"):
            if found := as_uuid(record.payload.get(name)):
                by_kind["User"].add(found)
        for name, change in record.changes.items():
            kind = KIND_OF_FIELD.get(name)
            if kind is not None and not isinstance(change, Mapping):
                by_kind.setdefault(kind, set()).update(found for value in change if (found := as_uuid(value)))
    notes = {note_id: text for record in records for note_id, text in record.notes.items()}
    return Names(by_id={**names_by_kind(by_kind).by_id, **notes})


def _changes(record: Record, names: Names) -> list[tuple[str, str | None, str]]:
    """Return each changed field: what it is called, what it was (None: nothing), what it became."""
    rows: list[tuple[str, str | None, str]] = []
    for name, change in record.changes.items():
        if isinstance(change, Mapping):
            rows.append((label(name), None, "changed; the values are personal and not kept"))
            continue
        before, after = change
        if name in NOT_SHOWN or (is_empty(before) and is_empty(after)):
            continue
        was = None if is_empty(before) else show(name, before, names, record.entity_type)
        rows.append((label(name), was, show(name, after, names, record.entity_type)))
    return rows
