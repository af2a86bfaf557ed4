"""What people type is kept beside the events, never in them: not in payloads, changes, audit records or log lines."""

import importlib
import inspect
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import String, cast, select, update
from structlog.testing import capture_logs

from karokar.administration import actions as administration
from karokar.assignment import actions as assignments
from karokar.audit import actions as audit
from karokar.audit.models import AuditRecord
from karokar.availability import actions as availability
from karokar.availability.models import AvailabilityConflict
from karokar.booking import actions as bookings
from karokar.booking.models import BookingNote
from karokar.contexts import CONTEXTS
from karokar.fleet import actions as fleet
from karokar.fleet.models import MaintenanceWindow, Vehicle
from karokar.identity import actions as identity
from karokar.identity.models import Membership
from karokar.kernel.actor import acting_as
from karokar.kernel.db import Aggregate, db, transaction
from karokar.kernel.text.notes import Note, texts_of
from karokar.notification.actions.rendering import render_mail
from karokar.notification.models import Notification
from karokar.organization import actions as organizations
from karokar.outbox.models import DeferredDelivery, EventRow
from karokar.outbox.operations.actions import digest_of_open, number_of
from karokar.verification import actions as verifications
from tests.factories import booking as make
from tests.factories import fleet as fleet_facts
from tests.factories import people
from tests.factories.booking import NOON, World

TELLS = "notification.tell_of_verifications"
MARK = "Ask Priya Nair at the blue house"

CODES = {
    "booking": {"reason"},
    "booking.correct_odometer": {"kind"},
    "assignment.correct_odometer": {"kind"},
    "assignment.close_assignment": {"reason"},
    "assignment.close_for_booking": {"reason"},
    "assignment.release_member": {"reason"},
    "verification": {"reason", "entity_type", "kind", "plate", "sha256"},
    "organization": {"reason", "name", "type", "time_zone"},
    "fleet.suspend_vehicle": {"reason"},
    "fleet.suspend_for_documents": {"reason"},
    "fleet.correct_odometer": {"reason"},
    "fleet": {
        "plate_country",
        "kind",
        "source",
        "cost_currency",
        "make",
        "model",
        "license_plate",
        "category",
        "city",
        "time_zone",
    },
    "identity": {"name", "locale", "time_zone", "theme", "device", "browser", "kind", "mark"},
    "identity.refuse_sign_in": {"reason"},
    "identity.reset_second_factor_of": {"identity_check"},
    "administration": {"handler", "fingerprint", "expected", "shown", "key", "name"},
    "audit": {"subject", "format_", "place"},
    "runs": {"kind", "name", "text", "title"},
}
"""Parameters of actions that are words of the code, or what a thing is called."""

PERSONAL = {
    "first_name",
    "last_name",
    "email",
    "phone",
    "password",
    "current",
    "new",
    "token",
    "code",
    "proof",
    "address",
}
"""Parameters that no event carries, by another test."""


def typed_parameters() -> Iterator[tuple[str, str]]:
    """Every action, and each of its parameters into which people type."""
    for context in CONTEXTS:
        try:
            module = importlib.import_module(f"karokar.{context}.actions")
        except ModuleNotFoundError:
            continue
        for name, function in vars(module).items():
            if not getattr(function, "__action__", False):
                continue
            coded = CODES.get(context, set()) | CODES.get(f"{context}.{name}", set()) | PERSONAL
            if context == "fleet":
                coded = coded - {"address"}
            for parameter in inspect.signature(function).parameters.values():
                if parameter.annotation in (str, str | None) and parameter.name not in coded:
                    yield f"{context}.{name}", parameter.name


def mark(action: str, parameter: str) -> str:
    return f"{MARK}, {action} {parameter}"


def say(action: str, *parameters: str) -> dict[str, str]:
    return {parameter: mark(action, parameter) for parameter in parameters}


def version_of(class_: type[Aggregate], entity_id: UUID) -> int:
    return db.session.scalars(select(class_.version).where(class_.id == entity_id)).one()


def drive(world: World) -> set[tuple[str, str]]:
    """Do everything into which something can be typed, each with a sentence of its own; return what was done."""
    done: set[tuple[str, str]] = set()

    def typed(action: str, *parameters: str) -> dict[str, str]:
        done.update((action, parameter) for parameter in parameters)
        return say(action, *parameters)

    vendor, company, platform, employee = (
        world.vendor_admin, world.company_admin, world.platform_admin, world.employee,
    )  # fmt: skip
    later = {"start": world.start + timedelta(days=10), "end": world.end + timedelta(days=10)}

    with world.acting(company):
        made = bookings.create_booking(
            world.vehicle, world.start, world.end, **typed("booking.create_booking", "purpose")
        )
        bookings.edit_booking(made, world.start, world.end, **typed("booking.edit_booking", "purpose"))
        bookings.discard_booking(made)
        sent = bookings.request_booking(
            world.vehicle, world.start, world.end, **typed("booking.request_booking", "purpose")
        )
        bookings.comment_booking(sent, **typed("booking.comment_booking", "text"))
        rival = bookings.request_booking(world.vehicle, world.start, world.end)
    with world.acting(vendor):
        bookings.approve_booking(
            sent, reject_overlapping=True, reason="ALREADY_PROMISED", **typed("booking.approve_booking", "note")
        )
    assert make.booking(rival).status == "REJECTED"
    turned_down = world.requested(**later)
    with world.acting(vendor):
        bookings.reject_booking(turned_down.id, "OTHER", **typed("booking.reject_booking", "note"))
    with world.acting(company):
        bookings.cancel_booking(sent, "OTHER", **typed("booking.cancel_booking", "note"))
    ended = world.active()
    with world.acting(vendor, world.start + timedelta(hours=1)):
        bookings.terminate_booking(ended.id, "OTHER", **typed("booking.terminate_booking", "note"))
    out = world.accepted(**later)
    with world.acting(vendor, later["start"]):
        bookings.activate_booking(out.id, 20_000, 90, **typed("booking.activate_booking", "notes"))
    with world.acting(vendor, later["end"]):
        bookings.complete_booking(out.id, 20_100, 80, is_damaged=True, **typed("booking.complete_booking", "notes"))

    declined = world.direct()
    with world.acting(employee):
        assignments.reject_assignment(declined.id, **typed("assignment.reject_assignment", "reason"))
    driven = world.direct(start=world.start + timedelta(days=20), end=world.end + timedelta(days=20))
    with world.acting(employee, world.start):
        assignments.accept_assignment(driven.id)
    with world.acting(company, driven.start):
        assignments.start_assignment(driven.id, 30_000, 90, **typed("assignment.start_assignment", "notes"))
        assignments.complete_assignment(driven.id, 30_010, 80, **typed("assignment.complete_assignment", "notes"))

    with world.acting(vendor):
        car = fleet.register_vehicle(
            **{**fleet_facts.facts(), **typed("fleet.register_vehicle", "address")}  # type: ignore[arg-type]
        )
        fleet.edit_vehicle(
            car,
            version=version_of(Vehicle, car),
            **{
                name: value
                for name, value in {**fleet_facts.facts(), **typed("fleet.edit_vehicle", "address")}.items()
                if name != "odometer"
            },
        )
        period = {"start": NOON + timedelta(days=40), "end": NOON + timedelta(days=41)}
        window = fleet.schedule_maintenance(
            world.vehicle, kind="SERVICE", **period, **typed("fleet.schedule_maintenance", "description")
        )
        fleet.change_maintenance(
            window,
            version=version_of(MaintenanceWindow, window),
            kind="SERVICE",
            **period,
            **typed("fleet.change_maintenance", "description"),
        )
        fleet.cancel_maintenance(window, **typed("fleet.cancel_maintenance", "reason"))
        reading = fleet.record_odometer(car, kilometres=90_000, **typed("fleet.record_odometer", "note"))
        fleet.void_odometer(car, reading, **typed("fleet.void_odometer", "reason"))
        fleet.retire_vehicle(car, **typed("fleet.retire_vehicle", "reason"))
    promised = world.approved(start=NOON + timedelta(days=60), end=NOON + timedelta(days=61))
    with world.acting(vendor):
        fleet.schedule_maintenance(world.vehicle, kind="REPAIR", start=promised.start, end=promised.end)
    world.deliver()
    clash = db.session.scalars(select(AvailabilityConflict.id).where(AvailabilityConflict.status == "OPEN")).first()
    assert clash is not None
    with world.acting(vendor):
        availability.resolve_conflict(clash, **typed("availability.resolve_conflict", "note"))
        fleet.suspend_vehicle(world.vehicle, reason="OTHER", **typed("fleet.suspend_vehicle", "note"))

    with world.acting(company):
        role = identity.create_role(
            name="Counter", permissions=["vehicle.read"], **typed("identity.create_role", "description")
        )
        identity.update_role(
            role.id, name="Desk", permissions=["vehicle.read"], **typed("identity.update_role", "description")
        )
        member = db.session.scalars(select(Membership).where(Membership.user_id == world.colleague.user_id)).one()
        identity.suspend_member(member.id, **typed("identity.suspend_member", "reason"))
        identity.remove_member(member.id, **typed("identity.remove_member", "reason"))

        organizations.update_organization(
            world.company, details={"registered_address": mark("organization.update_organization", "details")}
        )

    for reject in (True, False):
        applied = organizations.apply(
            name="Northern Looms", type="CORPORATE", time_zone="Europe/Berlin", first_name="Ada", last_name="Byron",
            email=f"ada{reject}@looms.example", details={"registered_address": mark("organization.apply", "details")},
        )  # fmt: skip
        with world.acting(platform):
            if reject:
                organizations.reject_organization(
                    applied.id, reason="OTHER", **typed("organization.reject_organization", "notes")
                )
    with world.acting(company):
        handed_in = [
            verifications.request_verification(
                entity_type="Organization", entity_id=world.company, kind="ORGANIZATION_REGISTRATION",
                uploads=[people.pdf(f"number {number}")],
            ).id
            for number in range(1)
        ]  # fmt: skip
    with world.acting(platform):
        verifications.reject_verification(
            handed_in[0], reason="OTHER", **typed("verification.reject_verification", "note")
        )
    with world.acting(company):
        again = verifications.request_verification(
            entity_type="Organization", entity_id=world.company, kind="ORGANIZATION_REGISTRATION",
            uploads=[people.pdf("number 2")],
        ).id  # fmt: skip
    with world.acting(platform):
        verifications.approve_verification(again, **typed("verification.approve_verification", "note"))
        verifications.revoke_verification(again, reason="OTHER", **typed("verification.revoke_verification", "note"))
        verified = make.verified("Organization", applied.id, applied.id, "ORGANIZATION_REGISTRATION")
        assert verified
        organizations.approve_organization(applied.id, **typed("organization.approve_organization", "notes"))
        organizations.suspend_organization(
            applied.id, reason="OTHER", **typed("organization.suspend_organization", "notes")
        )
        organizations.reinstate_organization(applied.id, **typed("organization.reinstate_organization", "notes"))
        administration.pause_handler(TELLS, **typed("administration.pause_handler", "reason"))
    with world.acting(company):
        for kind in ("DRIVING_LICENSE", "REPRESENTATIVE_IDENTITY"):
            verifications.request_verification(
                entity_type="User", entity_id=company.user_id, kind=kind, uploads=[people.pdf(kind)]
            )
    world.deliver()
    held = db.session.execute(
        select(EventRow.event_id, DeferredDelivery.position)
        .join(DeferredDelivery, DeferredDelivery.event_id == EventRow.id)
        .where(DeferredDelivery.state == "waiting", DeferredDelivery.handler == number_of(TELLS))
    ).all()
    with transaction() as session:
        for (_event_id, position), fingerprint in zip(held[1:3], "fg", strict=True):
            session.execute(
                update(DeferredDelivery)
                .where(DeferredDelivery.position == position, DeferredDelivery.handler == number_of(TELLS))
                .values(state="dead", fingerprint=fingerprint, error="ValueError")
            )
    with world.acting(platform):
        administration.dismiss_delivery(held[0].event_id, TELLS, **typed("administration.dismiss_delivery", "reason"))
        administration.dismiss_failures(
            TELLS, "f", shown=digest_of_open(TELLS, "f"), **typed("administration.dismiss_failures", "reason")
        )
        administration.dismiss_dead_letter(
            TELLS, held[2].position, **typed("administration.dismiss_dead_letter", "reason")
        )
        administration.resume_handler(TELLS)
        audit.record_export("audit log", "csv", 3, {"producer": "booking"})
    return done


def stored_for_ever() -> str:
    """All that is in events and in the audit log, as one text."""
    db.session.rollback()
    documents = (
        (EventRow.payload, EventRow.meta, EventRow.stream),
        (AuditRecord.payload, AuditRecord.changes, AuditRecord.summary),
    )
    found = [
        str(value)
        for columns in documents
        for row in db.session.execute(select(*(cast(column, String) for column in columns)))
        for value in row
    ]
    return "\n".join(found)


def kept_texts() -> set[str]:
    db.session.rollback()
    return {text for class_ in Note.of_producer.values() for text in db.session.scalars(select(class_.text)) if text}


def test_nothing_that_people_type_is_in_events_audit_records_or_log_lines(any_app: Flask):
    world = make.make_world()
    with capture_logs() as lines:
        done = drive(world)
        world.deliver()
        audit.seal_chain()
    for_ever = stored_for_ever()
    assert len(for_ever) > 50_000
    assert MARK not in for_ever
    assert MARK not in str(lines)
    assert set(typed_parameters()) - done == set(), "an action into which people type is not tried"
    kept = kept_texts()
    elsewhere = {
        # Rows of their context to which no event refers by a note: the event names the row, or says nothing of it.
        ("booking.comment_booking", "text"),
        ("booking.activate_booking", "notes"),
        ("booking.complete_booking", "notes"),
        ("assignment.start_assignment", "notes"),
        ("assignment.complete_assignment", "notes"),
        ("fleet.record_odometer", "note"),
    }
    assert {(action, name) for action, name in done if mark(action, name) not in kept} <= elsewhere


@pytest.fixture
def rejected(app: Flask) -> World:
    """A booking that the vendor rejected with a note."""
    world = make.make_world()
    made = world.requested()
    with world.acting(world.vendor_admin):
        bookings.reject_booking(made.id, "OTHER", "Mr Rao lost the keys")
    world.deliver()
    return world


def events_of_rejection(client: FlaskClient, token: str, path: str) -> dict:
    answer = client.get(path, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    found: dict = answer.get_json()
    return found


def test_a_note_is_shown_to_whoever_saw_the_event_before(client: FlaskClient, rejected: World):
    booking_id = db.session.scalars(select(BookingNote.about_id)).first()
    for who in (rejected.vendor_admin, rejected.company_admin):
        make.sign_in(client, who)
        page = client.get(f"/timeline/Booking/{booking_id}").text
        assert page.count("Mr Rao lost the keys") == 1
        for format_ in ("csv", "jsonl"):
            assert (
                "Mr Rao lost the keys" in client.get(f"/timeline/Booking/{booking_id}/download?format={format_}").text
            )
        people.sign_out(client)
    message = db.session.scalars(select(Notification).where(Notification.template == "BookingRejected")).first()
    assert message is not None
    assert "Mr Rao" not in str(message.data)
    mail = render_mail(message.id, message.recipient_id, message.kind, message.template, message.data)
    assert mail is not None
    assert "Mr Rao lost the keys" in mail.text


def test_a_purpose_is_seen_by_its_own_side_only(client: FlaskClient, rejected: World):
    booking_id = db.session.scalars(select(BookingNote.about_id)).first()
    make.sign_in(client, rejected.company_admin)
    assert "Site visit" in client.get(f"/timeline/Booking/{booking_id}").text
    people.sign_out(client)
    make.sign_in(client, rejected.vendor_admin)
    assert "Site visit" not in client.get(f"/timeline/Booking/{booking_id}").text


def test_an_erased_note_reads_removed(client: FlaskClient, rejected: World):
    note = db.session.scalars(select(BookingNote).where(BookingNote.text == "Mr Rao lost the keys")).one()
    with transaction():
        note.text = None
    make.sign_in(client, rejected.company_admin)
    page = client.get(f"/timeline/Booking/{note.about_id}").text
    assert "Mr Rao" not in page
    assert "removed" in page


def test_programs_follow_the_reference_of_an_event_that_they_see(client: FlaskClient, rejected: World):
    tokens = {}
    for who in (rejected.vendor_admin, rejected.company_admin):
        with acting_as(who):
            tokens[who.user_id] = identity.create_token(name="Reader", permissions=["event.read"], days=365).secret
    stranger = make.another_company()
    with acting_as(stranger):
        foreign = identity.create_token(name="Reader", permissions=["event.read"], days=365).secret
    vendor, company = tokens[rejected.vendor_admin.user_id], tokens[rejected.company_admin.user_id]
    for token in (vendor, company):
        events = events_of_rejection(client, token, "/v1/events?type=BookingRejected")
        assert "Mr Rao" not in str(events)
        note_id = events["data"][0]["payload"]["noteId"]
        assert events_of_rejection(client, token, f"/v1/notes/{note_id}")["text"] == "Mr Rao lost the keys"
    assert client.get(f"/v1/notes/{note_id}", headers={"Authorization": f"Bearer {foreign}"}).status_code == 404
    purpose = db.session.scalars(select(BookingNote.id).where(BookingNote.field == "purpose")).first()
    assert events_of_rejection(client, company, f"/v1/notes/{purpose}")["text"] == "Site visit"
    assert client.get(f"/v1/notes/{purpose}", headers={"Authorization": f"Bearer {vendor}"}).status_code == 404


def test_a_text_that_comes_again_is_a_note_again(app: Flask):
    """Each event has the note that it came with, though the column that holds the text did not change."""
    vendor = people.make_vendor()
    vehicle_id = fleet_facts.make_vehicle(vendor)
    with people.acting(vendor.admin):
        fleet.suspend_vehicle(vehicle_id, reason="DAMAGE", note="Windscreen")
        fleet.activate_vehicle(vehicle_id)
        fleet.suspend_vehicle(vehicle_id, reason="DAMAGE", note="Windscreen")
    told = [event.note_id for event in make.told(vehicle_id) if event.event_type == "VehicleSuspended"]
    assert len(set(told)) == 2
    assert set(texts_of(told).values()) == {"Windscreen"}
