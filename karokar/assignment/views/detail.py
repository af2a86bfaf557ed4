"""The list of assignments, its export, and one assignment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from flask import render_template, url_for
from werkzeug.wrappers import Response

from karokar.assignment import queries, rules
from karokar.assignment.models import Assignment, AssignmentPhoto
from karokar.assignment.permissions import (
    ASSIGNMENT_ACCEPT,
    ASSIGNMENT_CLOSE,
    ASSIGNMENT_COMPLETE,
    ASSIGNMENT_READ,
    ASSIGNMENT_REJECT,
    ASSIGNMENT_START,
)
from karokar.assignment.queries import SORTS, AssignmentFilter
from karokar.assignment.rules import Status
from karokar.assignment.views.blueprint import bp
from karokar.booking import facts as booking
from karokar.booking.facts import BookingFacts
from karokar.fleet import facts as fleet
from karokar.fleet.facts import VehicleFacts
from karokar.identity import facts as identity
from karokar.kernel import clock
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.pages.paging import Page
from karokar.kernel.permissions import may, requires, scope_of
from karokar.organization import facts as organization
from karokar.runs.views.exports import ListExport
from karokar.web.forms.handover import page_values, photo_response
from karokar.web.lists.exports import Column
from karokar.web.lists.filters import Choice, Day, Field, Filters, Text
from karokar.web.shell.states import state_choices, state_of
from karokar.web.shell.times import local_time

KINDS = (("direct", "Own vehicle"), ("booking", "Booked vehicle"))


@dataclass(frozen=True)
class Shown:
    """An assignment with its names."""

    assignment: Assignment
    vehicle: VehicleFacts | None
    employee: str
    booking: BookingFacts | None

    @property
    def vehicle_label(self) -> str:
        """What people call the vehicle."""
        return self.vehicle.label if self.vehicle else "A vehicle that is gone"

    @property
    def reason(self) -> str:
        """Why it ended, in words."""
        return self.assignment.note or rules.reason_label(self.assignment.reason)

    @property
    def flag(self) -> str:
        """Why somebody has to fetch the vehicle, in words."""
        return rules.reason_label(self.assignment.flag)

    @property
    def is_off_road(self) -> bool:
        """Whether the vehicle is still to be handed over and cannot be as it is."""
        is_to_come = self.assignment.status in {Status.PENDING.value, Status.ACCEPTED.value}
        return is_to_come and (self.vehicle is None or self.vehicle.status != "ACTIVE")

    @property
    def is_late(self) -> bool:
        """Whether the vehicle should be back by now."""
        end = self.assignment.end
        return self.assignment.status == Status.ACTIVE.value and end is not None and end <= clock.now()


COLUMNS = (
    Column("Vehicle", lambda line: line.vehicle_label),
    Column("Employee", lambda line: line.employee),
    Column("Status", lambda line: state_of("assignment", line.assignment.status).word),
    Column("Start", lambda line: line.assignment.start),
    Column("End", lambda line: line.assignment.end),
    Column("Booking", lambda line: line.booking.reference if line.booking else ""),
    Column("Handed over", lambda line: line.assignment.activated_at),
    Column("Back", lambda line: line.assignment.actual_end),
    Column("Reason", lambda line: line.reason),
)


def shown_many(rows: Iterable[Assignment]) -> list[Shown]:
    """Return assignments with their names, in a fixed number of statements."""
    rows = list(rows)
    vehicles = fleet.vehicles({row.vehicle_id for row in rows})
    people = identity.people({row.employee_id for row in rows})
    bookings = booking.bookings({row.booking_id for row in rows if row.booking_id})
    return [
        Shown(
            assignment=row,
            vehicle=vehicles.get(row.vehicle_id),
            employee=people[row.employee_id].name if row.employee_id in people else "",
            booking=bookings.get(row.booking_id) if row.booking_id else None,
        )
        for row in rows
    ]


def shown(row: Assignment) -> Shown:
    """Return one assignment with its names."""
    return shown_many([row])[0]


_CORRECTIONS = {"start": "correct_handover", "complete": "correct_return"}
"""Who may record a handover or a return may correct its reading, whatever the assignment's state."""


def offers(row: Assignment) -> frozenset[str]:
    """Return the actions that the acting person may take on this assignment in its state."""
    actor = current_actor()
    status = Status(row.status)
    is_named = actor.user_id == row.employee_id and actor.organization_id == row.corporate_organization_id
    found = set()
    for action, permission in (("accept", ASSIGNMENT_ACCEPT), ("reject", ASSIGNMENT_REJECT)):
        if is_named and may(permission, actor) and rules.MACHINE.can(status, action):
            found.add(action)
    for action, permission in (
        ("start", ASSIGNMENT_START),
        ("complete", ASSIGNMENT_COMPLETE),
        ("close", ASSIGNMENT_CLOSE),
    ):
        is_in_scope = scope_of(permission, actor) is not Scope.SELF or is_named
        is_own = actor.organization_id == row.corporate_organization_id
        if row.is_direct and is_own and is_in_scope and may(permission, actor):
            if rules.MACHINE.can(status, action):
                found.add(action)
            if action in _CORRECTIONS:
                found.add(_CORRECTIONS[action])
    return frozenset(found)


@bp.get("/")
@requires(ASSIGNMENT_READ)
def index() -> str:
    """List the assignments that the person may see."""
    filters = _filters()
    page = queries.list_assignments(_wanted(filters), cursor=filters.cursor)
    return render_template(
        "assignment/index.html",
        filters=filters,
        page=page,
        lines=shown_many(page.rows),
        is_own_only=scope_of(ASSIGNMENT_READ) is Scope.SELF,
    )


@bp.get("/export")
@requires(ASSIGNMENT_READ)
def export_list() -> Response:
    """Download what the list shows, all pages of it; a long one is made by a run."""
    return ASSIGNMENTS.answer()


def _filters(args: Mapping[str, str] | None = None) -> Filters:
    fields: list[Field] = [
        Text("q", "Plate", "text"),
        Choice("status", "Status", choices=state_choices("assignment")),
        Choice("kind", "Kind", choices=KINDS),
        Day("from", "From", "from_"),
        Day("to", "To", "until", is_end=True),
    ]
    actor = current_actor()
    if scope_of(ASSIGNMENT_READ) is Scope.OWN and actor.organization_id is not None:
        people = [
            (str(member.user_id), member.name) for member in identity.list_members(actor.organization_id, status=None)
        ]
        fields.insert(1, Choice("employee", "Employee", "employee_id", choices=people, is_id=True))
    return Filters.of_request(fields, sorts=tuple(SORTS), default_sort="-start", args=args)


def _wanted(filters: Filters) -> AssignmentFilter:
    values = dict(filters.values)
    text = values.pop("text")
    plates = [vehicle.id for vehicle in fleet.find_by_plate(text)] if text else None
    return AssignmentFilter(**values, vehicle_ids=plates, sort=filters.sort)


def _page(filters: Filters, cursor: str | None, size: int) -> Page[Shown]:
    page = queries.list_assignments(_wanted(filters), cursor=cursor, size=size, counted=False)
    return replace(page, rows=shown_many(page.rows))  # type: ignore[arg-type,return-value]


def _count(filters: Filters, limit: int) -> int:
    return queries.count_listed(_wanted(filters), limit)


ASSIGNMENTS = ListExport(
    "assignment.export",
    "Assignments",
    permission=ASSIGNMENT_READ,
    columns=COLUMNS,
    filters=_filters,
    page=_page,
    count=_count,
)


@bp.get("/<uuid:assignment_id>")
@requires(ASSIGNMENT_READ)
def show(assignment_id: UUID) -> str:
    """Show an assignment with what can be done about it; the mail to the employee leads here."""
    row = queries.get_seen(assignment_id)
    line = shown(row)
    vendor = organization.get_organization(line.booking.vendor_organization_id) if line.booking else None
    return render_template(
        "assignment/show.html",
        **page_values(line=line),
        offers=offers(row),
        vendor=vendor,
        handovers_found=queries.find_handovers(row.id) if row.is_direct else {},
        photos=queries.list_photos(row.id) if row.is_direct else [],
        photo_url=photo_url,
        is_mine=current_actor().user_id == row.employee_id,
        in_the_way=_in_the_way(line),
    )


def _in_the_way(line: Shown) -> list[str]:
    """Return what keeps the vehicle from being handed over to the employee, a sentence each."""
    row = line.assignment
    if row.status not in {Status.PENDING.value, Status.ACCEPTED.value}:
        return []
    found = []
    if line.is_off_road:
        found.append(f"{line.vehicle_label} is off the road, so it can't be handed over.")
    due_back = booking.due_back(row.booking_id) if row.booking_id else None
    if due_back is not None:
        found.append(f"The vehicle is still out: it was due back {local_time(due_back)}.")
    return found


@bp.get("/<uuid:assignment_id>/photos/<uuid:photo_id>")
@requires(ASSIGNMENT_READ)
def photo(assignment_id: UUID, photo_id: UUID) -> Response:
    """Send a picture of a handover."""
    return photo_response(queries.get_photo(assignment_id, photo_id))


def photo_url(found: AssignmentPhoto) -> str:
    """Return the address of a handover's picture."""
    return url_for("assignment.photo", assignment_id=found.assignment_id, photo_id=found.id)
