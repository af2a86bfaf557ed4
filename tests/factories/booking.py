"""A small marketplace for tests of bookings: a vendor with vehicles, a company with people, and each of them as actors.

What other contexts own is written straight into their tables: tests of bookings start from facts, not from the actions
by which others came to them. Bookings and assignments themselves are made by their actions only.

    world = make_world()
    with world.acting(world.vendor_admin):
        approve_booking(world.requested().id)
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import insert, select, update

from karokar.assignment import actions as assignments
from karokar.assignment.models import Assignment
from karokar.booking import actions
from karokar.booking.models import Booking
from karokar.events.base import Event
from karokar.events.contracts import codec
from karokar.kernel import clock
from karokar.kernel.actor import Actor, acting_as
from karokar.kernel.db import Base, db, transaction
from karokar.kernel.ids import new_id
from karokar.kernel.permissions import PERMISSIONS
from karokar.kernel.text.normalization import search_key
from karokar.outbox.delivery.drain import drain_all
from tests.factories import people

NOON = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)
"""The moment at which most stories begin: a Monday."""

_numbers = itertools.count(1)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def put(table: str, **values: Any) -> UUID:
    """Write one row of any context, as a fact that the test starts from; return its id."""
    columns = Base.metadata.tables[table].columns
    now = clock.now()
    row: dict[str, Any] = {"created_at": now, "updated_at": now, "version": 1, "event_count": 0}
    if "id" in columns:
        row["id"] = new_id()
    row |= values
    with transaction() as session:
        session.execute(insert(Base.metadata.tables[table]).values({k: v for k, v in row.items() if k in columns}))
    return row.get("id") or new_id()


def change(table: str, row_id: UUID, **values: Any) -> None:
    """Change a row of any context, as a fact."""
    of = Base.metadata.tables[table]
    with transaction() as session:
        session.execute(update(of).where(of.c.id == row_id).values(**values))


def organization(type_: str, name: str = "", **values: Any) -> UUID:
    number = next(_numbers)
    made = put(
        "organizations",
        **{
            "name": name or f"{type_.title()} {number}",
            "search_key": search_key(name or f"{type_.title()} {number}"),
            "type": type_,
            "status": "ACTIVE",
            "metadata": {},
            "time_zone": "Europe/Berlin",
            "buffer_minutes": 0,
            "contact_name": f"Desk {number}",
            "contact_phone": f"+49 30 {number:05d}",
            "reminders": True,
            "applied_at": clock.now(),
        }
        | values,
    )
    verified("Organization", made, made, "ORGANIZATION_REGISTRATION")
    return made


def verified(entity_type: str, entity_id: UUID, organization_id: UUID, kind: str, **values: Any) -> UUID:
    return put(
        "verifications",
        **{
            "entity_type": entity_type,
            "entity_id": entity_id,
            "organization_id": organization_id,
            "kind": kind,
            "status": "APPROVED",
            "method": "MANUAL",
            "requested_at": clock.now() - timedelta(days=30),
            "expires_at": clock.now() + timedelta(days=3650),
        }
        | values,
    )


def person(first_name: str = "") -> UUID:
    number = next(_numbers)
    return put(
        "users",
        first_name=first_name or f"Person{number}",
        last_name="Test",
        email=f"person{number}@example.com",
        phone=f"+49 170 {number:05d}",
        locale="en",
        time_zone="Europe/Berlin",
        theme="auto",
    )


def member(user_id: UUID, organization_id: UUID, role: str, status: str = "ACTIVE") -> UUID:
    roles = Base.metadata.tables["roles"]
    role_id = db.session.scalar(select(roles.c.id).where(roles.c.code == role))
    return put(
        "memberships",
        user_id=user_id,
        organization_id=organization_id,
        role_id=role_id,
        status=status,
        invited_at=clock.now(),
        joined_at=clock.now(),
    )


def actor(user_id: UUID, organization_id: UUID, role: str) -> Actor:
    """The person as they act, with the rights that the matrix gives the role."""
    organizations, users = Base.metadata.tables["organizations"], Base.metadata.tables["users"]
    found = db.session.execute(select(organizations).where(organizations.c.id == organization_id)).one()
    name = db.session.scalar(select(users.c.first_name).where(users.c.id == user_id)) or ""
    held = {code: scope for code, one in PERMISSIONS.items() if (scope := one.scope_for(role)) is not None}
    return Actor(
        user_id=user_id,
        organization_id=organization_id,
        organization_type=found.type,
        organization_status=found.status,
        organization_name=found.name,
        name=name,
        role=role,
        time_zone=found.time_zone,
        permissions=held,
    )


def vehicle(organization_id: UUID, *, owned_by: str = "VENDOR_OWNED", **values: Any) -> UUID:
    number = next(_numbers)
    row = {
        "organization_id": organization_id,
        "ownership_type": owned_by,
        "make": "Skoda",
        "model": "Octavia",
        "year": 2024,
        "license_plate": f"B-KK {number:04d}",
        "plate_key": f"BKK{number:04d}",
        "category": "COMPACT",
        "seats": 5,
        "city": "Berlin",
        "city_key": "berlin",
        "address": "Hafenstr. 1",
        "time_zone": "Europe/Berlin",
        "odometer": 10_000,
        "status": "ACTIVE",
        "suspension_reason": "",
        "suspension_note": "",
    } | values
    text = " ".join(row[name] for name in ("make", "model", "license_plate", "plate_key"))
    made = put("vehicles", **row, search_key=search_key(text))
    with transaction() as session:
        session.execute(insert(Base.metadata.tables["vehicle_calendars"]).values(vehicle_id=made))
    return made


@dataclass
class World:
    """Who and what is there. Times are counted from `start`, two days after NOON unless given."""

    vendor: UUID
    company: UUID
    platform: UUID
    vehicle: UUID
    own_vehicle: UUID
    vendor_admin: Actor
    company_admin: Actor
    platform_admin: Actor
    employee: Actor
    colleague: Actor
    start: datetime = NOON + timedelta(days=2)
    end: datetime = NOON + timedelta(days=3)

    @contextmanager
    def acting(self, who: Actor, at: datetime = NOON) -> Iterator[None]:
        """Act as somebody at a moment."""
        with clock.standing_at(at), acting_as(who):
            yield

    def drafted(self, **given: Any) -> Booking:
        """A draft of the company."""
        values = {"vehicle_id": self.vehicle, "start": self.start, "end": self.end, "purpose": "Site visit"} | given
        with self.acting(given.pop("by", None) or self.company_admin):
            values.pop("by", None)
            return booking(actions.create_booking(**values))

    def requested(self, **given: Any) -> Booking:
        """A request that waits for the vendor."""
        made = self.drafted(**given)
        with self.acting(given.get("by") or self.company_admin):
            return actions.submit_booking(made.id)

    def approved(self, **given: Any) -> Booking:
        """A booking that the vendor approved."""
        made = self.requested(**given)
        with self.acting(self.vendor_admin):
            return actions.approve_booking(made.id)

    def assigned(self, to: Actor | None = None, **given: Any) -> Booking:
        """A booking for which the company chose an employee; they have been asked."""
        made = self.approved(**given)
        with self.acting(self.company_admin):
            made = actions.assign_booking(made.id, (to or self.employee).user_id)
        self.deliver()
        return made

    def accepted(self, to: Actor | None = None, **given: Any) -> Booking:
        """A booking whose employee accepted."""
        made = self.assigned(to, **given)
        with self.acting(to or self.employee):
            assignments.accept_assignment(assignment_of(made.id).id)
        self.deliver()
        return booking(made.id)

    def active(self, to: Actor | None = None, **given: Any) -> Booking:
        """A booking whose vehicle is out since its start."""
        made = self.accepted(to, **given)
        with self.acting(self.vendor_admin, made.start):
            made = actions.activate_booking(made.id, 10_000, 100)
        self.deliver(made.start)
        return made

    def direct(self, to: Actor | None = None, **given: Any) -> Assignment:
        """An assignment of the company's own vehicle."""
        values = {"vehicle_id": self.own_vehicle, "start": self.start, "end": self.end} | given
        with self.acting(self.company_admin):
            made = assignments.create_assignment(employee_id=(to or self.employee).user_id, **values)
        return assignment(made)

    def deliver(self, at: datetime = NOON) -> None:
        """Let every handler see every event."""
        with clock.standing_at(at):
            drain_all()


def make_world(**vendor: Any) -> World:
    """Return a fresh marketplace; what is given goes to the vendor's organization (`buffer_minutes=60`)."""
    with clock.standing_at(NOON - timedelta(days=1)):
        vendor_id = organization("VENDOR", "Harbour Cars", **vendor)
        company_id = organization("CORPORATE", "Meridian Textiles")
        platform_id = organization("PLATFORM", "KaroKar")
        ids: dict[str, UUID] = {}
        for name, of, role in (
            ("Vera", vendor_id, "VENDOR_ADMIN"),
            ("Carl", company_id, "CORPORATE_ADMIN"),
            ("Paula", platform_id, "PLATFORM_ADMIN"),
            ("Emil", company_id, "EMPLOYEE"),
            ("Cora", company_id, "EMPLOYEE"),
        ):
            ids[name] = person(name)
            member(ids[name], of, role)
        verified("User", ids["Carl"], company_id, "REPRESENTATIVE_IDENTITY")
        for name in ("Emil", "Cora"):
            verified("User", ids[name], company_id, "DRIVING_LICENSE")
        return World(
            vendor=vendor_id,
            company=company_id,
            platform=platform_id,
            vehicle=vehicle(vendor_id),
            own_vehicle=vehicle(company_id, owned_by="CORPORATE_OWNED"),
            vendor_admin=actor(ids["Vera"], vendor_id, "VENDOR_ADMIN"),
            company_admin=actor(ids["Carl"], company_id, "CORPORATE_ADMIN"),
            platform_admin=actor(ids["Paula"], platform_id, "PLATFORM_ADMIN"),
            employee=actor(ids["Emil"], company_id, "EMPLOYEE"),
            colleague=actor(ids["Cora"], company_id, "EMPLOYEE"),
        )


def another_company(name: str = "Other Mills") -> Actor:
    """The administrator of another company that may send requests."""
    with clock.standing_at(NOON - timedelta(days=1)):
        company_id = organization("CORPORATE", name)
        user_id = person()
        member(user_id, company_id, "CORPORATE_ADMIN")
        verified("User", user_id, company_id, "REPRESENTATIVE_IDENTITY")
        return actor(user_id, company_id, "CORPORATE_ADMIN")


def booking(booking_id: UUID) -> Booking:
    """The booking as it is in the database now."""
    db.session.rollback()
    return db.session.scalars(select(Booking).where(Booking.id == booking_id)).one()


def assignment(assignment_id: UUID) -> Assignment:
    """The assignment as it is in the database now."""
    db.session.rollback()
    return db.session.scalars(select(Assignment).where(Assignment.id == assignment_id)).one()


def assignment_of(booking_id: UUID) -> Assignment:
    """The newest assignment of a booking."""
    db.session.rollback()
    statement = select(Assignment).where(Assignment.booking_id == booking_id).order_by(Assignment.round.desc())
    return db.session.scalars(statement).first() or _missing(booking_id)


def _missing(booking_id: UUID) -> Assignment:
    raise AssertionError(f"The booking {booking_id} has no assignment.")


def sign_in(client: FlaskClient, who: Actor) -> None:
    """Sign a browser in as this person, without the sign-in page."""
    memberships = Base.metadata.tables["memberships"]
    assert who.user_id is not None
    assert who.organization_id is not None
    membership_id = db.session.scalar(
        select(memberships.c.id).where(
            memberships.c.user_id == who.user_id, memberships.c.organization_id == who.organization_id
        )
    )
    people.sign_in(
        client,
        people.Somebody(
            user_id=who.user_id,
            organization_id=who.organization_id,
            membership_id=membership_id,
            role=who.role or "",
            email="",
            name=who.name,
        ),
    )


def told(entity_id: UUID) -> list[Event]:
    """The events of one aggregate, oldest first."""
    db.session.rollback()
    events = Base.metadata.tables["events"]
    rows = db.session.execute(
        select(events.c.event_type, events.c.version, events.c.payload)
        .where(events.c.aggregate_id == entity_id)
        .order_by(events.c.aggregate_seq)
    )
    return [codec.decode(*row) for row in rows]
