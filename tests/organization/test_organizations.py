"""Applying, deciding, suspending, and the data of organizations."""

import re
import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from karokar.booking import actions as bookings
from karokar.booking import queries as booking_queries
from karokar.identity import queries as identity
from karokar.kernel import clock
from karokar.kernel.db import db, transaction
from karokar.kernel.errors import (
    DomainError,
    NotFound,
    OrganizationNotActive,
    PermissionDenied,
    RuleBroken,
    StaleVersion,
    StateConflict,
)
from karokar.organization import actions, queries
from karokar.organization.models import Organization, OrganizationDecision
from karokar.organization.rules import MACHINE, PLATFORM_ID, OrganizationStatus
from karokar.outbox.delivery.drain import drain_all
from karokar.outbox.models import EventRow
from karokar.verification import actions as verifications
from karokar.web.requests.limits import limiter
from tests.factories import fleet, people
from tests.factories.browsing import text_of
from tests.identity.test_sign_in import post

APPLICATION = {
    "type": "VENDOR",
    "name": "Harbour Cars",
    "time_zone": "Europe/Berlin",
    "first_name": "Vera",
    "last_name": "Lind",
    "email": "vera@harbour.example",
}


@pytest.fixture(autouse=True)
def _nobody_tried_before(app):
    limiter.reset()


def events_of(organization_id) -> list[str]:
    db.session.rollback()
    statement = select(EventRow.event_type).where(EventRow.aggregate_id == organization_id).order_by(EventRow.id)
    return list(db.session.scalars(statement))


def decisions_of(organization_id) -> list[str]:
    statement = select(OrganizationDecision.decision).where(OrganizationDecision.organization_id == organization_id)
    return list(db.session.scalars(statement.order_by(OrganizationDecision.id)))


# --- applying ---------------------------------------------------------------------------------------------------------


def test_a_company_applies_through_the_public_page_and_its_admin_is_invited(client):
    answer = post(client, "/organization/apply", **APPLICATION)
    assert answer.status_code == 303
    drain_all()
    made = db.session.scalars(select(Organization).where(Organization.name == "Harbour Cars")).one()
    assert (made.status, made.type, made.time_zone) == ("PENDING", "VENDOR", "Europe/Berlin")
    assert events_of(made.id) == ["OrganizationCreated"]
    assert decisions_of(made.id) == ["PENDING"]
    assert [row.status for row in identity.list_members(made.id, status=None)] == ["INVITED"]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("type", "PLATFORM", "Choose one from the list"),
        ("name", " ", "Enter the company"),
        ("email", "no address", "no e-mail address"),
        ("email", "jörg@rental.example", "Mail servers do not accept “ö”"),
        ("time_zone", "Mars/Olympus", "Choose one from the list"),
        ("first_name", "x" * 81, "at most 80"),
    ],
)
def test_a_wrong_application_is_refused_at_its_field_and_nothing_is_made(client, field, value, says):
    answer = post(client, "/organization/apply", **{**APPLICATION, field: value})
    assert answer.status_code == 422
    assert says in answer.text
    assert db.session.scalar(select(Organization.id).where(Organization.id != PLATFORM_ID)) is None


def test_the_answer_does_not_tell_whether_the_address_has_an_account(client):
    vendor = people.make_vendor()
    answer = post(client, "/organization/apply", **{**APPLICATION, "email": vendor.admin.email.upper()})
    assert answer.headers["Location"] == "/organization/applied"
    assert "They can show it once" in client.get("/organization/applied").text, "kept mails show no links"
    drain_all()
    made = db.session.scalars(select(Organization).where(Organization.name == "Harbour Cars")).one()
    assert [row.user_id for row in identity.list_members(made.id, status="INVITED")] == [vendor.admin.user_id]


# --- deciding ---------------------------------------------------------------------------------------------------------


def test_approval_waits_for_the_registration(app):
    company = people.make_organization("VENDOR", status="PENDING")
    with people.acting(people.platform_admin()):
        with pytest.raises(RuleBroken) as refused:
            actions.approve_organization(company.id)
        assert refused.value.code == "REGISTRATION_NOT_VERIFIED"
    people.verify("Organization", company.id, "ORGANIZATION_REGISTRATION", by=company.admin, days=None)
    with people.acting(people.platform_admin()):
        assert actions.approve_organization(company.id).status == "ACTIVE"
    assert decisions_of(company.id) == ["PENDING", "APPROVED"]


@pytest.mark.parametrize("status", [str(status) for status in OrganizationStatus])
def test_each_decision_works_in_exactly_the_state_of_its_rule(app, status):
    reviewer = people.platform_admin()
    verbs = {
        "approve": (reviewer, actions.approve_organization),
        "reject": (reviewer, lambda made: actions.reject_organization(made, reason="DATA_WRONG")),
        "suspend": (reviewer, lambda made: actions.suspend_organization(made, reason="CONDUCT")),
        "reinstate": (reviewer, actions.reinstate_organization),
        "apply_again": (None, actions.apply_again),
    }
    for verb, (by, call) in verbs.items():
        company = people.make_organization("VENDOR", status=status, reviewer=reviewer)
        if status == "PENDING":
            people.verify("Organization", company.id, "ORGANIZATION_REGISTRATION", by=company.admin, days=None)
        before = events_of(company.id)
        with people.acting(by or company.admin):
            if MACHINE.can(status, verb):
                assert call(company.id).status == MACHINE.next(status, verb)
                assert len(events_of(company.id)) == len(before) + 1
            else:
                with pytest.raises((StateConflict, OrganizationNotActive)):
                    call(company.id)
                assert events_of(company.id) == before


def test_only_the_platform_decides(app):
    company = people.make_organization("VENDOR", status="PENDING")
    with people.acting(company.admin), pytest.raises(PermissionDenied):
        actions.approve_organization(company.id)


def test_the_platform_itself_is_not_reviewed(app):
    with people.acting(people.platform_admin()), pytest.raises(RuleBroken):
        actions.suspend_organization(PLATFORM_ID, reason="CONDUCT")


def test_decisions_are_kept_as_they_were_made(any_app):
    company = people.make_vendor()
    db.session.rollback()
    for statement in ("UPDATE organization_decisions SET notes = 'x'", "DELETE FROM organization_decisions"):
        with pytest.raises(DatabaseError, match="kept as they were made"), transaction() as session:
            session.execute(text(statement))
    assert decisions_of(company.id) == ["PENDING", "APPROVED"]


def test_of_two_decisions_at_once_one_wins(any_app: Flask):
    company = people.make_organization("VENDOR", status="PENDING")
    people.verify("Organization", company.id, "ORGANIZATION_REGISTRATION", by=company.admin, days=None)
    reviewers = [people.platform_admin(), people.platform_admin()]
    version = queries_version(company.id)
    start = threading.Barrier(2)
    answers: list[str] = []

    def decide(reviewer, call):
        with any_app.app_context(), people.acting(reviewer):
            start.wait()
            try:
                call()
                answers.append("decided")
            except DomainError as error:
                answers.append(error.code)
            db.session.remove()

    calls = (
        lambda: actions.approve_organization(company.id, version=version),
        lambda: actions.reject_organization(company.id, reason="DATA_WRONG", version=version),
    )
    threads = [threading.Thread(target=decide, args=pair) for pair in zip(reviewers, calls, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["STALE_VERSION", "decided"]


def queries_version(organization_id) -> int:
    db.session.rollback()
    version = db.session.get(Organization, organization_id, populate_existing=True).version
    db.session.rollback()
    return version


def test_a_rejected_company_corrects_its_data_and_applies_again_through_the_page(client):
    company = people.make_organization("CORPORATE", status="REJECTED")
    people.sign_in(client, company.admin)
    page = client.get("/organization/own").text
    assert "does not match the documents" in page
    assert client.get("/organization/edit").status_code == 200
    version = str(queries_version(company.id))
    assert post(client, "/organization/apply-again", form_at="/organization/own", version=version).status_code == 303
    assert queries.get_organization(company.id).status == "PENDING"
    late = post(client, "/organization/apply-again", form_at="/organization/own", version=version)
    assert late.status_code == 409


# --- suspending -------------------------------------------------------------------------------------------------------


def test_a_suspension_shows_before_what_it_does_and_then_does_it(client):
    vendor, company = people.make_vendor(), people.make_corporate()
    car = fleet.make_vehicle(vendor)
    start = clock.now() + timedelta(days=3)
    with people.acting(company.admin):
        made = bookings.request_booking(car, start, start + timedelta(days=1), "Visit")
    people.sign_in(client, people.platform_admin())
    page = client.get(f"/organization/{vendor.id}/review").text
    assert "1 booking will be cancelled, and 1 vehicle will no longer be found in the search" in page
    form = f"/organization/{vendor.id}/review"
    given = {
        "form_at": form,
        "version": str(queries_version(vendor.id)),
        "expected": page.split('name="expected" value="', 1)[1].split('"', 1)[0],
        "reason": "CONDUCT",
        "notes": "Enough.",
    }
    with people.acting(company.admin):
        bookings.request_booking(car, start + timedelta(days=3), start + timedelta(days=4), "Visit")
    changed = post(client, f"/organization/{vendor.id}/suspend", **given)
    assert changed.status_code == 409
    assert "2 bookings will be cancelled" in changed.text
    given["expected"] = changed.text.split('name="expected" value="', 1)[1].split('"', 1)[0]
    assert post(client, f"/organization/{vendor.id}/suspend", **given).status_code == 303
    drain_all()
    with people.as_system():
        from karokar.kernel.schedule import JOBS

        for job in JOBS.values():
            if job.name.startswith("booking."):
                job.run()
    drain_all()
    db.session.rollback()
    assert booking_queries.get_booking(made).status == "CANCELLED"
    assert decisions_of(vendor.id)[-1] == "REVOKED"


def test_who_is_suspended_reads_uploads_and_nothing_else(client):
    vendor = people.make_vendor(status="SUSPENDED")
    people.sign_in(client, vendor.admin)
    for address in ("/", "/organization/own", "/identity/members", "/verification/", "/verification/new", "/fleet/"):
        assert client.get(address).status_code == 200, address
    for address in ("/organization/edit", "/fleet/new", "/identity/members/new"):
        assert client.get(address).status_code == 409, address


def test_nobody_is_suspended_while_a_decision_rests_on_them(pg_app: Flask):
    vendor, reviewer = people.make_vendor(), people.platform_admin()
    held, done = threading.Event(), threading.Event()

    def suspend():
        with pg_app.app_context(), people.acting(reviewer):
            held.wait()
            actions.suspend_organization(vendor.id, reason="CONDUCT")
            done.set()
            db.session.remove()

    thread = threading.Thread(target=suspend)
    thread.start()
    with transaction():
        queries.hold_active([vendor.id])
        held.set()
        assert not done.wait(0.3)
    thread.join()
    assert done.is_set()
    with transaction(), pytest.raises(StateConflict) as refused:
        queries.hold_active([vendor.id])
    assert refused.value.code == "ORGANIZATION_NOT_ACTIVE"
    assert vendor.name in refused.value.sentence


# --- data -------------------------------------------------------------------------------------------------------------


def test_a_stale_form_shows_both_versions(client):
    vendor = people.make_vendor()
    people.sign_in(client, vendor.admin)
    version = str(queries_version(vendor.id))
    fields = {"time_zone": "Asia/Kolkata", "buffer_minutes": "30", "version": version, "form_base": "{}"}
    assert post(client, "/organization/edit", name="Vendor One", **fields).status_code == 303
    late = post(client, "/organization/edit", name="Vendor Two", **fields)
    assert late.status_code == 409
    assert "Vendor One" in late.text
    assert "Vendor Two" in late.text
    db.session.rollback()
    assert queries.get_organization(vendor.id).name == "Vendor One"


def test_a_parent_exists_is_of_the_same_type_and_not_below(app):
    one, two, three = (people.make_vendor() for _ in range(3))
    corporate = people.make_corporate()

    def under(child, parent):
        with people.acting(child.admin):
            actions.update_organization(child.id, parent_organization_id=parent)

    under(two, one.id)
    under(three, two.id)
    for child, parent in ((one, three.id), (one, one.id), (one, corporate.id), (one, two.admin.user_id)):
        with pytest.raises(RuleBroken) as refused:
            under(child, parent)
        assert refused.value.code == "PARENT_IMPOSSIBLE"
    with people.acting(one.admin), pytest.raises(NotFound):
        queries.get_page(two.id)


@pytest.mark.parametrize(
    ("given", "field"), [({"time_zone": "Mars"}, "time_zone"), ({"buffer_minutes": 1441}, "buffer_minutes")]
)
def test_settings_that_cannot_be_are_refused(app, given, field):
    vendor = people.make_vendor()
    with people.acting(vendor.admin), pytest.raises(RuleBroken) as refused:
        actions.update_organization(vendor.id, **given)
    assert field in refused.value.fields


def test_a_stale_decision_is_refused(app):
    vendor = people.make_vendor()
    with people.acting(people.platform_admin()), pytest.raises(StaleVersion):
        actions.suspend_organization(vendor.id, reason="CONDUCT", version=1)


# --- who sees whom ----------------------------------------------------------------------------------------------------


def test_partners_see_name_kind_and_whether_it_is_verified_and_nothing_more(app: Flask):
    vendor, company, stranger = people.make_vendor(), people.make_corporate(employees=1), people.make_corporate()
    car = fleet.make_vehicle(vendor)

    def opened(by, organization_id):
        client = app.test_client()
        people.sign_in(client, by)
        return client.get(f"/organization/{organization_id}")

    seen = opened(company.admin, vendor.id)
    assert seen.status_code == 200
    assert vendor.name in seen.text
    assert "Verified" in seen.text
    assert "TAX-" not in seen.text
    assert opened(company.employees[0], vendor.id).status_code == 404
    assert opened(vendor.admin, company.id).status_code == 404
    start = clock.now() + timedelta(days=3)
    with people.acting(company.admin):
        bookings.request_booking(car, start, start + timedelta(days=1), "Visit")
    assert opened(vendor.admin, company.id).status_code == 200
    assert opened(vendor.admin, stranger.id).status_code == 404
    assert opened(company.admin, stranger.id).status_code == 404


def test_a_form_that_was_opened_for_another_organization_is_refused(client):
    vendor, other = people.make_vendor(), people.make_vendor()
    people.sign_in(client, vendor.admin)
    answer = post(client, "/organization/edit", name="Mine", acting_for=str(other.id))
    assert answer.status_code == 409
    assert "you switched to" in answer.text


def test_the_queue_lists_what_waits_oldest_first(client):
    with clock.standing_at(clock.now() - timedelta(days=3)):
        old = people.make_organization("VENDOR", status="PENDING")
    new = people.make_organization("CORPORATE", status="PENDING")
    people.sign_in(client, people.platform_admin())
    page = client.get("/administration/review").text
    assert page.index(old.name) < page.index(new.name)
    assert "3 days ago" in page
    home = client.get("/").text
    assert old.name in home


# --- the platform's list ----------------------------------------------------------------------------------------------


def shown_in_row(page: str, name: str) -> dict[str, tuple[str, str]]:
    """What the list says of an organization, by heading: the text, and the address that it leads to."""
    row = next(row for row in page.split("<tr>") if f">{name}</a>" in row)
    found = {}
    for heading, cell in re.findall(r'<td data-label="([^"]+)"[^>]*>(.*?)</td>', row, flags=re.DOTALL):
        link = re.search(r'href="([^"]+)"', cell)
        words = re.sub(r'<span class="visually-hidden">.*?</span>|<[^>]+>', "", cell).strip()
        found[heading] = (words, link[1].replace("&amp;", "&") if link else "")
    return found


def test_the_list_counts_what_each_organization_has_and_leads_to_exactly_that(client):
    vendor, other = people.make_vendor(), people.make_vendor()
    for number in range(3):
        fleet.make_vehicle(vendor, license_plate=f"KA 09 LL {number:04d}")
    fleet.make_vehicle(other, license_plate="KA 09 OO 0001")
    people.add_admin(vendor)
    waiting = fleet.make_vehicle(vendor, status="PENDING", license_plate="KA 09 LL 0009")
    with people.acting(vendor.admin):
        verifications.request_verification(
            entity_type="Vehicle", entity_id=waiting, kind="VEHICLE_INSURANCE", uploads=[people.pdf()]
        )
    people.sign_in(client, people.platform_admin())
    row = shown_in_row(client.get("/organization/").get_data(as_text=True), vendor.name)
    assert {heading: row[heading][0] for heading in ("Documents waiting", "Vehicles", "Members")} == {
        "Documents waiting": "1",
        "Vehicles": "4",
        "Members": "2",
    }
    vehicles = text_of(client.get(row["Vehicles"][1]))
    assert "4 vehicles" in vehicles
    assert f"Owner: {vendor.name}" in vehicles
    assert "KA 09 OO 0001" not in vehicles
    members = text_of(client.get(row["Members"][1]))
    assert "2 people" in members
    assert vendor.admin.email in members
    assert other.admin.email not in members
    assert "1 verification" in text_of(client.get(row["Documents waiting"][1]))
    assert shown_in_row(client.get("/organization/").get_data(as_text=True), other.name)["Documents waiting"] == (
        "0",
        "",
    )


@pytest.mark.parametrize("asked", ["nonsense", "00000000-0000-7000-8000-000000000000"])
@pytest.mark.parametrize(
    "page", ["/fleet/?owner=", "/administration/people?organization=", "/verification/?organization="]
)
def test_a_list_of_an_organization_that_nobody_knows_says_so(client, page, asked):
    people.sign_in(client, people.platform_admin())
    answer = client.get(page + asked)
    assert answer.status_code == 200
    assert "nothing is known by this id" in text_of(answer)


def test_whose_vehicles_are_shown_is_not_to_be_chosen_by_an_organization(client):
    vendor, other = people.make_vendor(), people.make_vendor()
    fleet.make_vehicle(other, license_plate="KA 09 OO 0002")
    fleet.make_vehicle(vendor, license_plate="KA 09 LL 0007")
    people.sign_in(client, vendor.admin)
    page = text_of(client.get(f"/fleet/?owner={other.id}"))
    assert "KA 09 LL 0007" in page
    assert "KA 09 OO 0002" not in page
    assert other.name not in page
