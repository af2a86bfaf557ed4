"""What has to be there before a vehicle can be handed over, each step that is missing with the way to it."""

from dataclasses import dataclass

from flask import url_for

from karokar.assignment.facts import AssignmentFacts
from karokar.booking import queries, rules
from karokar.booking.models import Booking
from karokar.booking.permissions import BOOKING_ASSIGN
from karokar.booking.rules import Status
from karokar.booking.views.presenter import Shown
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import StateConflict
from karokar.kernel.permissions import may
from karokar.web.shell.times import iso, local_time


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
    found += in_the_way(line, queries.find_out(booking.vehicle_id, except_id=booking.id))
    try:
        rules.check_handover_time(booking.start, booking.end, clock.now())
    except StateConflict as refusal:
        found.append(MissingStep(refusal.sentence))
    return found


def in_the_way(line: Shown, out: Booking | None) -> list[MissingStep]:
    """Return what keeps the vehicle of a promised booking from being handed over, each with the viewer's way out: it is
    off the road, or (`out`) an earlier booking has not brought it back.
    """
    booking = line.booking
    if booking.status not in {Status.APPROVED.value, Status.ASSIGNED.value}:
        return []
    found = []
    if line.is_off_road:
        sentence = f"{line.vehicle_label} is off the road, so it can't be handed over."
        found.append(_with_way_out(line, sentence, "Get it back on the road, or cancel the booking."))
    if out is not None:
        sentence = f"The vehicle is still out: it was due back {local_time(out.end)}."
        if out.end > clock.now() and not out.is_awaited:
            sentence = f"The vehicle is still out: it is due back {local_time(out.end)}."
        if line.is_vendor:
            back = url_for("booking.show", booking_id=out.id)
            found.append(MissingStep(f"{sentence} {out.reference} has it.", back, "Take it back"))
        else:
            found.append(_with_way_out(line, sentence, ""))
    return found


def _with_way_out(line: Shown, sentence: str, to_vendor: str) -> MissingStep:
    booking = line.booking
    if line.is_vendor:
        to_vehicle = url_for("fleet.show", vehicle_id=booking.vehicle_id)
        return MissingStep(f"{sentence} {to_vendor}", to_vehicle, "Open the vehicle")
    call = f"Call {line.vendor.name}{f' ({line.vendor.contact_phone})' if line.vendor.contact_phone else ''}"
    if not may(BOOKING_ASSIGN) or booking.end <= clock.now():
        return MissingStep(f"{sentence} {call} before you travel to collect it.")
    start = max(booking.start, clock.now())
    search = url_for("availability.index", start=iso(start), end=iso(booking.end))
    return MissingStep(f"{sentence} {call}, or take another vehicle.", search, "Find another vehicle")


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
