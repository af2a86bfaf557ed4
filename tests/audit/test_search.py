"""Searching the audit log: each organization finds what it may see, and what is taken away is itself recorded."""

import json
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from karokar.audit.actions import record_export
from karokar.audit.models import AuditRecord
from karokar.audit.queries import list_records
from karokar.kernel.actor import acting_as
from karokar.kernel.db import db
from karokar.kernel.errors import PermissionDenied
from karokar.outbox.delivery.drain import drain_all
from tests.factories import people
from tests.factories.booking import another_company, make_world, sign_in


def kinds(**wanted) -> list[str]:
    return [record.event_type for record in list_records(**wanted).rows]


def test_each_side_of_a_booking_finds_it_and_nobody_else(any_app: Flask):
    world = make_world()
    made = world.approved()
    world.deliver()
    with acting_as(world.vendor_admin):
        assert kinds(entity=str(made.id)) == ["BookingApproved", "BookingRequested"]
    with acting_as(world.company_admin):
        assert kinds(entity=str(made.id)) == ["BookingApproved", "BookingRequested", "BookingDrafted"]
    with acting_as(another_company()):
        assert kinds() == []
    with acting_as(world.platform_admin):
        assert len(kinds(entity=str(made.id))) == 3


def test_people_and_private_fields_of_the_other_side_are_left_out(app: Flask):
    world = make_world()
    made = world.approved()
    world.deliver()
    with acting_as(world.vendor_admin):
        asked = list_records(entity=str(made.id), event_type="BookingRequested").rows[0]
    assert asked.actor_id is None
    assert asked.organization_id == world.company
    assert str(world.company_admin.user_id) not in repr(asked)
    assert not {"purpose", "requestedBy"} & asked.payload.keys()


def test_the_other_sides_people_are_not_found_by_asking_for_them(app: Flask):
    world = make_world()
    world.approved()
    world.deliver()
    with acting_as(world.vendor_admin):
        assert kinds(actor=str(world.company_admin.user_id)) == []
        assert kinds(actor=str(world.vendor_admin.user_id)) == ["BookingApproved"]
        assert kinds(actor="no id at all") == []


def test_an_employee_may_neither_search_nor_take_away(app: Flask):
    world = make_world()
    with acting_as(world.employee), pytest.raises(PermissionDenied):
        record_export("audit log", "csv", 0, {})
    with acting_as(world.employee):
        assert kinds() == []


def test_the_page_and_its_downloads_show_what_the_filters_ask_for(client: FlaskClient):
    company = people.make_corporate()
    drain_all()
    people.sign_in(client, company.admin)
    page = client.get("/audit/?producer=organization").text
    assert "applied for the marketplace" in page
    assert "asked for a verification" not in page
    lines = client.get("/audit/export?format=jsonl&producer=organization").text.splitlines()
    assert {json.loads(line)["eventType"] for line in lines} <= {
        "OrganizationCreated",
        "OrganizationApproved",
        "OrganizationUpdated",
    }
    assert "Position" in client.get("/audit/export?format=csv").text
    with client.get("/audit/export?format=xlsx") as answer:
        assert answer.data[:2] == b"PK"


def test_the_page_names_things_people_and_what_changed(client: FlaskClient):
    world = make_world()
    made = world.approved()
    assigned = world.direct()
    world.deliver()
    sign_in(client, world.company_admin)
    page = client.get("/audit/").text
    assert f'<a href="/booking/{made.id}">{made.reference}</a>' in page
    assert f'<a href="/assignment/{assigned.id}">of Emil' in page
    assert str(assigned.id)[-8:] not in re.sub("<[^>]*>", "", page), "an id where a name belongs"
    assert "<del>Requested</del>" in page
    assert "REQUESTED" not in page
    assert str(made.vehicle_id) not in re.sub("<[^>]*>", "", page)
    assert f"actor={world.company_admin.user_id}" in page, "a person leads to what they did"
    assert f"entity={made.id}" in page, "a thing leads to its records"


def test_a_download_is_itself_recorded(client: FlaskClient):
    company = people.make_corporate()
    drain_all()
    people.sign_in(client, company.admin)
    assert client.get("/audit/export?format=csv&producer=organization").text
    drain_all()
    record = db.session.scalars(select(AuditRecord).where(AuditRecord.event_type == "AuditExported")).one()
    assert record.actor_id == company.admin.user_id
    assert record.payload["selection"] == {"producer": "organization"}
    assert record.payload["rows"] > 0
