"""Two of everything: what is one's own, and what belongs to somebody else, by the names that routes use."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from karokar.assignment import actions as assignment_actions
from karokar.booking import actions as booking_actions
from karokar.fleet import actions as fleet_actions
from karokar.fleet.models import FleetNote
from karokar.identity import actions as identity_actions
from karokar.identity import queries as identity
from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.kernel.ids import new_id
from karokar.outbox.models import EventRow
from karokar.runs import actions as run_actions
from karokar.verification import queries as verification
from karokar.web.lists import saved_views
from tests.factories import fleet, people
from tests.factories.people import Company, Somebody

PLAIN = {
    "filename": "css/kk.css",
    "token": "forged",
    "name": "unknown",
    "fingerprint": "unknown",
    "kind": "unknown",
}
"""Arguments of routes that are no ids."""


@dataclass
class Side:
    """A vendor and a company that do business with each other, and what belongs to each: argument of routes → id."""

    vendor: Company
    corporate: Company
    employee: Somebody
    of_vendor: dict[str, UUID]
    of_corporate: dict[str, UUID]


def make_side(reviewer: Somebody) -> Side:
    """Everything that a route can name, once for each of the two organizations."""
    vendor = people.make_vendor(reviewer=reviewer)
    corporate = people.make_corporate(employees=1, reviewer=reviewer)
    start = clock.now() + timedelta(days=20)
    offered = fleet.make_vehicle(vendor)
    owned = fleet.make_vehicle(corporate)
    with people.acting(corporate.admin):
        booking = booking_actions.create_booking(offered, start, start + timedelta(days=1), "A visit")
        booking_actions.submit_booking(booking)
        assignment = assignment_actions.create_assignment(
            owned, corporate.employees[0].user_id, start, start + timedelta(days=1)
        )
    with people.acting(vendor.admin):
        booking_actions.approve_booking(booking)
    shared = {"booking_id": booking}
    return Side(
        vendor,
        corporate,
        corporate.employees[0],
        {**shared, **_things_of(vendor, offered)},
        {**shared, **_things_of(corporate, owned), "assignment_id": assignment},
    )


def _things_of(company: Company, vehicle_id: UUID) -> dict[str, UUID]:
    later = clock.now() + timedelta(days=40)
    member = people.add_member(company, f"{company.type}_ADMIN")
    handed_in = people.verify("User", company.admin.user_id, "DRIVING_LICENSE", by=company.admin)
    with people.acting(company.admin) as actor:
        role = identity_actions.create_role(name="Counter staff", permissions=["vehicle.read"])
        token = identity_actions.create_token(name="Export", permissions=["vehicle.read"], days=30)
        reading = fleet_actions.record_odometer(vehicle_id, kilometres=20_000)
        document = verification.get_page(handed_in).documents[0].id
        mark = identity.check_password(company.admin.email, company.admin.password).mark
        view = saved_views.save("fleet.index", "In the city", "city=Bengaluru", is_shared=True)
        identity_actions.open_session(company.admin.user_id, mark=mark, device="Another", address="127.0.0.1")
        run = run_actions.start_run("booking.cancel", {"filters": {}})
        file = run_actions.keep_file("identity.import", "people.csv", "first_name,last_name,email\n")
    event = db.session.scalars(
        select(EventRow).where(EventRow.aggregate_id == company.id).order_by(EventRow.id.desc()).limit(1)
    ).one()
    note = db.session.scalars(select(FleetNote.id).where(FleetNote.about_id == vehicle_id).limit(1)).one()
    return {
        "organization_id": company.id,
        "membership_id": member.membership_id,
        "user_id": member.user_id,
        "role_id": role.id,
        "token_id": token.id,
        "session_id": identity.list_sessions(actor.user_id or new_id())[0].id,
        "verification_id": handed_in,
        "document_id": document,
        "vehicle_id": vehicle_id,
        "window_id": fleet.make_window(company, vehicle_id, later, later + timedelta(days=1)),
        "reading_id": reading,
        "event_id": event.event_id,
        "note_id": note,
        "correlation_id": event.correlation_id,
        "view_id": view,
        "run_id": run,
        "import_id": file,
    }
