"""Conflicts: what takes a vehicle's time twice, and the person's decision that it goes ahead anyway."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response
from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length

from karokar.availability import actions, queries, rules
from karokar.availability.permissions import CONFLICT_READ, CONFLICT_RESOLVE
from karokar.availability.queries import BlockFacts, ConflictFacts
from karokar.availability.views.blueprint import bp
from karokar.booking import facts as bookings
from karokar.fleet import facts as fleet
from karokar.fleet.facts import VehicleFacts
from karokar.identity import facts as identity
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import RuleBroken
from karokar.kernel.pages.paging import Page
from karokar.kernel.permissions import may, requires
from karokar.organization import facts as organizations
from karokar.runs.views.exports import ListExport
from karokar.web.forms.base import Form
from karokar.web.lists.exports import Column
from karokar.web.lists.filters import Choice, Filters
from karokar.web.shell.states import state_choices, state_of
from karokar.web.shell.times import iso, to_local


class ResolveForm(Form):
    """Why both go ahead."""

    note = TextAreaField(
        "Why does it go ahead anyway?",
        [DataRequired("Say why; the other side reads it."), Length(max=1000)],
    )


@dataclass(frozen=True)
class Side:
    """One of the two things that take the vehicle's time, as far as the acting person may know it."""

    source_type: str
    source_id: UUID
    label: str
    is_open_to_viewer: bool
    start: datetime | None
    end: datetime | None
    search_url: str = ""
    """Where another vehicle for the same time is found, to who could book or assign it."""


# Who may see a conflict doesn't thereby see who books and drives the vehicle.
_READ_BY = {"Booking": "booking.read", "Assignment": "assignment.read"}


@bp.get("/conflicts")
@requires(CONFLICT_READ)
def conflicts() -> str:
    """Show the conflicts in the calendars of the acting organization's vehicles and bookings: open ones first."""
    filters = _filters()
    page = queries.list_conflicts(**filters.values, sort=filters.sort, cursor=filters.cursor)
    return render_template(
        "availability/conflicts.html",
        filters=filters,
        page=page,
        vehicles=fleet.vehicles({row.vehicle_id for row in page.rows}),
        names=queries.SOURCE_NAMES,
    )


def _filters(args: Mapping[str, str] | None = None) -> Filters:
    fields = (Choice("status", "Status", choices=state_choices("conflict")),)
    return Filters.of_request(fields, sorts=tuple(queries.SORTS), default_sort="-open", args=args)


@dataclass(frozen=True)
class Line:
    """A row of the list as a file."""

    conflict: ConflictFacts
    vehicle: VehicleFacts


COLUMNS = (
    Column("What overlaps", lambda line: _in_words(line.conflict)),
    Column("Licence plate", lambda line: line.vehicle.license_plate),
    Column("Make", lambda line: line.vehicle.make),
    Column("Model", lambda line: line.vehicle.model),
    Column("From", lambda line: line.conflict.start),
    Column("To", lambda line: line.conflict.end),
    Column("Found", lambda line: line.conflict.detected_at),
    Column("Status", lambda line: state_of("conflict", line.conflict.status).word),
    Column("Ended", lambda line: line.conflict.resolved_at),
    Column("Why it goes ahead", lambda line: line.conflict.note),
)


def _in_words(conflict: ConflictFacts) -> str:
    first, second = (queries.SOURCE_NAMES[kind] for kind, _id in conflict.sources)
    return f"{first} and {second.lower()}"


def _page_of(filters: Filters, cursor: str | None, size: int) -> Page[Line]:
    page = queries.list_conflicts(**filters.values, sort=filters.sort, cursor=cursor, size=size, counted=False)
    vehicles = fleet.vehicles({row.vehicle_id for row in page.rows})
    return page.map(lambda row: Line(row, vehicles[row.vehicle_id]))


def _count(filters: Filters, limit: int) -> int:
    return queries.count_conflicts(**filters.values, limit=limit)


CONFLICTS = ListExport(
    "availability.export",
    "Conflicts",
    permission=CONFLICT_READ,
    columns=COLUMNS,
    filters=_filters,
    page=_page_of,
    count=_count,
)


@bp.get("/conflicts/export")
@requires(CONFLICT_READ)
def export_conflicts() -> Response:
    """Send the list, as the filters show it, as a file; a long one is made by a run."""
    return CONFLICTS.answer()


@bp.get("/conflicts/<uuid:conflict_id>")
@requires(CONFLICT_READ)
def conflict(conflict_id: UUID) -> Any:
    """Show one conflict: both sides, what can be done, and how it ended."""
    return _page(conflict_id, ResolveForm(formdata=None))


def _page(conflict_id: UUID, form: ResolveForm) -> Any:
    found = queries.get_conflict(conflict_id)
    vehicle = fleet.get_vehicle(found.vehicle_id)
    person = identity.people([found.resolved_by]).get(found.resolved_by) if found.resolved_by else None
    member_of_own = found.resolved_by is not None and identity.find_membership(
        found.resolved_by, current_actor().organization_id or found.organization_id
    )
    page = render_template(
        "availability/conflict.html",
        conflict=found,
        vehicle=vehicle,
        owner=organizations.get_organization(vehicle.organization_id),
        sides=[_side(found, source_type, source_id) for source_type, source_id in found.sources],
        resolver=person.name if person and (member_of_own or current_actor().is_platform) else "the other side",
        form=form,
        can_resolve=found.status == "OPEN"
        and may(CONFLICT_RESOLVE)
        and rules.can_go_ahead([found.first_source_type, found.second_source_type]),
        calendar_then_url=url_for(
            "availability.timeline",
            vehicle_id=vehicle.id,
            on=to_local(found.start).date(),
            as_of=found.detected_at.isoformat(),
        ),
        is_owner=vehicle.organization_id == current_actor().organization_id,
    )
    return page, form.status


def _side(found: ConflictFacts, source_type: str, source_id: UUID) -> Side:
    actor = current_actor()
    blocks = queries.find_blocks_of(source_type, source_id)
    held = next((block for block in blocks if block.released_at is None), blocks[-1] if blocks else None)
    label = queries.SOURCE_NAMES[source_type]
    is_party = actor.is_platform or found.organization_id == actor.organization_id or _is_company_of(held)
    is_known = is_party and may(_READ_BY.get(source_type, "vehicle.read"))
    search_url = ""
    if source_type == "Booking" and is_known:
        booking = bookings.bookings([source_id]).get(source_id)
        if booking:
            label = f"Booking {booking.reference}"
            search_url = _search_url(booking.start, booking.end) if _is_company_of(held) else ""
    elif source_type == "Assignment" and is_known and held is not None and held.end is not None:
        search_url = _search_url(held.start, held.end) if _is_company_of(held) else ""
    is_open = is_known and source_type in {"Booking", "MaintenanceWindow", "Assignment"}
    start, end = (held.start, held.end) if held else (None, None)
    return Side(source_type, source_id, label, is_open, start, end, search_url)


def _search_url(start: datetime, end: datetime) -> str:
    if not may("booking.create") or end <= clock.now():
        return ""
    return url_for("availability.index", start=iso(max(start, clock.now())), end=iso(end))


def _is_company_of(block: BlockFacts | None) -> bool:
    return block is not None and block.corporate_organization_id == current_actor().organization_id


@bp.post("/conflicts/<uuid:conflict_id>/resolve")
@requires(CONFLICT_RESOLVE)
def resolve(conflict_id: UUID) -> Any:
    """Decide that both go ahead anyway; nothing is booked, moved or cancelled by it."""
    form = ResolveForm()
    if form.is_sent():
        with form.refusals(RuleBroken):
            actions.resolve_conflict(conflict_id, note=form.note.data, version=form.sent_version)
            flash("Noted. Both sides see it.", "good")
            return redirect(url_for("availability.conflict", conflict_id=conflict_id), 303)
    return _page(conflict_id, form)
