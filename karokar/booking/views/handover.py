"""What has to be there before a vehicle can be handed over, each step that is missing with the way to it."""

from dataclasses import dataclass

from flask import url_for

from karokar.assignment.queries import AssignmentFacts
from karokar.booking import queries, rules
from karokar.booking.models import Booking
from karokar.booking.permissions import BOOKING_ASSIGN
from karokar.booking.views.shown import Shown
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import StateConflict
from karokar.kernel.permissions import may


@dataclass(frozen=True)
class MissingStep:
    """What is missing, in a sentence, and where it can be done (an empty address: nowhere by this person)."""

    sentence: str
    url: str = ""
    label: str = ""


def missing_steps(booking: Booking, line: Shown, current: AssignmentFacts | None) -> list[MissingStep]:
    """Return what stands in the way of handing a booking's vehicle over now, in the order in which it is done."""
    found = [
        MissingStep(f"{party.name} is {party.status.lower()}: it has to be active.")
        for party in (line.vendor, line.corporate)
        if party.status != "ACTIVE"
    ]
    found += _acceptance(booking, current)
    if line.vehicle is None or line.vehicle.status != "ACTIVE":
        to_vehicle = url_for("fleet.show", vehicle_id=booking.vehicle_id)
        found.append(MissingStep(f"{line.vehicle_label} is not on the road.", to_vehicle, "Open the vehicle"))
    other = queries.find_out(booking.vehicle_id, except_id=booking.id)
    if other is not None:
        is_seen = current_actor().organization_id in {other.vendor_organization_id, other.corporate_organization_id}
        back = url_for("booking.show", booking_id=other.id) if is_seen else ""
        found.append(MissingStep(f"The vehicle has not come back from {other.reference} yet.", back, "Take it back"))
    try:
        rules.check_handover_time(booking.start, booking.end, clock.now())
    except StateConflict as refusal:
        found.append(MissingStep(refusal.sentence))
    return found


def _acceptance(booking: Booking, current: AssignmentFacts | None) -> list[MissingStep]:
    is_company = current_actor().organization_id == booking.corporate_organization_id
    can_assign = is_company and may(BOOKING_ASSIGN)
    assign = url_for("booking.assign", booking_id=booking.id) if can_assign else ""
    ask = "" if is_company else " Ask the company."
    if current is None:
        return [MissingStep(f"Nobody is assigned to drive it yet.{ask}", assign, "Assign an employee")]
    if current.status == "ACCEPTED":
        return []
    if current.status == "PENDING":
        to_assignment = url_for("assignment.show", assignment_id=current.id) if is_company else ""
        sentence = f"The employee has not accepted the assignment yet.{ask}"
        return [MissingStep(sentence, to_assignment, "Open the assignment")]
    return [
        MissingStep(f"The assignment came to nothing: somebody else has to be assigned.{ask}", assign, "Assign again")
    ]
