"""A booking as a page shows it to the acting person: with names, and only what this side may know."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import url_for

from karokar.assignment.facts import AssignmentFacts
from karokar.booking import rules
from karokar.booking.models import Booking, BookingPhoto
from karokar.booking.permissions import (
    BOOKING_ACTIVATE,
    BOOKING_APPROVE,
    BOOKING_ASSIGN,
    BOOKING_CANCEL,
    BOOKING_COMPLETE,
    BOOKING_CREATE,
    BOOKING_DISCARD,
    BOOKING_EDIT,
    BOOKING_SUBMIT,
    BOOKING_TERMINATE,
)
from karokar.booking.rules import Status
from karokar.fleet import facts as fleet
from karokar.fleet.facts import VehicleFacts
from karokar.identity import facts as identity
from karokar.identity.facts import Person
from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope, current_actor
from karokar.kernel.permissions import may, scope_of
from karokar.organization import facts as organization
from karokar.organization.facts import OrganizationFacts
from karokar.verification import facts as verification


@dataclass(frozen=True)
class Contact:
    """Somebody to call."""

    name: str
    phone: str | None


@dataclass(frozen=True)
class Shown:
    """One line of a list. `people` names employee and requester for the company's own side only; `known` are the
    persons that were looked up for the page.
    """

    booking: Booking
    vehicle: VehicleFacts | None
    vendor: OrganizationFacts
    corporate: OrganizationFacts
    is_vendor: bool
    is_corporate: bool
    people: dict[UUID, str]
    known: dict[UUID, Person]

    @property
    def vehicle_label(self) -> str:
        """What people call the vehicle."""
        return self.vehicle.label if self.vehicle else "A vehicle that is gone"

    @property
    def other(self) -> OrganizationFacts:
        """The other party; for the platform the vendor."""
        return self.corporate if self.is_vendor else self.vendor

    @property
    def employee(self) -> str:
        """Who gets the vehicle, as far as this side may know it here; nobody after they declined or left."""
        return "" if self.is_vacant else self.chosen

    @property
    def chosen(self) -> str:
        """Whom the company chose last, whatever they answered, as far as this side may know it."""
        return self.people.get(self.booking.employee_id, "") if self.booking.employee_id else ""

    @property
    def is_vacant(self) -> bool:
        """Whether the booking needs another driver."""
        return self.booking.state in set(rules.Vacancy)

    @property
    def contact(self) -> Contact:
        """Whom to call about it: the company its own employee, everybody else the company's contact person, from the
        approval on. A driver's own number is shown to a vendor on the booking and its sheet alone.
        """
        employee_id = self.booking.employee_id if self.is_corporate and not self.is_vacant else None
        driver = self.known.get(employee_id) if employee_id else None
        if driver is not None:
            return Contact(driver.name, driver.phone)
        if self.is_corporate or not rules.shows_contacts(Status(self.booking.status)):
            return Contact("", None)
        return Contact(self.corporate.contact_name or self.corporate.name, self.corporate.contact_phone)

    @property
    def requester(self) -> str:
        """Who asked for it, as far as this side may know it."""
        return self.people.get(self.booking.requested_by, "")

    @property
    def reason(self) -> str:
        """Why it ended, in words."""
        return rules.reason_label(self.booking.reason)

    @property
    def is_awaited(self) -> bool:
        """Whether the booking has ended while its vehicle is still to come back."""
        return self.booking.is_awaited

    @property
    def is_off_road(self) -> bool:
        """Whether the vehicle is promised and cannot be handed over as it is."""
        is_promised = self.booking.status in {Status.APPROVED.value, Status.ASSIGNED.value}
        return is_promised and (self.vehicle is None or self.vehicle.status != "ACTIVE")

    @property
    def is_late(self) -> bool:
        """Whether the vehicle should be back by now."""
        return self.booking.status == Status.ACTIVE.value and self.booking.end <= clock.now()


def shown_many(
    rows: Iterable[Booking],
    *,
    also_people: Iterable[UUID] = (),
    vehicle: VehicleFacts | None = None,
    parties: Mapping[UUID, OrganizationFacts] | None = None,
) -> list[Shown]:
    """Return bookings with their names, in a fixed number of statements.

    `also_people` are looked up with them; `vehicle` is that of all of them, and `parties` are
    organizations, as far as the caller knows them.
    """
    rows = list(rows)
    actor = current_actor()
    vehicles = {vehicle.id: vehicle} if vehicle else fleet.vehicles({row.vehicle_id for row in rows})
    involved = {row.vendor_organization_id for row in rows} | {row.corporate_organization_id for row in rows}
    known_parties = dict(parties or {})
    known_parties |= organization.organizations(involved - known_parties.keys())
    wanted = {
        person
        for row in rows
        for person in (row.requested_by, row.employee_id)
        if person is not None and _knows_people(row, actor)
    }
    known = identity.people(wanted | set(also_people))
    names = {person_id: known[person_id].name for person_id in wanted if person_id in known}
    return [
        Shown(
            booking=row,
            vehicle=vehicles.get(row.vehicle_id),
            vendor=known_parties[row.vendor_organization_id],
            corporate=known_parties[row.corporate_organization_id],
            is_vendor=actor.organization_id == row.vendor_organization_id,
            is_corporate=actor.organization_id == row.corporate_organization_id,
            people=names if _knows_people(row, actor) else {},
            known=known,
        )
        for row in rows
    ]


def shown(row: Booking, *, also_people: Iterable[UUID] = ()) -> Shown:
    """Return one booking with its names."""
    return shown_many([row], also_people=also_people)[0]


def photo_url(photo: BookingPhoto) -> str:
    """Return the address of a handover's picture."""
    return url_for("booking.photo", booking_id=photo.booking_id, photo_id=photo.id)


def _knows_people(row: Booking, actor: Actor) -> bool:
    return actor.organization_id == row.corporate_organization_id or actor.is_platform


# --- people across tenants ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Driver:
    """Who drives, as the vendor may know it."""

    name: str
    phone: str | None
    licence: str
    licence_until: datetime | None


def driver_of(line: Shown, current: AssignmentFacts | None) -> Driver | None:
    """Return who drives, to both sides as far as they may know: the vendor once it is accepted, until 30 days after."""
    booking = line.booking
    if booking.employee_id is None or line.is_vacant:
        return None
    if line.is_vendor:
        accepted = current is not None and current.status in {"ACCEPTED", "ACTIVE", "COMPLETED"}
        # One that was closed after it had begun was accepted, too.
        accepted = accepted or (current is not None and current.activated_at is not None)
        ended_at = clock.now() if booking.is_awaited else booking.returned_at or booking.actual_end or booking.end
        if not rules.shows_driver(accepted, ended_at, clock.now()):
            return None
    person = line.known.get(booking.employee_id) or identity.people([booking.employee_id]).get(booking.employee_id)
    if person is None:
        return None
    licence = verification.coverage("User", person.id).get("DRIVING_LICENSE")
    return Driver(
        name=person.name,
        phone=person.phone,
        licence=licence.status if licence else "MISSING",
        licence_until=licence.expires_at if licence else None,
    )


def find_current(booking: Booking, rounds: Iterable[AssignmentFacts]) -> AssignmentFacts | None:
    """Return the assignment of the booking's current round; None where its event has not been handled yet."""
    return next((one for one in rounds if one.round == booking.round), None)


# --- what may be done ------------------------------------------------------------------------------------------------


def offers(booking: Booking) -> frozenset[str]:
    """Return the actions that the acting person may take on this booking in its state."""
    actor = current_actor()
    status = Status(booking.status)
    is_vendor = actor.organization_id == booking.vendor_organization_id
    is_corporate = actor.organization_id == booking.corporate_organization_id
    found = set()
    for action, permission, by_vendor, by_corporate in _OFFERED:
        is_side = (is_vendor and by_vendor) or (is_corporate and by_corporate)
        is_side = is_side or scope_of(permission, actor) is Scope.ALL
        is_possible = rules.MACHINE.can(status, action) or (action == "complete" and booking.is_awaited)
        if is_side and may(permission, actor) and is_possible:
            found.add(action)
    if is_vendor and status not in rules.VENDOR_CANCELS:
        found.discard("cancel")
    if status is not Status.DRAFT and (
        (is_vendor and may(BOOKING_APPROVE, actor)) or (is_corporate and may(BOOKING_ASSIGN, actor))
    ):
        found.add("comment")
    if is_corporate and may(BOOKING_CREATE, actor) and status is not Status.DRAFT:
        found.add("again")
    for action, permission in (("correct_handover", BOOKING_ACTIVATE), ("correct_return", BOOKING_COMPLETE)):
        if (is_vendor or is_corporate) and may(permission, actor):
            found.add(action)
    return frozenset(found)


_OFFERED: Sequence[tuple[str, str, bool, bool]] = (
    ("edit", BOOKING_EDIT, False, True),
    ("discard", BOOKING_DISCARD, False, True),
    ("submit", BOOKING_SUBMIT, False, True),
    ("approve", BOOKING_APPROVE, True, False),
    ("assign", BOOKING_ASSIGN, False, True),
    ("activate", BOOKING_ACTIVATE, True, True),
    ("complete", BOOKING_COMPLETE, True, True),
    ("cancel", BOOKING_CANCEL, True, True),
    ("terminate", BOOKING_TERMINATE, True, True),
)
"""Action, its permission, and whether the vendor or the company takes it."""
