"""Vehicles: the list, one vehicle, registering, editing, on and off the road."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for

from karokar.assignment import facts as assignments
from karokar.availability import facts as availability
from karokar.booking import facts as bookings
from karokar.fleet import actions, queries
from karokar.fleet.forms import NewVehicleForm, ReadingForm, RetireForm, SuspendForm, VehicleForm
from karokar.fleet.permissions import (
    MAINTENANCE_SCHEDULE,
    VEHICLE_ACTIVATE,
    VEHICLE_CREATE,
    VEHICLE_READ,
    VEHICLE_RETIRE,
    VEHICLE_SUSPEND,
    VEHICLE_UPDATE,
)
from karokar.fleet.queries import VehicleFacts
from karokar.fleet.rules import (
    CATEGORIES,
    DOCUMENT_REASONS,
    REQUIRED_DOCUMENTS,
    SUSPENSION_REASONS,
    UNLIKELY_AT_REGISTRATION_KM,
    GatesClosed,
    LikelyReadings,
    VehicleStatus,
)
from karokar.fleet.views.blueprint import bp
from karokar.identity import facts as identity
from karokar.kernel import clock
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.errors import NotFound, RuleBroken, StateConflict
from karokar.kernel.local.countries import country_of
from karokar.kernel.pages.paging import Page
from karokar.kernel.permissions import may, reaches_others, requires, scope_of
from karokar.organization import facts as organizations
from karokar.pages.vehicles.affected_bookings import hits
from karokar.runs.views.exports import ListExport
from karokar.verification import facts as verifications
from karokar.web.forms.base import label_of, sent_version
from karokar.web.lists.exports import Column
from karokar.web.lists.filters import Carried, Choice, Field, Filters, Number, Text
from karokar.web.shell.states import state_choices, state_of

SORTS = tuple(queries.SORTS)
COLUMNS = (
    Column(label_of(NewVehicleForm, "license_plate"), lambda v: v.license_plate),
    Column(label_of(NewVehicleForm, "make"), lambda v: v.make),
    Column(label_of(NewVehicleForm, "model"), lambda v: v.model),
    Column(label_of(NewVehicleForm, "year"), lambda v: v.year),
    Column(label_of(NewVehicleForm, "category"), lambda v: v.category_name),
    Column(label_of(NewVehicleForm, "seats"), lambda v: v.seats),
    Column(label_of(NewVehicleForm, "city"), lambda v: v.city),
    Column(label_of(NewVehicleForm, "address"), lambda v: v.address),
    Column(label_of(NewVehicleForm, "time_zone"), lambda v: v.time_zone),
    Column(label_of(NewVehicleForm, "odometer"), lambda v: v.odometer),
    Column(label_of(NewVehicleForm, "plate_country"), lambda v: v.country_name),
    Column("Status", lambda v: state_of("vehicle", v.status).word),
    Column("Suspended by", lambda v: v.suspended_by),
)


def _filters(args: Mapping[str, str] | None = None) -> Filters:
    cities = [(city, city) for city in queries.list_cities()]
    fields: list[Field] = [
        Text("q", "Make, model or plate", argument="text"),
        Choice("status", "Status", choices=state_choices("vehicle")),
        Choice("category", "Category", choices=list(CATEGORIES.items())),
        Choice("city", "City", choices=cities),
        Number("seats", "Seats, at least"),
    ]
    if scope_of(VEHICLE_READ) is Scope.ALL:
        fields.append(Carried("owner", "Owner", "organization_id", name_of=cache(organizations.name_of)))
    return Filters.of_request(fields, sorts=SORTS, default_sort="plate", args=args)


@bp.get("/")
@requires(VEHICLE_READ)
def index() -> str:
    """Show the fleet: an organization's own vehicles, all of them to the platform, a driver's own to a driver."""
    filters = _filters()
    page = queries.list_vehicles(**filters.values, sort=filters.sort, cursor=filters.cursor)
    ids = [vehicle.id for vehicle in page.rows]
    now = clock.now()
    return render_template(
        "fleet/index.html",
        filters=filters,
        page=page,
        documents=verifications.coverages("Vehicle", ids) if _reads_own() else {},
        required=REQUIRED_DOCUMENTS,
        busy={key: found[0] for key, found in availability.blocks(ids, now, now).items() if found},
        owners=organizations.organizations({vehicle.organization_id for vehicle in page.rows}),
        can_create=may(VEHICLE_CREATE),
        categories=CATEGORIES,
    )


def _reads_own() -> bool:
    return scope_of(VEHICLE_READ) in {Scope.OWN, Scope.MARKET, Scope.ALL}


def _page(filters: Filters, cursor: str | None, size: int) -> Page[VehicleFacts]:
    return queries.list_vehicles(**filters.values, sort=filters.sort, cursor=cursor, size=size, counted=False)


def _count(filters: Filters, limit: int) -> int:
    return queries.count_listed(**filters.values, limit=limit)


VEHICLES = ListExport(
    "fleet.export", "Vehicles", permission=VEHICLE_READ, columns=COLUMNS, filters=_filters, page=_page, count=_count
)


@bp.get("/export")
@requires(VEHICLE_READ)
def export() -> Any:
    """Send the list, as the filters show it, as a file; a long one is made by a run."""
    return VEHICLES.answer()


def is_mine(vehicle: VehicleFacts) -> bool:
    """Whether the vehicle is the acting organization's."""
    return vehicle.organization_id == current_actor().organization_id


def is_insider(vehicle: VehicleFacts) -> bool:
    """Whether the acting person is on the owner's side, or the platform: sees more than the market does."""
    scope = scope_of(VEHICLE_READ)
    return scope is Scope.ALL or (scope in {Scope.OWN, Scope.MARKET} and is_mine(vehicle))


@bp.get("/<uuid:vehicle_id>")
@requires(VEHICLE_READ)
def show(vehicle_id: UUID) -> Any:
    """Show one vehicle: its facts, and to its owner and the platform documents, log, maintenance and bookings."""
    return page_of(vehicle_id)


def page_of(vehicle_id: UUID, *, reading_form: ReadingForm | None = None) -> Any:
    """Return the vehicle's page, with a form that was sent and refused where there is one."""
    vehicle = queries.get_seen(vehicle_id)
    now = clock.now()
    insider = is_insider(vehicle)
    owner = organizations.get_organization(vehicle.organization_id)
    values: dict[str, Any] = {}
    if insider:
        covered = verifications.coverage("Vehicle", vehicle_id)
        values = {
            "gates": actions.gates_of(vehicle_id, owner, covered),
            "coverage": covered,
            "readings": queries.list_readings(vehicle_id),
            "windows": queries.list_windows(vehicle_id),
            **_users_of(vehicle, now),
            "conflicts": availability.open_conflicts(vehicle_ids=[vehicle_id]),
            "likely": queries.find_likely_readings(vehicle_id),
            "reading_form": reading_form or ReadingForm(formdata=None),
        }
    page = render_template(
        "fleet/show.html",
        vehicle=vehicle,
        owner=owner,
        insider=insider,
        reasons={**SUSPENSION_REASONS, **DOCUMENT_REASONS},
        required=REQUIRED_DOCUMENTS,
        blocks=availability.blocks([vehicle_id], now, now + timedelta(days=365))[vehicle_id],
        can=_possible(vehicle),
        now=now,
        **values,
    )
    return (page, reading_form.status) if reading_form is not None else page


def _users_of(vehicle: VehicleFacts, now: datetime) -> dict[str, Any]:
    """Return who has the vehicle and who will: by booking a vendor's, by assignment a company's own."""
    since, until = now - timedelta(days=30), now + timedelta(days=730)
    by_booking = vehicle.ownership_type != "CORPORATE_OWNED"
    if not reaches_others("booking.read" if by_booking else "assignment.read"):
        return {"hides_users": True}
    if by_booking:
        return {"bookings": bookings.live_in_period([vehicle.id], since, until)}
    given = assignments.live_in_period([vehicle.id], since, until)
    return {"assignments": given, "people": identity.people({one.employee_id for one in given})}


def _possible(vehicle: VehicleFacts) -> dict[str, bool]:
    """Return which buttons make sense for this person and the vehicle's state."""
    mine, by_platform = is_mine(vehicle), current_actor().is_platform
    kept = vehicle.status != VehicleStatus.RETIRED
    lifts = {"OWNER": mine, "PLATFORM": by_platform, None: mine and vehicle.status == VehicleStatus.PENDING}
    suspends = mine if vehicle.status == VehicleStatus.ACTIVE else False
    if by_platform and vehicle.suspended_by != "PLATFORM":
        suspends = vehicle.status in {VehicleStatus.ACTIVE, VehicleStatus.SUSPENDED}
    return {
        "update": mine and kept and may(VEHICLE_UPDATE),
        "activate": lifts.get(vehicle.suspended_by, False) and may(VEHICLE_ACTIVATE),
        "suspend": suspends and may(VEHICLE_SUSPEND),
        "retire": mine and kept and may(VEHICLE_RETIRE),
        "maintain": mine and kept and may(MAINTENANCE_SCHEDULE),
        "book": vehicle.is_offered and may("booking.create"),
        "assign": mine and vehicle.status == VehicleStatus.ACTIVE and may("assignment.create"),
        "request_documents": mine and kept and may("verification.request"),
    }


@bp.route("/new", methods=["GET", "POST"])
@requires(VEHICLE_CREATE)
def new() -> Any:
    """Register a vehicle."""
    zone = current_actor().time_zone
    form = NewVehicleForm(data={"time_zone": zone, "plate_country": country_of(zone), "odometer": 0})
    if form.is_sent() and form.is_sure(LikelyReadings(highest=UNLIKELY_AT_REGISTRATION_KM)):
        with form.refusals(RuleBroken, StateConflict):
            vehicle_id = actions.register_vehicle(**filled(form))
            flash("Registered. Next: its documents, so that it can be activated.", "good")
            return redirect(url_for("fleet.show", vehicle_id=vehicle_id), 303)
    return render_template("fleet/new.html", form=form), form.status


@bp.route("/<uuid:vehicle_id>/edit", methods=["GET", "POST"])
@requires(VEHICLE_UPDATE)
def edit(vehicle_id: UUID) -> Any:
    """Change a vehicle's facts."""
    vehicle = queries.get_seen(vehicle_id)
    if not is_mine(vehicle):
        raise NotFound("vehicle")
    form = VehicleForm(obj=vehicle)
    if form.is_sent():
        with form.refusals():
            actions.edit_vehicle(vehicle_id, version=form.sent_version or 0, **filled(form))
            flash("Saved.", "good")
            return redirect(url_for("fleet.show", vehicle_id=vehicle_id), 303)
    return render_template("fleet/edit.html", form=form, vehicle=vehicle), form.status


def filled(form: VehicleForm) -> dict[str, Any]:
    """Return what was typed, with empty text as text."""
    return {name: "" if value is None and name == "address" else value for name, value in form.values().items()}


@bp.post("/<uuid:vehicle_id>/activate")
@requires(VEHICLE_ACTIVATE)
def activate(vehicle_id: UUID) -> Any:
    """Put a vehicle on the road; what is missing is named on its page, with the way to it."""
    try:
        actions.activate_vehicle(vehicle_id, version=sent_version())
        flash("On the road.", "good")
    except GatesClosed as closed:
        flash(closed.sentence, "bad")
        return redirect(url_for("fleet.show", vehicle_id=vehicle_id, _anchor="gates"), 303)
    return redirect(url_for("fleet.show", vehicle_id=vehicle_id), 303)


@bp.route("/<uuid:vehicle_id>/suspend", methods=["GET", "POST"])
@requires(VEHICLE_SUSPEND)
def suspend(vehicle_id: UUID) -> Any:
    """Take a vehicle off the road; before that, show which bookings it hits."""
    vehicle = queries.get_seen(vehicle_id)
    if not is_insider(vehicle):
        raise NotFound("vehicle")
    form = SuspendForm()
    if form.is_sent():
        with form.refusals():
            actions.suspend_vehicle(
                vehicle_id, reason=form.reason.data, note=form.note.data or "", version=form.sent_version
            )
            flash("Off the road. Bookings stay as they are; conflicts are shown to both sides.", "good")
            return redirect(url_for("fleet.show", vehicle_id=vehicle_id), 303)
    return render_template(
        "fleet/suspend.html", form=form, vehicle=vehicle, hit=hits(vehicle_id, *_ahead())
    ), form.status


@bp.route("/<uuid:vehicle_id>/retire", methods=["GET", "POST"])
@requires(VEHICLE_RETIRE)
def retire(vehicle_id: UUID) -> Any:
    """Take a vehicle out of the fleet for good; before that, show what is in the way."""
    vehicle = queries.get_seen(vehicle_id)
    if not is_mine(vehicle):
        raise NotFound("vehicle")
    form = RetireForm()
    if form.is_sent():
        with form.refusals(RuleBroken, StateConflict):
            actions.retire_vehicle(vehicle_id, reason=form.reason.data or "", version=form.sent_version)
            flash("Retired. Its page and history stay.", "good")
            return redirect(url_for("fleet.show", vehicle_id=vehicle_id), 303)
    return render_template(
        "fleet/retire.html", form=form, vehicle=vehicle, hit=hits(vehicle_id, *_ahead())
    ), form.status


@bp.get("/documents")
@requires(VEHICLE_READ)
def documents() -> str:
    """Show which documents of which vehicle run out when: a matrix of vehicle and document."""
    if not _reads_own():
        raise NotFound
    page = queries.list_vehicles(sort="plate", cursor=request.args.get("cursor"), size=50)
    return render_template(
        "fleet/documents.html",
        page=page,
        coverages=verifications.coverages("Vehicle", [vehicle.id for vehicle in page.rows]),
        required=REQUIRED_DOCUMENTS,
        now=clock.now(),
    )


def _ahead() -> tuple[datetime, datetime]:
    now = clock.now()
    return now, now + timedelta(days=730)
