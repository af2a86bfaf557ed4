"""Who is told of what, on which channel, with what of it: the matrix, by things that really happen."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from karokar.booking import actions as bookings
from karokar.events.base import LATEST
from karokar.events.fleet import VehicleMaintenanceScheduled
from karokar.kernel.actor import Actor, acting_as
from karokar.kernel.db import db, transaction
from karokar.notification.actions import choose, mark_all_read, mark_read
from karokar.notification.handlers import tell_of_vehicles
from karokar.notification.models import Mail, Notification
from karokar.notification.queries import count_unread, count_unread_elsewhere, list_choices, list_messages
from karokar.notification.rules.matrix import KINDS, MATRIX, wanted_channels
from karokar.notification.rules.texts import TEXTS
from tests.factories.booking import another_company, make_world, member, person
from tests.factories.envelopes import make_envelope, make_event

IN_APP, EMAIL = "IN_APP", "EMAIL"


def told(template: str) -> set[tuple[UUID, str]]:
    db.session.rollback()
    rows = db.session.scalars(select(Notification).where(Notification.template == template))
    return {(row.recipient_id, row.channel) for row in rows}


def on(channels: Iterable[str], *people: Actor) -> set[tuple[UUID | None, str]]:
    return {(one.user_id, channel) for one in people for channel in channels}


def data_for(template: str, recipient: Actor) -> dict:
    row = db.session.scalars(
        select(Notification).where(
            Notification.template == template,
            Notification.recipient_id == recipient.user_id,
            Notification.channel == IN_APP,
        )
    ).one()
    return row.data


def test_every_row_of_the_matrix_is_about_an_event_that_exists_and_has_words(app: Flask):
    assert MATRIX.keys() <= LATEST.keys()
    assert MATRIX.keys() == TEXTS.keys()
    assert {row.kind for row in MATRIX.values()} == KINDS.keys()


def test_a_request_is_told_to_the_vendor_without_purpose_and_people(any_app: Flask):
    world = make_world()
    world.requested()
    world.deliver()
    assert told("BookingRequested") == on((IN_APP, EMAIL), world.vendor_admin)
    data = data_for("BookingRequested", world.vendor_admin)
    assert data["corporateOrganizationId"] == str(world.company)
    assert not {"purpose", "requestedBy", "employeeId"} & data.keys()
    assert str(world.company_admin.user_id) not in repr(data)


def test_a_draft_is_told_to_nobody(app: Flask):
    world = make_world()
    world.drafted()
    world.deliver()
    assert db.session.scalar(select(func.count()).select_from(Notification)) == 0


def test_an_assignment_goes_to_the_employee_and_the_vendor_learns_no_name(app: Flask):
    world = make_world()
    world.assigned()
    world.deliver()
    assert told("AssignmentCreated") == on((IN_APP, EMAIL), world.employee)
    assert told("BookingAssigned") == on((IN_APP, EMAIL), world.vendor_admin)
    assert "employeeId" not in data_for("BookingAssigned", world.vendor_admin)


def test_a_cancellation_by_the_company_is_told_to_the_vendor_and_the_employee(app: Flask):
    world = make_world()
    made = world.accepted()
    with world.acting(world.company_admin):
        bookings.cancel_booking(made.id, "PLANS_CHANGED", "The fair is called off")
    world.deliver()
    assert told("BookingCancelled") == on((IN_APP, EMAIL), world.vendor_admin, world.employee)
    assert told("AssignmentClosed") == on((IN_APP, EMAIL), world.employee)


def test_maintenance_is_told_to_the_owner_and_to_companies_whose_bookings_it_touches(app: Flask):
    world = make_world()
    elsewhere = another_company()
    world.approved()
    event = make_event(
        VehicleMaintenanceScheduled,
        vehicle_id=world.vehicle,
        organization_id=world.vendor,
        start=world.end - timedelta(hours=2),
        end=world.end + timedelta(hours=2),
    )
    with transaction():
        tell_of_vehicles(make_envelope(event, actor_id=world.vendor_admin.user_id, organization_id=world.vendor))
    found = told("VehicleMaintenanceScheduled")
    assert on((IN_APP, EMAIL), world.vendor_admin, world.company_admin) == found
    assert elsewhere.user_id not in {recipient for recipient, _channel in found}
    assert data_for("VehicleMaintenanceScheduled", world.company_admin).keys() == {
        "vehicleId",
        "start",
        "end",
        "affected",
    }


def test_an_event_delivered_again_tells_nobody_twice_and_nobody_new(any_app: Flask):
    world = make_world()
    world.approved()
    world.deliver()
    before = db.session.scalar(select(func.count()).select_from(Notification))
    mails = db.session.scalar(select(func.count()).select_from(Mail))
    member(person("Newcomer"), world.company, "CORPORATE_ADMIN")
    with transaction() as session:
        session.execute(text("delete from progress"))
        session.execute(text("delete from handled"))
    world.deliver()
    assert db.session.scalar(select(func.count()).select_from(Notification)) == before
    assert db.session.scalar(select(func.count()).select_from(Mail)) == mails


def test_what_somebody_turned_off_does_not_reach_them_on_that_channel(app: Flask):
    world = make_world()
    with world.acting(world.company_admin):
        choose({("BOOKING_DECISIONS", EMAIL): False})
    world.approved()
    world.deliver()
    assert told("BookingApproved") == on((IN_APP,), world.company_admin, world.vendor_admin)


def test_requests_for_approval_cannot_be_turned_off_in_the_console(app: Flask):
    world = make_world()
    with world.acting(world.vendor_admin):
        choose({("BOOKING_REQUESTS", IN_APP): False, ("BOOKING_REQUESTS", EMAIL): False})
        chosen = {(one.kind, one.channel): one for one in list_choices(world.vendor_admin.user_id)}
    assert not chosen["BOOKING_REQUESTS", IN_APP].can_choose
    world.requested()
    world.deliver()
    assert told("BookingRequested") == on((IN_APP,), world.vendor_admin)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_fixed_reaches_people_whatever_they_chose(kind: str):
    offered = KINDS[kind].offered
    assert wanted_channels(kind, offered, dict.fromkeys(offered, False)) == KINDS[kind].fixed


def test_unread_messages_are_counted_and_marked_for_the_organization_that_one_acts_for(app: Flask):
    world = make_world()
    world.requested()
    world.deliver()
    with acting_as(world.vendor_admin):
        assert count_unread(world.vendor_admin) == 1
        page = list_messages()
        mark_read(page.rows[0].id)
        assert count_unread(world.vendor_admin) == 0
    elsewhere = replace(world.vendor_admin, organization_id=world.company)
    world.requested(start=world.end + timedelta(days=1), end=world.end + timedelta(days=2))
    world.deliver()
    assert count_unread(elsewhere) == 0
    assert count_unread_elsewhere(elsewhere) == {world.vendor: 1}


def test_nobody_marks_or_reads_the_messages_of_somebody_else(app: Flask):
    world = make_world()
    world.requested()
    world.deliver()
    with acting_as(world.company_admin):
        assert list_messages().rows == []
        assert mark_all_read() == 0
    assert count_unread(world.vendor_admin) == 1
