"""The list of bookings, its export, and Today."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from flask import render_template
from werkzeug.wrappers import Response

from karokar.assignment import facts as assignments
from karokar.assignment.facts import OwnToday
from karokar.booking import queries
from karokar.booking.permissions import BOOKING_ASSIGN, BOOKING_READ
from karokar.booking.queries import SORTS, BookingFilter
from karokar.booking.rules import Status, Vacancy
from karokar.booking.views.blueprint import bp
from karokar.booking.views.bulk import offered
from karokar.booking.views.filters import FILTERS
from karokar.booking.views.presenter import Shown, shown_many
from karokar.fleet import facts as fleet
from karokar.identity import facts as identity
from karokar.kernel import clock
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.pages.paging import Page
from karokar.kernel.permissions import may, requires, scope_of
from karokar.runs.views.exports import ListExport
from karokar.web.lists.exports import Column
from karokar.web.lists.filters import Filters
from karokar.web.shell.states import state_of
from karokar.web.shell.times import end_of_day, to_local

COLUMNS = (
    Column("Reference", lambda line: line.booking.reference),
    Column("Status", lambda line: state_of("booking", line.booking.state).word),
    Column("Vehicle", lambda line: line.vehicle_label),
    Column("Vendor", lambda line: line.vendor.name),
    Column("Company", lambda line: line.corporate.name),
    Column("Start", lambda line: line.booking.start),
    Column("End", lambda line: line.booking.end),
    Column("Back at", lambda line: line.booking.actual_end),
    Column("Place", lambda line: line.booking.place),
    Column("Employee", lambda line: line.employee),
    Column("Purpose", lambda line: line.booking.purpose if line.people else ""),
    Column("Reason", lambda line: line.reason),
)


def _filters(args: Mapping[str, str] | None = None) -> Filters:
    return Filters.of_request(FILTERS, sorts=tuple(SORTS), default_sort="-start", args=args)


def _wanted(filters: Filters) -> BookingFilter:
    text = filters.values["text"]
    plates = [vehicle.id for vehicle in fleet.find_by_plate(text)] if text else []
    return BookingFilter(**filters.values, vehicle_ids=plates, sort=filters.sort)


def _page(filters: Filters, cursor: str | None, size: int) -> Page[Shown]:
    page = queries.list_bookings(_wanted(filters), cursor=cursor, size=size, counted=False)
    return replace(page, rows=shown_many(page.rows))  # type: ignore[arg-type,return-value]


def _count(filters: Filters, limit: int) -> int:
    return queries.count_listed(_wanted(filters), limit)


BOOKINGS = ListExport(
    "booking.export", "Bookings", permission=BOOKING_READ, columns=COLUMNS, filters=_filters, page=_page, count=_count
)


@bp.get("/")
@requires(BOOKING_READ)
def index() -> str:
    """List the bookings that the person may see."""
    filters = _filters()
    page = queries.list_bookings(_wanted(filters), cursor=filters.cursor)
    lines = shown_many(page.rows)
    return render_template(
        "booking/index.html",
        filters=filters,
        page=page,
        lines=lines,
        counts=queries.count_by_status(),
        bulk=offered(),
    )


@bp.get("/export")
@requires(BOOKING_READ)
def export_list() -> Response:
    """Download what the list shows, all pages of it; a long one is made by a run."""
    return BOOKINGS.answer()


@bp.get("/today")
@requires(BOOKING_READ)
def today() -> str:
    """Show what goes out, comes back, is late, waits for an answer or is in the workshop today."""
    now = clock.now()
    local_day = to_local(now).date()
    found = queries.today(now, end_of_day(local_day))
    has_fleet = scope_of("vehicle.read") in {Scope.OWN, Scope.MARKET}
    workshop = fleet.list_in_workshop(end_of_day(local_day)) if has_fleet else []
    sections = {
        "late": found.late,
        "going_out": found.going_out,
        "coming_back": found.coming_back,
        "waiting": found.waiting,
    }
    own = _own_today(now, end_of_day(local_day))
    own_sections = {"late": own.late, "going_out": own.going_out, "coming_back": own.coming_back}
    given = [one for rows in own_sections.values() for one in rows]
    answers = assignments.answers_of({row.id: row.round for row in found.going_out})
    lines = {line.booking.id: line for line in shown_many(row for rows in sections.values() for row in rows)}
    return render_template(
        "booking/today.html",
        day=local_day,
        quiet=found.is_quiet and not workshop and not given,
        now=now,
        workshop=workshop,
        vehicles=fleet.vehicles({one.vehicle_id for one in workshop} | {one.vehicle_id for one in given}),
        people=identity.people({one.employee_id for one in given}) if given else {},
        own=own,
        own_sections=own_sections,
        out_now=found.out_now,
        is_vendor=current_actor().organization_type == "VENDOR",
        sections={name: [lines[row.id] for row in rows] for name, rows in sections.items()},
        answers=answers,
        steps={
            row.id: step
            for row in found.going_out
            if (step := _step_before_handover(lines[row.id], is_out=row.vehicle_id in found.still_out))
        },
        still_out=found.still_out | {one.vehicle_id for one in (*own.late, *own.coming_back)},
    )


def _own_today(now: datetime, day_end: datetime) -> OwnToday:
    """Return what is due for the company's own vehicles, for those who run them."""
    own = current_actor().organization_id
    if own is None or scope_of("assignment.read") is not Scope.OWN:
        return OwnToday()
    return assignments.own_today(own, now, day_end)


def _step_before_handover(line: Shown, *, is_out: bool) -> tuple[str, str] | None:
    """Return what has to be done first, as endpoint and words: nobody can collect the vehicle as it is."""
    booking = line.booking
    if line.is_off_road or is_out:
        return "booking.show", "Open"
    if current_actor().organization_id != booking.corporate_organization_id or not may(BOOKING_ASSIGN):
        return None
    if booking.status == Status.APPROVED.value:
        return "booking.assign", "Assign"
    return ("booking.assign", "Reassign") if booking.state in set(Vacancy) else None
