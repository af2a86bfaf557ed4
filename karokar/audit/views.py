"""The audit log's page, and its downloads."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Blueprint, render_template
from werkzeug.wrappers import Response as BaseResponse

from karokar.audit import actions, queries
from karokar.audit.permissions import AUDIT_EXPORT, AUDIT_READ
from karokar.audit.queries import Record
from karokar.events.base import LATEST, SUBJECT_TYPES
from karokar.identity import queries as identity
from karokar.kernel.db import primitive
from karokar.kernel.paging import Page
from karokar.kernel.permissions import requires
from karokar.organization import queries as organizations
from karokar.runs.views.exports import ListExport
from karokar.web.exports import Column
from karokar.web.filters import Choice, Day, Filters, Text

bp = Blueprint("audit", __name__)


def _filters(args: Mapping[str, str] | None = None) -> Filters:
    producers = sorted({class_.producer for class_ in LATEST.values()})
    return Filters.of_request(
        (
            Choice("producer", "Area", choices=[(name, name.capitalize()) for name in producers]),
            Choice("event_type", "Kind", choices=[(name, name) for name in sorted(LATEST)]),
            Choice("entity_type", "Thing", choices=[(name, name) for name in SUBJECT_TYPES]),
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
    return render_template(
        "audit/index.html",
        page=page,
        filters=filters,
        status=queries.chain_status(),
        names=_names(page.rows),
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


def _note(format_: str, count: int, filters: Filters) -> None:
    actions.record_export("audit log", format_, count, filters.raw)


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


def _names(records: Any) -> dict[UUID, str]:
    people = identity.people({record.actor_id for record in records if record.actor_id})
    tenants = organizations.organizations({record.organization_id for record in records if record.organization_id})
    return {one.id: one.name for one in people.values()} | {one.id: one.name for one in tenants.values()}
