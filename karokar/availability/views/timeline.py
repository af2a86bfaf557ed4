"""The fleet's timeline: vehicles by time, as a table that needs no script, prints and can be read aloud."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property, partial
from typing import Any
from uuid import UUID

from flask import render_template, request, url_for

from karokar.availability import queries
from karokar.availability.queries import BlockFacts
from karokar.availability.views.blueprint import bp
from karokar.booking import facts as bookings
from karokar.fleet import facts as fleet
from karokar.fleet.facts import CATEGORIES, VehicleFacts
from karokar.kernel import clock
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import may, reaches_others, requires, scope_of
from karokar.web.lists.filters import Choice, Filters, Text, asked_day, asked_moment
from karokar.web.lists.grid import Cell, Grid
from karokar.web.shell.states import state_of
from karokar.web.shell.times import NO_MOMENT, iso, local_time, to_local, viewer_zone

SPANS = {"day": "Day", "week": "Week", "month": "Month"}
PAGE = 50


@dataclass(frozen=True)
class Bar:
    """Something in a vehicle's time, as the acting person may know it."""

    kind: str
    label: str
    start: datetime
    end: datetime | None
    url: str | None = None
    is_conflict: bool = False

    @cached_property
    def times(self) -> str:
        """From when to when, in words."""
        return f"{local_time(self.start)} to {local_time(self.end) if self.end else 'open end'}"


@dataclass
class Row:
    """A vehicle with its lanes: what is settled, then what is asked for. `narrow` are the bars that lead somewhere and
    are too narrow in this span to be links themselves: they are listed under the vehicle's name.
    """

    vehicle: VehicleFacts
    settled: list[list[Cell[Bar]]]
    asked: list[list[Cell[Bar]]] = field(default_factory=list)
    narrow: list[Bar] = field(default_factory=list)
    gap_url: str = ""

    @property
    def lanes(self) -> int:
        """How many table rows the vehicle takes."""
        return len(self.settled) + len(self.asked)


@bp.get("/timeline")
@requires("vehicle.read")
def timeline() -> str:
    """Show what each vehicle does when, for a day, a week or a month, in the viewer's zone; `?as_of=` what was planned
    then.
    """
    if scope_of("vehicle.read") is Scope.SELF:
        raise NotFound
    cities = [(city, city) for city in fleet.list_cities()]
    fields = (
        Text("q", "Make, model or plate", argument="text"),
        Choice("category", "Category", choices=list(CATEGORIES.items())),
        Choice("city", "City", choices=cities),
    )
    filters = Filters.of_request(fields)
    zone = viewer_zone()
    now = clock.now()
    span = request.args.get("span", "week")
    then, problem = _then(now)
    on, day_problem = asked_day("on")
    grid = Grid.of(span if span in SPANS else "week", _shown_day(on, then or now), zone)
    vehicles, page, left_out = _vehicles(filters, grid, then)
    return render_template(
        "availability/timeline.html",
        filters=filters,
        grid=grid,
        rows=_rows(vehicles, grid, then),
        then=then,
        then_problem=problem,
        day_problem=day_problem,
        then_typed=to_local(then).isoformat(timespec="seconds") if then else "",
        headings=grid.headings(now),
        page=page,
        left_out=left_out,
        spans=SPANS,
        today=now.astimezone(zone).date(),
        before=grid.first - timedelta(days=grid.days if grid.span == "week" else 1),
        last=grid.first + timedelta(days=grid.days - 1),
        following=grid.first + timedelta(days=grid.days),
        zone_name=zone.key,
        only=request.args.get("vehicle_id"),
        gap_url=partial(_gap_url, grid),
    )


def _then(now: datetime) -> tuple[datetime | None, str]:
    """Return the past moment of `?as_of=`, None where none was asked for; and what is wrong with what was."""
    then = asked_moment("as_of")
    if then is not None and then > now:
        return None, "This moment is still to come. What is planned for it stands in the table."
    return then, NO_MOMENT if then is None and request.args.get("as_of", "").strip() else ""


def _shown_day(on: date | None, now: datetime) -> date:
    """Return the day that was asked for, today for none; moved to where weeks and months around it can be shown."""
    on = on or now.astimezone(viewer_zone()).date()
    return min(max(on, date(1970, 1, 8)), date(2199, 12, 1))


def _vehicles(filters: Filters, grid: Grid, then: datetime | None) -> tuple[list[VehicleFacts], Any, int]:
    """Return the fleet's page of vehicles, without those that were not there yet; to a company also those that it has
    booked in this time, a page of them at most, and how many of these are left out.
    """
    asked = request.args.get("vehicle_id")
    if asked:
        try:
            return [fleet.get_seen(UUID(asked))], None, 0
        except ValueError:
            raise NotFound("vehicle") from None
    page = fleet.list_vehicles(**filters.values, sort="plate", cursor=filters.cursor, size=PAGE)
    found = list(page.rows)
    left_out = 0
    actor = current_actor()
    if (
        actor.organization_type == "CORPORATE"
        and actor.organization_id
        and not filters.cursor
        and not filters.is_filtered
    ):
        booked = queries.vehicles_of_company(actor.organization_id, grid.start, grid.end, at=then)
        requested = bookings.vehicles_requested_by(actor.organization_id, grid.start, grid.end, at=then)
        hired, count = fleet.list_hired(booked | requested, actor.organization_id, PAGE)
        found += hired
        left_out = count - len(hired)
    there = [vehicle for vehicle in found if not then or not vehicle.created_at or vehicle.created_at <= then]
    return there, page, left_out


def _rows(vehicles: Sequence[VehicleFacts], grid: Grid, then: datetime | None) -> list[Row]:
    ids = [vehicle.id for vehicle in vehicles]
    blocks = queries.blocks(ids, grid.start, grid.end, at=then)
    booked = {block.source_id for found in blocks.values() for block in found if block.source_type == "Booking"}
    reads_bookings = reaches_others("booking.read")
    known = bookings.references(booked) if reads_bookings else {}
    if then:
        # How a booking stands is known for now only.
        known = {booking_id: (reference, "") for booking_id, (reference, _) in known.items()}
    requests = bookings.requests_in_period(ids, grid.start, grid.end, at=then) if reads_bookings else []
    conflicts: dict[tuple[str, UUID], UUID] = {}
    if may("conflict.read"):
        for conflict in queries.open_conflicts(vehicle_ids=ids, at=then):
            for source in conflict.sources:
                conflicts.setdefault(source, conflict.id)
    rows = []
    for vehicle in vehicles:
        settled = [_bar(vehicle, block, known, conflicts) for block in blocks[vehicle.id]]
        asked = [
            Bar(
                "requested",
                f"Request {row.reference}",
                row.start,
                row.end,
                url_for("booking.show", booking_id=row.id),
            )
            for row in requests
            if row.vehicle_id == vehicle.id and _is_party(row.vendor_organization_id, row.corporate_organization_id)
        ]
        lanes, lanes_asked = grid.lanes(settled), grid.lanes(asked) if asked else []
        cells = [cell for lane in lanes + lanes_asked for cell in lane]
        narrow = [cell.item for cell in cells if cell.item and cell.item.url and not grid.fits_link(cell)]
        # From the past nothing is begun.
        rows.append(Row(vehicle, lanes, lanes_asked, narrow, gap_url="" if then else _gap_endpoint(vehicle)))
    return rows


def _is_party(*organization_ids: UUID | None) -> bool:
    actor = current_actor()
    return actor.is_platform or actor.organization_id in organization_ids


def _bar(
    vehicle: VehicleFacts,
    block: BlockFacts,
    known: Mapping[UUID, tuple[str, str]],
    conflicts: Mapping[tuple[str, UUID], UUID],
) -> Bar:
    """Return what the acting person may know of a block: to the market it is just not free."""
    kind, label, url = block.kind.lower(), queries.KIND_NAMES[block.kind], None
    if not _is_party(vehicle.organization_id, block.corporate_organization_id):
        return Bar("suspended" if kind == "suspended" else "maintenance", "Not free", block.start, block.end)
    if block.source_type == "Booking" and block.end is None:
        label = "Not back"
    if block.source_type == "Booking" and block.source_id in known:
        reference, state = known[block.source_id]
        # What is planned reads as the booking does: the vehicle is held, and nobody is to collect it.
        label = f"{reference} {(state_of('booking', state).word if state in bookings.VACANCIES else label).lower()}"
        url = url_for("booking.show", booking_id=block.source_id)
    elif block.source_type == "Assignment" and may("assignment.read"):
        url = url_for("assignment.show", assignment_id=block.source_id)
    elif block.source_type == "MaintenanceWindow":
        url = url_for("fleet.window", window_id=block.source_id)
    conflict_id = conflicts.get((block.source_type, block.source_id))
    if conflict_id:
        label, url = f"Conflict: {label}", url_for("availability.conflict", conflict_id=conflict_id)
    return Bar(kind, label, block.start, block.end, url, is_conflict=conflict_id is not None)


def _gap_endpoint(vehicle: VehicleFacts) -> str:
    """Return where a free gap leads: a request, an assignment, or maintenance, as the person may; empty for nowhere."""
    actor = current_actor()
    if vehicle.status != "ACTIVE":
        return ""
    if vehicle.is_offered and may("booking.create") and actor.organization_type == "CORPORATE":
        return "booking.new"
    if vehicle.organization_id == actor.organization_id:
        if actor.organization_type == "CORPORATE" and may("assignment.create"):
            return "assignment.new"
        if may("maintenance.schedule"):
            return "fleet.schedule"
    return ""


def _gap_url(grid: Grid, row: Row, cell: Cell[Bar]) -> str | None:
    """Return the address that a free gap leads to, with its dates filled in; None for the past and for nowhere, and
    where the gap is too narrow to be met with a finger: a shorter span shows it wider.
    """
    now = clock.now()
    if not row.gap_url or cell.end <= now or not grid.fits_link(cell):
        return None
    start = max(cell.start, now)
    return url_for(row.gap_url, vehicle_id=row.vehicle.id, start=iso(start), end=iso(cell.end))
