"""Messages about a promised vehicle say what keeps it from being handed over, and what the reader can do."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from karokar.assignment import actions as assignments
from karokar.booking import actions as bookings
from karokar.fleet import actions as fleet
from karokar.kernel import clock
from karokar.kernel.actor import SYSTEM, Actor, acting_as
from karokar.kernel.db import db
from karokar.notification.actions.rendering import Rendered, render_mail
from karokar.notification.models import Mail, Notification
from tests.factories.booking import NOON, World, hours, make_world, sign_in

OFF_THE_ROAD = "is off the road, so it can't be handed over."


@pytest.fixture
def world(any_app: Flask) -> World:
    return make_world()


def mail_to(who: Actor, template: str) -> Rendered:
    """The mail as it is sent, its text without the line breaks of a mail."""
    row = db.session.scalars(
        select(Notification)
        .join(Mail, Mail.notification_id == Notification.id)
        .where(Notification.template == template, Notification.recipient_id == who.user_id)
    ).one()
    made = render_mail(row.id, row.recipient_id, row.kind, row.template, row.data)
    assert made is not None
    return Rendered(
        made.to, made.name, made.subject, re.sub(r"[\u2068\u2069]|(?<=\S)\n(?=\S)", " ", made.text), made.html
    )


def words(mail: Rendered) -> str:
    return " ".join(mail.text.split())


def suspend(world: World, *, as_owner: Actor | None = None, own: bool = False) -> None:
    with world.acting(as_owner or world.vendor_admin):
        fleet.suspend_vehicle(world.own_vehicle if own else world.vehicle, reason="OTHER", note="Being repaired.")


def test_a_driver_is_not_asked_to_collect_a_vehicle_that_is_off_the_road_without_being_warned(world: World):
    made = world.approved()
    suspend(world)
    with world.acting(world.company_admin):
        bookings.assign_booking(made.id, world.employee.user_id)
    world.deliver()
    driver = mail_to(world.employee, "AssignmentCreated")
    assert OFF_THE_ROAD in words(driver)
    assert "Call the vendor before you travel to collect it." in words(driver)
    assert re.search(r'<p class="warning"><strong>[^<]*' + "is off the road", driver.html)
    vendor = mail_to(world.vendor_admin, "BookingAssigned")
    assert OFF_THE_ROAD in words(vendor)
    assert "Get it back on the road, or cancel the booking." in words(vendor)
    assert "It can be handed over" not in words(vendor)


def test_the_company_hears_with_the_approval_and_the_answer_that_the_vehicle_is_off_the_road(world: World):
    world.approved()
    suspend(world)
    world.deliver()
    approved = words(mail_to(world.company_admin, "BookingApproved"))
    assert OFF_THE_ROAD in approved
    assert re.search(r"Call .+, or take another vehicle\.", approved)


def test_the_reminders_of_a_booking_say_that_its_vehicle_is_off_the_road(world: World):
    made = world.assigned()
    suspend(world)
    world.deliver()
    with clock.standing_at(made.start - hours(20)), acting_as(SYSTEM):
        assignments.remind_employees()
    world.deliver(made.start - hours(20))
    assert OFF_THE_ROAD in words(mail_to(world.employee, "AssignmentReminded"))
    assert OFF_THE_ROAD in words(mail_to(world.company_admin, "AssignmentReminded"))


def test_an_owners_driver_is_sent_to_their_own_company(world: World):
    world.direct()
    suspend(world, as_owner=world.company_admin, own=True)
    world.deliver()
    driver = words(mail_to(world.employee, "AssignmentCreated"))
    assert OFF_THE_ROAD in driver
    assert "Ask your company before you travel to collect it." in driver


def test_a_driver_hears_that_the_vehicle_has_not_come_back_from_an_earlier_booking(world: World):
    earlier = world.active()
    late = earlier.end + hours(3)
    made = world.approved(start=earlier.end + hours(6), end=earlier.end + hours(12))
    with world.acting(world.company_admin, late):
        bookings.assign_booking(made.id, world.colleague.user_id)
    world.deliver(late)
    with clock.standing_at(late):
        said = words(mail_to(world.colleague, "AssignmentCreated"))
    assert "has not come back from an earlier booking, so it can't be handed over yet." in said
    assert earlier.reference not in said


def test_the_notification_says_it_in_red_and_nothing_is_said_of_a_vehicle_that_is_ready(app: Flask):
    world, client = make_world(), app.test_client()
    made = world.approved()
    world.deliver()
    assert "off the road" not in words(mail_to(world.company_admin, "BookingApproved"))
    suspend(world)
    with world.acting(world.company_admin):
        bookings.assign_booking(made.id, world.employee.user_id)
    world.deliver()
    with clock.standing_at(NOON):
        sign_in(client, world.employee)
        page = client.get("/notification/").text
    red = re.findall(r'kk-notice-bad".*?</div>\s*</div>', page, re.DOTALL)
    assert any("off the road" in one and "before you travel" in one for one in red)


def test_who_counts_on_a_vehicle_that_goes_off_the_road_hears_what_to_do_and_is_led_to_it(
    world: World, any_client: FlaskClient
):
    made = world.accepted()
    suspend(world)
    world.deliver()
    ways_out = [
        (world.company_admin, "Call the vendor, or take another vehicle."),
        (world.employee, "Call the vendor before you travel to collect it."),
        (world.vendor_admin, "Get it back on the road, or cancel the booking."),
    ]
    for who, way_out in ways_out:
        mail = mail_to(who, "VehicleSuspended")
        assert way_out in words(mail)
        sign_in(any_client, who)
        found = re.search(r"/notification/[0-9a-f-]{36}", mail.text)
        assert found
        led_to = any_client.get(found[0], follow_redirects=True)
        assert led_to.status_code == 200
        assert led_to.request.path != "/notification/", "A link that leads nowhere ends at the list of messages."
        if who is world.company_admin:
            assert led_to.request.path == f"/booking/{made.id}"
