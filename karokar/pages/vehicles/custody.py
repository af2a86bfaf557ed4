"""Who had it? A plate and a moment lead to the booking, the assignment and the driver."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import render_template, request
from wtforms import StringField
from wtforms.validators import DataRequired, InputRequired, Length

from karokar.assignment import facts as assignments
from karokar.booking import facts as bookings
from karokar.fleet import queries
from karokar.fleet.permissions import VEHICLE_READ
from karokar.fleet.queries import VehicleFacts
from karokar.fleet.views.blueprint import bp
from karokar.identity import facts as identity
from karokar.kernel import clock
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import reaches_others, requires, scope_of
from karokar.organization import facts as organizations
from karokar.web.forms.base import Form, LocalTimeField

DRIVER_KNOWN_FOR = timedelta(days=30)
"""How long after the end a vendor may see who drove."""

A_MINUTE = timedelta(minutes=1)
"""Handovers are known to the second, pages and parking tickets tell the minute: it belongs to all who had it then."""


class WhoHadForm(Form):
    """A plate and a moment."""

    plate = StringField("Licence plate", [DataRequired("Type the plate."), Length(max=20)])
    at = LocalTimeField("When", [InputRequired("Say when.")])


@dataclass(frozen=True)
class Answer:
    """Who had a vehicle at a moment, as far as the asking person may know."""

    vehicle: VehicleFacts
    booking_id: UUID | None
    reference: str
    company: str
    assignment_id: UUID | None
    driver: str
    start: datetime
    end: datetime | None


@bp.get("/who-had-it")
@requires(VEHICLE_READ)
def who_had() -> Any:
    """Answer who had the vehicle with a plate at a moment."""
    if scope_of(VEHICLE_READ) is Scope.SELF:
        raise NotFound
    is_asked = bool(request.args.get("plate"))
    form = WhoHadForm(formdata=request.args if is_asked else None, data=None if is_asked else {"at": clock.now()})
    answers: list[Answer] = []
    known: list[VehicleFacts] = []
    if is_asked and form.validate():
        known = queries.find_by_plate(form.plate.data)
        answers = [answer for vehicle in known for answer in _answers(vehicle, form.at.data)]
        known = [vehicle for vehicle in known if _may_know(vehicle)]
    return render_template(
        "fleet/who_had.html",
        form=form,
        is_asked=is_asked and not form.errors,
        is_to_come=bool(form.at.data and form.at.data > clock.now()),
        answers=answers,
        known=known,
    ), form.status


def _may_know(vehicle: VehicleFacts) -> bool:
    actor = current_actor()
    return actor.is_platform or vehicle.organization_id == actor.organization_id or vehicle.is_offered


def _answers(vehicle: VehicleFacts, at: datetime) -> list[Answer]:
    """Return who had it in the minute that begins then, without what concerns other companies alone."""
    assigned = assignments.who_had(vehicle.id, at, at + A_MINUTE)
    booked = bookings.bookings({one.booking_id for one in assigned if one.booking_id is not None})
    found = []
    for one in assigned:
        booking = booked.get(one.booking_id) if one.booking_id is not None else None
        vendor_id = booking.vendor_organization_id if booking else None
        is_on_side = _is_party(one.corporate_organization_id, None)
        reads_booking = booking is not None and reaches_others("booking.read")
        reads_assignment = is_on_side and reaches_others("assignment.read")
        if not (_is_party(one.corporate_organization_id, vendor_id) and (reads_booking or reads_assignment)):
            continue
        ended_at = one.actual_end or (booking.ended_at if booking else one.end)
        sees_driver = _sees_driver(one.corporate_organization_id, ended_at)
        found.append(
            Answer(
                vehicle=vehicle,
                booking_id=booking.id if booking and reads_booking else None,
                reference=booking.reference if booking and reads_booking else "",
                company=organizations.get_organization(one.corporate_organization_id).name,
                assignment_id=one.id if reads_assignment else None,
                driver=_name(one.employee_id) if sees_driver else "",
                start=one.activated_at or one.start,
                end=one.actual_end,
            )
        )
    return found


def _is_party(corporate_id: UUID, vendor_id: UUID | None) -> bool:
    actor = current_actor()
    return actor.is_platform or actor.organization_id in {corporate_id, vendor_id}


def _sees_driver(corporate_id: UUID, ended_at: datetime | None) -> bool:
    """The company and the platform always; the vendor until 30 days after the end."""
    if _is_party(corporate_id, None):
        return True
    return ended_at is None or clock.now() <= ended_at + DRIVER_KNOWN_FOR


def _name(user_id: UUID) -> str:
    person = identity.people([user_id]).get(user_id)
    return person.name if person else ""
