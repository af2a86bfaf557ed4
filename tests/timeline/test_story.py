"""A booking's whole life, as each entity's timeline tells it to each side."""

from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask

from karokar.booking import actions as bookings
from karokar.kernel.actor import Actor, acting_as
from karokar.kernel.db import db
from karokar.outbox.reading.search import EventFilter, list_events
from karokar.outbox.reading.timeline import entries_of, news, state_then, timeline, whole_story
from karokar.outbox.reading.timeline_query import TimelineFilter
from tests.factories.booking import World, assignment_of, make_world

WHOLE_LIFE = [
    "BookingCompleted", "BookingActivated", "BookingAssigned", "BookingApproved", "BookingRequested", "BookingDrafted",
]  # fmt: skip


def lived(world: World) -> UUID:
    """A booking from its draft to its return; returns its id."""
    made = world.active()
    with world.acting(world.vendor_admin, world.end - timedelta(hours=1)):
        bookings.complete_booking(made.id, 10_250, 40)
    world.deliver(world.end)
    return made.id


def kinds(subject_type: str, subject_id: UUID | None, viewer: Actor, wanted: TimelineFilter | None = None) -> list[str]:
    db.session.rollback()
    assert subject_id is not None
    found = timeline(subject_type, subject_id, viewer, wanted, limit=100)
    assert found.next is None
    ids = [entry.event.event_id for entry in found.entries]
    assert len(ids) == len(set(ids)), "an event is shown twice"
    numbers = [entry.event.position for entry in found.entries]
    assert numbers == sorted(numbers, reverse=True), "out of order"
    return [entry.event.event_type for entry in found.entries]


def of(prefix: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(prefix)]


@pytest.fixture
def world(any_app: Flask) -> World:
    return make_world()


def test_the_company_finds_the_whole_life_on_every_entity_that_it_concerns(world: World):
    booking_id = lived(world)
    company = world.company_admin
    assert of("Booking", kinds("Booking", booking_id, company)) == WHOLE_LIFE
    assert of("Booking", kinds("Vehicle", world.vehicle, company)) == WHOLE_LIFE
    assert of("Booking", kinds("Organization", world.company, company)) == WHOLE_LIFE
    assert of("Booking", kinds("Organization", world.vendor, company)) == WHOLE_LIFE
    assert of("Booking", kinds("User", world.employee.user_id, company)) == [
        "BookingCompleted", "BookingActivated", "BookingAssigned",
    ]  # fmt: skip
    assert of("Assignment", kinds("Assignment", assignment_of(booking_id).id, company)) == [
        "AssignmentCompleted", "AssignmentActivated", "AssignmentAccepted", "AssignmentCreated",
    ]  # fmt: skip


def test_the_vendor_finds_it_from_the_request_on_and_none_of_the_assignments(world: World):
    booking_id = lived(world)
    vendor = world.vendor_admin
    assert kinds("Booking", booking_id, vendor) == WHOLE_LIFE[:-1]
    assert of("Booking", kinds("Vehicle", world.vehicle, vendor)) == WHOLE_LIFE[:-1]
    assert of("Booking", kinds("Organization", world.company, vendor)) == WHOLE_LIFE[:-1]
    assert kinds("User", world.employee.user_id, vendor) == []
    assert kinds("Assignment", assignment_of(booking_id).id, vendor) == []


def test_the_employee_finds_what_concerns_them(world: World):
    booking_id = lived(world)
    seen = kinds("Booking", booking_id, world.employee)
    assert of("Booking", seen) == ["BookingCompleted", "BookingActivated", "BookingAssigned"]
    assert kinds("Booking", booking_id, world.colleague) == []


def test_the_platform_finds_everything_with_its_deliveries(world: World):
    booking_id = lived(world)
    found = timeline("Booking", booking_id, world.platform_admin, limit=100)
    assert of("Booking", [entry.event.event_type for entry in found.entries]) == WHOLE_LIFE
    assigned = next(entry for entry in found.entries if entry.event.event_type == "BookingAssigned")
    assert {one.handler for one in assigned.deliveries} >= {"audit.write_records", "notification.tell_of_bookings"}
    assert all(one.state == "handled" and one.attempts == 1 for one in assigned.deliveries)
    assert [one.event_type for one in assigned.followed] == ["AssignmentCreated"]
    assert assigned.is_settled


def test_what_followed_and_is_not_the_viewers_is_counted_only(world: World):
    booking_id = lived(world)
    found = timeline("Booking", booking_id, world.vendor_admin, limit=100)
    assigned = next(entry for entry in found.entries if entry.event.event_type == "BookingAssigned")
    assert list(assigned.followed) == []
    assert assigned.hidden == 1


def test_pages_follow_each_other_without_gap_or_repetition_while_new_events_arrive(world: World):
    for number in range(4):
        world.approved(start=world.start + timedelta(days=3 * number), end=world.end + timedelta(days=3 * number))
    world.deliver()
    whole = [event.event_id for event in whole_story("Vehicle", world.vehicle, world.company_admin)]
    read, before = [], None
    while True:
        page = timeline("Vehicle", world.vehicle, world.company_admin, before=before, limit=3)
        read += [entry.event.event_id for entry in page.entries]
        if page.next is None:
            break
        before = page.next
        world.requested(start=world.start + timedelta(days=60), end=world.end + timedelta(days=60))
        world.deliver()
    assert read == whole


def test_a_page_moves_on_past_however_much_is_hidden_from_the_reader(world: World, monkeypatch: pytest.MonkeyPatch):
    world.requested()
    for number in range(8):
        world.drafted(start=world.start + timedelta(days=9, hours=number), end=world.end + timedelta(days=9))
    world.deliver()
    whole = [event.event_id for event in whole_story("Vehicle", world.vehicle, world.vendor_admin)]
    assert whole
    # As if the drafts, which are the company's alone, were more than a page looks at.
    monkeypatch.setattr("karokar.outbox.reading.timeline._CHUNKS", 1)
    monkeypatch.setattr("karokar.outbox.reading.timeline._FIRST_CHUNK", 2)
    first = timeline("Vehicle", world.vehicle, world.vendor_admin)
    assert not first.entries
    read, before, pages = [], None, 0
    while pages == 0 or before is not None:
        page = timeline("Vehicle", world.vehicle, world.vendor_admin, before=before)
        assert page.next is None or before is None or page.next < before
        read += [entry.event.event_id for entry in page.entries]
        before, pages = page.next, pages + 1
    assert read == whole
    assert pages > 3


def test_news_are_counted_however_much_hidden_comes_before_them(world: World, monkeypatch: pytest.MonkeyPatch):
    world.deliver()
    head = timeline("Vehicle", world.vehicle, world.vendor_admin).head
    for number in range(4):
        world.drafted(start=world.start + timedelta(days=9, hours=number), end=world.end + timedelta(days=9))
    world.requested()
    world.deliver()
    monkeypatch.setattr("karokar.outbox.reading.timeline.MOST_NEWS", 2)
    assert news("Vehicle", world.vehicle, world.vendor_admin, head).count == 1


def test_news_are_what_came_after_the_page_and_only_what_one_may_see(world: World):
    world.approved()
    world.deliver()
    vendor = timeline("Vehicle", world.vehicle, world.vendor_admin)
    assert news("Vehicle", world.vehicle, world.vendor_admin, vendor.head).count == 0
    world.drafted(start=world.start + timedelta(days=9), end=world.end + timedelta(days=9))
    world.deliver()
    assert news("Vehicle", world.vehicle, world.vendor_admin, vendor.head).count == 0
    world.requested(start=world.start + timedelta(days=5), end=world.end + timedelta(days=5))
    world.deliver()
    fresh = news("Vehicle", world.vehicle, world.vendor_admin, vendor.head)
    assert fresh.count == 1
    assert news("Vehicle", world.vehicle, world.vendor_admin, fresh.head).count == 0
    assert news("Vehicle", world.vehicle, world.company_admin, vendor.head).count == 3


def test_filters_keep_to_kind_person_side_time_and_text(world: World):
    booking_id = lived(world)
    company = world.company_admin

    def found(**wanted) -> list[str]:
        return kinds("Booking", booking_id, company, TimelineFilter(**wanted))

    assert found(event_types=["BookingApproved"]) == ["BookingApproved"]
    assert found(actor=company.user_id) == ["BookingAssigned", "BookingRequested", "BookingDrafted"]
    assert of("Booking", found(by="others")) == ["BookingCompleted", "BookingActivated", "BookingApproved"]
    assert "AssignmentCreated" in found(by="system")
    assert of("Booking", found(until=world.start)) == WHOLE_LIFE[2:]
    assert of("Booking", found(since=world.start)) == WHOLE_LIFE[:2]
    assert found(is_failed_only=True) == []
    entry = timeline("Booking", booking_id, company, limit=100).entries[0]
    assert found(text=str(entry.event.event_id)) == [entry.event.event_type]
    assert found(text=str(entry.event.event_id)[-8:]) == [entry.event.event_type]
    assert found(text="no such id") == []


def test_another_sides_people_are_not_found_by_filtering_for_them(world: World):
    booking_id = lived(world)
    vendor = world.vendor_admin
    assert kinds("Booking", booking_id, vendor, TimelineFilter(actor=world.company_admin.user_id)) == []
    assert kinds("Booking", booking_id, vendor, TimelineFilter(text=str(world.employee.user_id))) == []
    driver = world.employee.user_id
    assert list_events(EventFilter(subject_type="User", subject_id=driver), vendor).rows == []
    assert list_events(EventFilter(any_id=driver), vendor).rows == []
    assert list_events(EventFilter(any_id=driver), world.company_admin).rows != []


def test_the_state_then_is_what_the_changes_add_up_to(world: World):
    booking_id = lived(world)
    company = world.company_admin
    with acting_as(company):
        early = state_then("Booking", booking_id, company, world.start - timedelta(minutes=1))
        late = state_then("Booking", booking_id, company, world.end)
    assert early is not None
    assert late is not None
    assert early.fields["status"] == "ASSIGNED"
    assert late.fields["status"] == "COMPLETED"
    assert early.later == 2
    assert late.later == 0
    assert state_then("Booking", booking_id, company, world.start - timedelta(days=90)) is None


def test_entries_can_be_read_again_as_they_stand_now(world: World):
    booking_id = lived(world)
    first = timeline("Booking", booking_id, world.platform_admin, limit=100).entries[0]
    again = entries_of([first.event.event_id], world.platform_admin)
    assert [one.mark for one in again] == [first.mark]
    assert entries_of([first.event.event_id], world.colleague) == []
