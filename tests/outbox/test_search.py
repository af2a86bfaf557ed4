"""Finding events: by what they concern, page by page in both directions, and only those that the viewer may see."""

from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event as sqlalchemy_event

from karokar.events.identity import UserLoggedIn
from karokar.kernel.actor import Actor
from karokar.kernel.clock import now
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound
from karokar.kernel.ids import new_id
from karokar.kernel.text.nearest import UnknownName
from karokar.outbox.reading.causes import cause_tree
from karokar.outbox.reading.search import EventFilter, EventPage, find_event, list_events
from tests.factories.events import (
    COMPANY,
    VENDOR,
    approved,
    company_admin,
    drafted,
    other_vendor,
    platform_admin,
    record,
    record_all,
    requested,
    vendor_admin,
)
from tests.factories.tampering import tamper

EVERYTHING = EventFilter()


def ids(page: EventPage) -> list[UUID]:
    return [found.event_id for found in page.rows]


def walk(wanted: EventFilter, viewer: Actor, *, limit: int, is_newest_first: bool) -> list[UUID]:
    """Every page from the order's beginning to its end."""
    found: list[UUID] = []
    after = before = None
    while True:
        page = list_events(wanted, viewer, after=after, before=before, limit=limit, is_newest_first=is_newest_first)
        found += ids(page)
        assert len(page.rows) <= limit
        if not page.has_more:
            return found
        after, before = (None, page.first) if is_newest_first else (page.last, None)


@pytest.mark.parametrize("is_newest_first", [True, False])
def test_pages_follow_each_other_without_a_gap_in_both_orders(any_app: Flask, is_newest_first: bool) -> None:
    recorded = record_all(requested() for _ in range(23))
    in_order = recorded[::-1] if is_newest_first else recorded
    for limit in (1, 5, 23, 50):
        assert walk(EVERYTHING, platform_admin, limit=limit, is_newest_first=is_newest_first) == in_order


@pytest.mark.parametrize("is_newest_first", [True, False])
def test_a_page_leads_back_to_where_one_came_from(any_app: Flask, is_newest_first: bool) -> None:
    record_all(requested() for _ in range(9))

    def onwards(page: EventPage) -> EventPage:
        return (
            list_events(EVERYTHING, vendor_admin, before=page.first, limit=3)
            if is_newest_first
            else list_events(EVERYTHING, vendor_admin, after=page.last, limit=3, is_newest_first=False)
        )

    def back(page: EventPage) -> EventPage:
        return (
            list_events(EVERYTHING, vendor_admin, after=page.last, limit=3)
            if is_newest_first
            else list_events(EVERYTHING, vendor_admin, before=page.first, limit=3, is_newest_first=False)
        )

    first = list_events(EVERYTHING, vendor_admin, limit=3, is_newest_first=is_newest_first)
    second = onwards(first)
    assert ids(back(second)) == ids(first)
    assert ids(back(onwards(second))) == ids(second)
    assert back(first).rows == []


def test_a_program_that_follows_gets_what_is_new_and_nothing_twice(any_app: Flask) -> None:
    record_all(requested() for _ in range(3))
    seen = list_events(EVERYTHING, company_admin, is_newest_first=False)
    assert list_events(EVERYTHING, company_admin, after=seen.last, is_newest_first=False).rows == []
    later = record_all(requested() for _ in range(2))
    assert ids(list_events(EVERYTHING, company_admin, after=seen.last, is_newest_first=False)) == later


def test_what_belongs_to_others_is_not_there(any_app: Flask) -> None:
    mine = record(requested())
    theirs = record(requested(vendor_organization_id=other_vendor.organization_id, corporate_organization_id=new_id()))
    assert ids(list_events(EVERYTHING, vendor_admin)) == [mine]
    assert ids(list_events(EVERYTHING, other_vendor)) == [theirs]
    assert ids(list_events(EVERYTHING, platform_admin)) == [theirs, mine]
    with pytest.raises(NotFound):
        find_event(theirs, vendor_admin)
    assert find_event(theirs, platform_admin).event_id == theirs


def test_drafts_stay_with_the_company_and_fill_no_page_of_the_vendor(any_app: Flask) -> None:
    draft = record(drafted())
    recorded = [record(requested())]
    record_all(drafted() for _ in range(30))
    recorded.append(record(requested()))
    page = list_events(EVERYTHING, vendor_admin, limit=2)
    assert ids(page) == recorded[::-1]
    assert not page.has_more
    assert draft in walk(EVERYTHING, company_admin, limit=5, is_newest_first=True)


def test_private_fields_and_people_of_the_other_side_are_left_out(any_app: Flask) -> None:
    event_id = record(requested(), actor=company_admin, changes={"purpose": [None, "Site visit"]})
    for_vendor, for_company = find_event(event_id, vendor_admin), find_event(event_id, company_admin)
    assert "requestedBy" not in for_vendor.payload
    assert for_vendor.actor_id is None
    assert for_vendor.changes == {}
    assert ("User", company_admin.user_id) not in for_vendor.subjects
    assert for_company.payload["requestedBy"] == str(company_admin.user_id)
    assert for_company.actor_id == company_admin.user_id
    assert for_company.changes == {"purpose": [None, "Site visit"]}


def test_events_are_found_by_what_they_concern(any_app: Flask) -> None:
    vehicle_id, booking_id = new_id(), new_id()
    wanted = [
        record(requested(vehicle_id=vehicle_id, booking_id=booking_id)),
        record(approved(vehicle_id=vehicle_id, booking_id=booking_id)),
    ]
    other = record(requested(vehicle_id=vehicle_id))
    record(requested())
    of_vehicle = EventFilter(subject_type="Vehicle", subject_id=vehicle_id)
    assert walk(of_vehicle, vendor_admin, limit=1, is_newest_first=False) == [*wanted, other]
    assert walk(of_vehicle, platform_admin, limit=2, is_newest_first=True) == [other, *wanted[::-1]]
    assert ids(list_events(of_vehicle, other_vendor)) == []
    of_booking = EventFilter(aggregate_type="Booking", aggregate_id=booking_id)
    assert ids(list_events(of_booking, company_admin, is_newest_first=False)) == wanted
    assert ids(list_events(EventFilter(any_id=booking_id), company_admin, is_newest_first=False)) == wanted
    assert ids(list_events(EventFilter(any_id=wanted[0]), company_admin)) == wanted[:1]
    assert ids(list_events(EventFilter(any_id=wanted[0]), other_vendor)) == []


def test_names_may_be_patterns(any_app: Flask) -> None:
    first, second = record(requested()), record(approved())
    assert ids(list_events(EventFilter(types="Booking*"), platform_admin)) == [second, first]
    assert ids(list_events(EventFilter(types="*approved"), platform_admin)) == [second]
    assert ids(list_events(EventFilter(types="BookingApproved, BookingRequested"), platform_admin)) == [second, first]
    assert ids(list_events(EventFilter(types="Vehicle*"), platform_admin)) == []
    with pytest.raises(UnknownName, match="Did you mean BookingApproved"):
        list_events(EventFilter(types="BookingAproved"), platform_admin)


def test_events_are_found_by_their_time(any_app: Flask) -> None:
    moment = now() - timedelta(days=10)
    recorded = [record(requested(), at=moment + timedelta(hours=hour)) for hour in range(4)]
    wanted = EventFilter(since=moment + timedelta(hours=1), until=moment + timedelta(hours=3))
    assert ids(list_events(wanted, platform_admin, is_newest_first=False)) == recorded[1:3]


def test_a_person_finds_their_own_account_whatever_they_act_for(any_app: Flask) -> None:
    signed_in = record(UserLoggedIn(user_id=vendor_admin.user_id, session_id=new_id()))
    wanted = EventFilter(subject_type="User", subject_id=vendor_admin.user_id)
    assert ids(list_events(wanted, vendor_admin)) == [signed_in]
    assert ids(list_events(wanted, company_admin)) == []
    assert ids(list_events(EVERYTHING, vendor_admin)) == []


def test_an_organization_sees_what_its_people_did_to_their_accounts_for_it(any_app: Flask) -> None:
    colleague = Actor(user_id=new_id(), organization_id=VENDOR, organization_type="VENDOR")
    signed_in = record(UserLoggedIn(user_id=colleague.user_id, session_id=new_id()), actor=colleague)
    assert ids(list_events(EVERYTHING, vendor_admin)) == [signed_in]
    assert ids(list_events(EVERYTHING, other_vendor)) == []


def test_somebody_without_the_permission_sees_only_what_is_about_them(any_app: Flask) -> None:
    employee = Actor(user_id=new_id(), organization_id=COMPANY, organization_type="CORPORATE")
    record(requested())
    about_them = record(requested(requested_by=employee.user_id))
    assert ids(list_events(EVERYTHING, employee)) == [about_them]


def test_an_event_of_a_newer_version_is_shown_to_the_platform_as_it_was_stored(any_app: Flask) -> None:
    event_id = record(requested())
    tamper("update events set version = 99")
    assert ids(list_events(EVERYTHING, vendor_admin)) == []
    found = find_event(event_id, platform_admin)
    assert not found.is_known
    assert found.payload["vendorOrganizationId"] == str(VENDOR)


def test_a_page_is_one_statement_however_many_events_others_have(any_app: Flask) -> None:
    def statements_of_a_page() -> list[str]:
        counted: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            if statement != "BEGIN":
                counted.append(statement)

        sqlalchemy_event.listen(db.engine, "before_cursor_execute", note)
        try:
            list_events(EVERYTHING, vendor_admin, limit=3)
        finally:
            sqlalchemy_event.remove(db.engine, "before_cursor_execute", note)
        return counted

    record_all(requested() for _ in range(5))
    few = statements_of_a_page()
    assert len(few) == 1
    record_all(requested(vendor_organization_id=new_id(), corporate_organization_id=new_id()) for _ in range(30))
    assert statements_of_a_page() == few


def test_the_tree_of_causes_counts_what_the_viewer_may_not_see(any_app: Flask) -> None:
    correlation = new_id()
    root = record(requested(), correlation=correlation)
    hidden = record(drafted(), correlation=correlation, cause=root)
    below = record(approved(), correlation=correlation, cause=hidden)
    record(approved(), correlation=new_id())

    whole = cause_tree(correlation, platform_admin)
    assert [(node.event.event_id, node.depth) for node in whole.nodes] == [(root, 0), (hidden, 1), (below, 2)]
    assert (whole.hidden, whole.is_cut) == (0, False)

    cut = cause_tree(correlation, vendor_admin)
    assert [(node.event.event_id, node.depth, node.hidden) for node in cut.nodes] == [(root, 0, 1), (below, 1, 0)]
    assert cause_tree(correlation, other_vendor).nodes == []
    assert cause_tree(correlation, other_vendor).hidden == 3
