"""`/v1/events` for programs: with a token, what its organization may see, page by page, nothing twice."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from karokar.identity import actions as identity
from karokar.kernel.db import db
from karokar.kernel.ids import new_id
from karokar.outbox.delivery.drain import drain
from tests.factories import people
from tests.factories.events import approved, drafted, record, requested
from tests.factories.handlers import Planted


class Program:
    """Something that calls with a token."""

    def __init__(self, app: Flask, somebody: people.Somebody, *permissions: str) -> None:
        with people.acting(somebody):
            self.secret = identity.create_token(
                name="A program", permissions=permissions or ("event.read",), days=30
            ).secret
        self.client: FlaskClient = app.test_client()

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers={"Authorization": f"Bearer {self.secret}", **headers})

    def events(self, query: str = "") -> dict[str, Any]:
        answer = self.get(f"/v1/events{query}")
        assert answer.status_code == 200, answer.get_data(as_text=True)
        found: dict[str, Any] = answer.get_json()
        return found

    def ids(self, query: str = "") -> list[UUID]:
        return [UUID(event["eventId"]) for event in self.events(query)["data"]]

    def problem(self, path: str, status: int, code: str) -> str:
        answer = self.get(path)
        assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
        body = answer.get_json()
        assert (body["status"], body["code"]) == (status, code)
        assert body["type"] == f"urn:karokar:problem:{code}"
        return str(body["detail"])


@pytest.fixture
def vendor(planted: Flask) -> people.Company:
    return people.make_vendor()


@pytest.fixture
def company(planted: Flask) -> people.Company:
    return people.make_corporate()


@pytest.fixture
def facts(vendor: people.Company, company: people.Company) -> dict[str, Any]:
    """Of a booking between the two."""
    return {
        "vendor_organization_id": vendor.id,
        "corporate_organization_id": company.id,
        "requested_by": company.admin.user_id,
    }


def test_without_a_token_there_is_nothing(planted: Flask) -> None:
    for path in ("/v1/events", f"/v1/events/{new_id()}", "/metrics"):
        answer = planted.test_client().get(path)
        assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="KaroKar"'
        wrong = planted.test_client().get(path, headers={"Authorization": "Bearer made-up"})
        assert wrong.status_code == 401
        assert 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]


def test_a_token_without_the_permission_is_refused_by_name(planted: Flask, vendor: people.Company) -> None:
    program = Program(planted, vendor.admin, "vehicle.read")
    program.problem("/v1/events", 403, "PERMISSION_MISSING")


def test_an_event_is_told_in_camel_case_with_its_envelope(
    planted: Flask, company: people.Company, facts: dict[str, Any]
) -> None:
    correlation = new_id()
    event_id = record(
        requested(**facts),
        actor=people.actor_of(company.admin),
        correlation=correlation,
        changes={"status": ["DRAFT", "REQUESTED"]},
    )
    answer = Program(planted, company.admin).get(f"/v1/events/{event_id}")
    assert answer.content_type == "application/json"
    body = answer.get_json()
    assert {key: body[key] for key in ("eventId", "eventType", "version", "aggregateType")} == {
        "eventId": str(event_id),
        "eventType": "BookingRequested",
        "version": 1,
        "aggregateType": "Booking",
    }
    assert body["occurredAt"].endswith("Z")
    assert body["payload"]["requestedBy"] == str(company.admin.user_id)
    assert body["metadata"]["actorId"] == str(company.admin.user_id)
    assert body["metadata"]["organizationId"] == str(company.id)
    assert body["metadata"]["correlationId"] == str(correlation)
    assert body["metadata"]["changes"] == {"status": ["DRAFT", "REQUESTED"]}
    assert {"type": "Organization", "id": str(company.id)} in body["subjects"]
    assert not {"position", "aggregateSeq", "deliveries"} & set(body)


def test_the_other_side_reads_the_same_event_without_what_is_private(
    planted: Flask, vendor: people.Company, company: people.Company, facts: dict[str, Any]
) -> None:
    event_id = record(
        requested(**facts), actor=people.actor_of(company.admin), changes={"purpose": [None, "Site visit"]}
    )
    draft = record(drafted(**facts))
    program = Program(planted, vendor.admin)
    answer = program.get(f"/v1/events/{event_id}")
    assert str(company.admin.user_id) not in answer.get_data(as_text=True)
    assert "Site visit" not in answer.get_data(as_text=True)
    assert answer.get_json()["metadata"]["organizationId"] == str(company.id)
    program.problem(f"/v1/events/{draft}", 404, "NOT_FOUND")
    program.problem(f"/v1/events/{new_id()}", 404, "NOT_FOUND")
    assert draft not in program.ids("?limit=200")


def test_the_platform_also_sees_how_each_delivery_went(
    planted: Flask, operator: people.Somebody, keeper: Planted, facts: dict[str, Any]
) -> None:
    fine = record(requested(**facts))
    drain()
    keeper.is_broken = True
    failing = record(requested(**facts))
    drain()
    db.session.rollback()
    program = Program(planted, operator)
    done, failed = program.events("?type=BookingRequested")["data"]
    assert (UUID(done["eventId"]), UUID(failed["eventId"])) == (fine, failing)
    (delivery,) = done["deliveries"]
    assert (delivery["handler"], delivery["state"], delivery["attempts"]) == ("planted.keeper", "handled", 1)
    assert delivery["deliveredAt"] is not None
    (delivery,) = failed["deliveries"]
    assert (delivery["state"], delivery["attempts"], delivery["deliveredAt"]) == ("retrying", 1, None)
    assert "is told to fail" in delivery["error"]
    assert {"position", "aggregateSeq"} <= set(done)


def test_a_program_that_keeps_its_cursor_gets_everything_once(
    planted: Flask, vendor: people.Company, facts: dict[str, Any]
) -> None:
    program = Program(planted, vendor.admin)
    query = "?type=Booking*&limit=4"
    recorded = [record(requested(**facts)) for _ in range(10)]
    got: list[UUID] = []
    cursor = ""
    for _ in range(4):
        body = program.events(query + cursor)
        got += [UUID(event["eventId"]) for event in body["data"]]
        cursor = f"&cursor={quote(body['next'])}"
    assert got == recorded
    assert program.events(query + cursor)["data"] == []
    later = record(approved(**facts))
    record(approved())
    assert program.ids(query + cursor) == [later]


@pytest.mark.parametrize("limit", [1, 2, 200])
def test_a_program_reaches_what_lies_behind_any_number_of_events_that_it_may_not_see(
    planted: Flask, vendor: people.Company, facts: dict[str, Any], limit: int
) -> None:
    visible = []
    for hidden in (1, 41, 90):
        for _ in range(hidden):
            record(drafted(**facts))
        visible.append(record(requested(**facts)))
    program = Program(planted, vendor.admin)
    for query in (f"?type=Booking*&limit={limit}", f"?type=Booking*&limit={limit}&order=desc"):
        got: list[UUID] = []
        cursor, has_more = "", True
        while has_more:
            body = program.events(query + cursor)
            got += [UUID(event["eventId"]) for event in body["data"]]
            cursor, has_more = f"&cursor={quote(body['next'])}", body["hasMore"]
        assert got == (visible[::-1] if "desc" in query else visible)


def test_a_program_that_follows_from_the_very_beginning_is_given_a_cursor(
    planted: Flask, vendor: people.Company, facts: dict[str, Any]
) -> None:
    program = Program(planted, vendor.admin)
    query = "?type=BookingRequested"
    nothing = program.events(query)
    assert (nothing["data"], nothing["hasMore"]) == ([], False)
    for _ in range(60):
        record(drafted(**facts))
    still_nothing = program.events(f"{query}&cursor={quote(nothing['next'])}")
    first = record(requested(**facts))
    assert program.ids(f"{query}&cursor={quote(nothing['next'])}") == [first]
    assert program.ids(f"{query}&cursor={quote(still_nothing['next'])}") == [first]


def test_cursors_lead_back_as_well_and_the_newest_may_come_first(
    planted: Flask, vendor: people.Company, facts: dict[str, Any]
) -> None:
    program = Program(planted, vendor.admin)
    recorded = [record(requested(**facts)) for _ in range(6)]
    for query, order in (("?type=Booking*&limit=2", recorded), ("?type=Booking*&limit=2&order=desc", recorded[::-1])):
        first = program.events(query)
        second = program.events(f"{query}&cursor={quote(first['next'])}")
        assert [UUID(event["eventId"]) for event in second["data"]] == order[2:4]
        back = program.events(f"{query}&cursor={quote(second['previous'])}")
        assert back["data"] == first["data"]


def test_a_cursor_tells_nothing_and_is_worth_nothing_elsewhere(
    planted: Flask, vendor: people.Company, company: people.Company, facts: dict[str, Any]
) -> None:
    record(requested(**facts))
    of_vendor = Program(planted, vendor.admin).events()["next"]
    assert Program(planted, company.admin).events()["next"] != of_vendor
    Program(planted, company.admin).problem(f"/v1/events?cursor={quote(of_vendor)}", 422, "INVALID_CURSOR")
    Program(planted, company.admin).problem("/v1/events?cursor=7", 422, "INVALID_CURSOR")


def test_events_are_filtered_by_what_programs_ask_for(
    planted: Flask, company: people.Company, facts: dict[str, Any]
) -> None:
    program = Program(planted, company.admin)
    booking, vehicle, correlation = new_id(), new_id(), new_id()
    first = record(requested(**facts, booking_id=booking, vehicle_id=vehicle), correlation=correlation)
    second = record(approved(**facts, booking_id=booking, vehicle_id=vehicle), correlation=correlation)
    third = record(requested(**facts, vehicle_id=vehicle))
    assert program.ids(f"?aggregateType=Booking&aggregateId={booking}") == [first, second]
    assert program.ids(f"?subjectType=Vehicle&subjectId={vehicle}") == [first, second, third]
    assert program.ids(f"?correlationId={correlation}") == [first, second]
    assert program.ids(f"?subjectType=Vehicle&subjectId={vehicle}&type=*Requested") == [first, third]
    assert program.ids("?type=Booking*&since=2999-01-01T00:00:00Z") == []
    assert program.ids("?type=Booking*&until=2999-01-01T00:00:00%2B05:30") == [first, second, third]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("aggregateId=7", "INVALID_PARAMETER"),
        ("correlationId=x", "INVALID_PARAMETER"),
        ("since=yesterday", "INVALID_PARAMETER"),
        ("since=0001-01-01T00:00:00%2B14:00", "INVALID_PARAMETER"),
        ("until=9999-12-31T23:59:59-12:00", "INVALID_PARAMETER"),
        ("since=2026-11-20T09:00:00", "INVALID_PARAMETER"),
        ("limit=0", "INVALID_PARAMETER"),
        ("limit=1000", "INVALID_PARAMETER"),
        ("limit=%D9%A3", "INVALID_PARAMETER"),
        ("order=random", "INVALID_PARAMETER"),
        ("subjectType=Vehicle", "INVALID_PARAMETER"),
        ("subjectType=Spaceship&subjectId=01a1f7d9-ce70-7673-a629-37b66eaefdf5", "INVALID_PARAMETER"),
        ("aggregate_id=01a1f7d9-ce70-7673-a629-37b66eaefdf5", "UNKNOWN_PARAMETER"),
        ("type=BookingAproved", "INVALID_PARAMETER"),
        ("type=Booking*,VehicleSuspendet", "INVALID_PARAMETER"),
        ("type=Nope*", "INVALID_PARAMETER"),
        ("type=", "INVALID_PARAMETER"),
        ("type=,", "INVALID_PARAMETER"),
        ("aggregateType=Bookng", "INVALID_PARAMETER"),
        ("aggregateType=", "INVALID_PARAMETER"),
        ("type=BookingApproved&type=BookingRejected", "INVALID_PARAMETER"),
        ("limit=5&limit=6", "INVALID_PARAMETER"),
        ("cursor=%00", "INVALID_PARAMETER"),
        ("cursor=", "INVALID_CURSOR"),
        ("type=%00", "INVALID_PARAMETER"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(
    planted: Flask, vendor: people.Company, query: str, code: str
) -> None:
    assert Program(planted, vendor.admin).problem(f"/v1/events?{query}", 422, code)[-1] in ".?"


@pytest.mark.parametrize(
    ("query", "nearest"),
    [
        ("type=BookingAproved", "BookingApproved"),
        ("type=BookingApproved,Vehcle*", "Vehicle*"),
        ("type=bookingapproved,VehicleSuspendet", "VehicleSuspended"),
        ("aggregateType=Bookng", "Booking"),
        ("aggregateType=vehicle", "Vehicle"),
        ("agregateType=Booking", "aggregateType"),
        ("subjectType=Vehicel&subjectId=01a1f7d9-ce70-7673-a629-37b66eaefdf5", "Vehicle"),
    ],
)
def test_a_name_that_nothing_has_is_answered_with_the_nearest_that_something_has(
    planted: Flask, vendor: people.Company, query: str, nearest: str
) -> None:
    problem = Program(planted, vendor.admin).get(f"/v1/events?{query}")
    assert problem.status_code == 422
    assert f"Did you mean {nearest}?" in problem.get_json()["detail"]


def test_an_unchanged_answer_is_not_sent_again(planted: Flask, vendor: people.Company, facts: dict[str, Any]) -> None:
    program = Program(planted, vendor.admin)
    event_id = record(requested(**facts))
    for path in (f"/v1/events/{event_id}", "/v1/events?type=Booking*"):
        first = program.get(path)
        again = program.get(path, **{"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.get_data()) == (304, b"")
        assert "no-store" in first.headers["Cache-Control"]
    record(approved(**facts))
    changed = program.get("/v1/events?type=Booking*", **{"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


def test_metrics_are_for_those_who_operate_events(
    planted: Flask, operator: people.Somebody, vendor: people.Company
) -> None:
    answer = Program(planted, operator, "event.operate").get("/metrics")
    assert answer.status_code == 200
    assert "event_dispatch_failures_total" in answer.get_data(as_text=True)
    Program(planted, vendor.admin).problem("/metrics", 403, "PERMISSION_MISSING")
