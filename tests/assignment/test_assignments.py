"""Direct assignments and the employee's answer: given facts, when somebody acts, then this event or that refusal."""

import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from itertools import product

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from karokar.assignment import actions, queries, rules
from karokar.assignment.models import Assignment
from karokar.assignment.rules import MACHINE, Status
from karokar.availability import free
from karokar.events.base import LATEST
from karokar.kernel import clock
from karokar.kernel.db import Base, db, transaction
from karokar.kernel.errors import DomainError, NotFound, StateConflict
from karokar.kernel.ids import new_id
from karokar.kernel.state_machine import Transition
from karokar.kernel.text.notes import texts_of
from tests.factories import booking as make
from tests.factories.booking import NOON, World, hours
from tests.factories.browsing import follow, send, text_of
from tests.factories.people import PNG


@pytest.fixture
def world(app: Flask) -> World:
    return make.make_world()


def refused(code: str) -> pytest.RaisesExc[DomainError]:
    return pytest.raises(DomainError, check=lambda error: error.code == code)


def told(entity_id) -> list[str]:
    return [event.event_type for event in make.told(entity_id)]


# --- the table ----------------------------------------------------------------------------------------------------

DOCUMENTED = """
(new) PENDING create AssignmentCreated
PENDING ACCEPTED accept AssignmentAccepted
PENDING REJECTED reject AssignmentRejected
ACCEPTED ACTIVE start AssignmentActivated
ACTIVE COMPLETED complete AssignmentCompleted
PENDING CLOSED close AssignmentClosed
ACCEPTED CLOSED close AssignmentClosed
ACTIVE CLOSED close AssignmentClosed
PENDING CLOSED expire AssignmentClosed
ACCEPTED CLOSED expire AssignmentClosed
PENDING PENDING remind AssignmentReminded
ACTIVE ACTIVE flag AssignmentFlagged
"""
ACTIONS: dict[str, Callable[[Assignment], object]] = {
    "accept": lambda a: a.accept(at=NOON),
    "reject": lambda a: a.reject(reason="", at=NOON),
    "start": lambda a: a.start_using(at=NOON),
    "complete": lambda a: a.complete(at=NOON),
    "close": lambda a: a.close(reason="OTHER", at=NOON),
    "remind": lambda a: a.remind(hours_before=2),
    "flag": lambda a: a.raise_flag(reason="MEMBER_REMOVED"),
}


def an_assignment(status: Status) -> Assignment:
    made, _ = Assignment.create(
        vehicle_id=new_id(), corporate_organization_id=new_id(), employee_id=new_id(), start=NOON, end=NOON + hours(5)
    )
    made.status = status.value
    return made


def test_the_table_in_code_is_the_documented_one() -> None:
    in_code = {
        (row.source.value if row.source else "(new)", row.target.value, row.verb, row.event) for row in MACHINE.rows
    }
    assert in_code == {tuple(line.split()) for line in DOCUMENTED.strip().splitlines()}
    assert {row.event for row in MACHINE.rows} <= set(LATEST)


@pytest.mark.parametrize(
    "row", [row for row in MACHINE.rows if row.verb in ACTIONS], ids=lambda row: f"{row.source}-{row.verb}"
)
def test_what_the_table_allows_happens_and_is_told(row: Transition[Status]) -> None:
    made = an_assignment(row.source)
    event = ACTIONS[row.verb](made)
    assert (type(event).event_type, made.status) == (row.event, row.target.value)


@pytest.mark.parametrize(("status", "action"), [pair for pair in product(Status, ACTIONS) if not MACHINE.can(*pair)])
def test_what_the_table_does_not_allow_is_refused_and_changes_nothing(status: Status, action: str) -> None:
    made = an_assignment(status)
    with pytest.raises(StateConflict, match="INVALID_ASSIGNMENT_TRANSITION"):
        ACTIONS[action](made)
    assert made.status == status.value


# --- the employee's answer ----------------------------------------------------------------------------------------


def test_only_the_named_employee_answers(world: World) -> None:
    made = world.direct()
    for other in (world.colleague, world.company_admin):
        for answer in (actions.accept_assignment, actions.reject_assignment):
            with world.acting(other), pytest.raises(NotFound):
                answer(made.id)
    with world.acting(world.employee):
        assert actions.accept_assignment(made.id).status == "ACCEPTED"


def test_who_declines_may_say_why(world: World) -> None:
    made = world.direct()
    with world.acting(world.employee):
        actions.reject_assignment(made.id, "On leave")
    note_id = make.told(made.id)[-1].note_id
    assert texts_of([note_id]) == {note_id: "On leave"}
    assert make.assignment(made.id).note == "On leave"


def test_there_is_nothing_to_accept_after_the_end(world: World) -> None:
    made = world.direct()
    with world.acting(world.employee, world.end), refused("ASSIGNMENT_OVER"):
        actions.accept_assignment(made.id)


# --- the company's own vehicles -----------------------------------------------------------------------------------


def test_an_own_vehicle_is_assigned_without_an_end_used_and_returned(world: World) -> None:
    made = world.direct(end=None)
    with world.acting(world.employee, world.start):
        actions.accept_assignment(made.id)
        actions.start_assignment(made.id, 10_000, 90, notes="All fine")
    with world.acting(world.company_admin, world.start + timedelta(days=90)):
        actions.complete_assignment(made.id, 19_000, 40)
    assert told(made.id) == ["AssignmentCreated", "AssignmentAccepted", "AssignmentActivated", "AssignmentCompleted"]
    events = make.told(made.id)
    assert (events[2].odometer, events[3].odometer, events[3].fuel_percent) == (10_000, 19_000, 40)


def test_a_vendors_vehicle_is_not_assigned_directly(world: World) -> None:
    with pytest.raises(NotFound):
        world.direct(vehicle_id=world.vehicle)


def test_two_assignments_of_a_vehicle_do_not_overlap(world: World) -> None:
    world.direct()
    with refused("VEHICLE_NOT_AVAILABLE"):
        world.direct(world.colleague, start=world.end - hours(1), end=None)
    assert world.direct(world.colleague, start=world.end, end=None).status == "PENDING"


def test_two_assignments_of_an_employee_do_not_overlap(world: World) -> None:
    world.direct()
    other = make.vehicle(world.company, owned_by="CORPORATE_OWNED")
    with refused("EMPLOYEE_NOT_ELIGIBLE"):
        world.direct(vehicle_id=other, start=world.start + hours(1), end=world.end + hours(1))
    assert world.direct(vehicle_id=other, start=world.end, end=world.end + hours(1)).status == "PENDING"


def test_an_employee_with_a_booked_vehicle_gets_no_own_one_then(world: World) -> None:
    world.assigned()
    with refused("EMPLOYEE_NOT_ELIGIBLE"):
        world.direct()


def test_a_missing_licence_warns_or_refuses_as_the_platform_chose(world: World) -> None:
    made = world.direct(to=world.company_admin)  # who has shown no licence
    with world.acting(world.company_admin):
        actions.close_assignment(made.id, "OTHER")
    with transaction() as session:
        session.execute(
            insert(Base.metadata.tables["assignment_settings"]).values(
                key=rules.LICENCE_SETTING, value="true", changed_at=NOON
            )
        )
    with refused("EMPLOYEE_NOT_ELIGIBLE"):
        world.direct(to=world.company_admin)


def test_maintenance_and_suspension_stand_in_the_way(world: World) -> None:
    window = make.put(
        "maintenance_windows",
        vehicle_id=world.own_vehicle,
        organization_id=world.company,
        kind="SERVICE",
        description="",
        start=world.start + hours(2),
        end=world.start + hours(4),
        status="SCHEDULED",
        cancel_reason="",
    )
    with refused("VEHICLE_IN_MAINTENANCE"):
        world.direct()
    make.change("maintenance_windows", window, status="CANCELLED", cancelled_at=NOON)
    make.change("vehicles", world.own_vehicle, status="SUSPENDED", suspended_by="OWNER")
    with refused("VEHICLE_NOT_ACTIVE"):
        world.direct()


def test_a_vehicle_that_is_still_out_is_not_handed_over(world: World) -> None:
    first = world.direct()
    second = world.direct(world.colleague, start=world.end, end=None)
    with world.acting(world.employee, world.start):
        actions.accept_assignment(first.id)
        actions.start_assignment(first.id, 1, 1)
    with world.acting(world.colleague, world.end):
        actions.accept_assignment(second.id)
        with refused("VEHICLE_STILL_OUT"):
            actions.start_assignment(second.id, 1, 1)


def test_the_handover_waits_for_its_time(world: World) -> None:
    made = world.direct()
    with world.acting(world.employee):
        actions.accept_assignment(made.id)
        with refused("TOO_EARLY"):
            actions.start_assignment(made.id, 1, 1)


@pytest.mark.parametrize(("start", "end", "fits"), [(0, 4, False), (-5, 0, True), (10, None, True), (-5, None, False)])
def test_the_database_itself_keeps_live_direct_assignments_apart(any_app: Flask, start, end, fits) -> None:
    world = make.make_world()
    table = Base.metadata.tables["assignments"]

    def write(vehicle: object, employee: object, first: float, last: float | None) -> None:
        with transaction() as session:
            session.execute(
                insert(table).values(
                    id=new_id(), vehicle_id=vehicle, corporate_organization_id=world.company, employee_id=employee,
                    round=1, status="PENDING", start=world.start + hours(first),
                    end=None if last is None else world.start + hours(last), reason="", flag="",
                    created_at=NOON, updated_at=NOON, version=1, event_count=0,
                )
            )  # fmt: skip

    vehicle, employee = new_id(), new_id()
    write(vehicle, employee, 0, 10)
    for other in ((vehicle, new_id()), (new_id(), employee)):
        if fits:
            write(*other, start, end)
        else:
            with pytest.raises(IntegrityError, match=r"ex_assignments_(vehicle|employee)_no_overlap"):
                write(*other, start, end)


# --- the clock and memberships ------------------------------------------------------------------------------------


def at(moment, job) -> int:
    with clock.standing_at(moment):
        done: int = job()
    db.session.rollback()
    return done


def test_who_does_not_answer_is_reminded_a_day_and_two_hours_before(world: World) -> None:
    made = world.direct()
    counts = [at(world.start - hours(before), actions.remind_employees) for before in (25, 24, 23, 2, 1, -1)]
    assert counts == [0, 1, 0, 1, 0, 0]
    assert [event.hours_before for event in make.told(made.id)[1:]] == [24, 2]


def test_who_answered_is_not_reminded(world: World) -> None:
    made = world.direct()
    with world.acting(world.employee):
        actions.accept_assignment(made.id)
    assert at(world.start - hours(1), actions.remind_employees) == 0


def test_what_was_never_begun_is_closed_at_its_end(world: World) -> None:
    made = world.direct()
    assert at(world.end - hours(1), actions.close_expired) == 0
    assert at(world.end, actions.close_expired) == 1
    assert (make.assignment(made.id).status, make.assignment(made.id).reason) == ("CLOSED", "EXPIRED")


@pytest.mark.parametrize("event", ["MEMBER_SUSPENDED", "MEMBER_REMOVED"])
def test_a_member_who_may_act_no_longer_frees_what_has_not_begun_and_flags_what_runs(world: World, event: str) -> None:
    running = world.direct()
    with world.acting(world.employee, world.start):
        actions.accept_assignment(running.id)
        actions.start_assignment(running.id, 1, 1)
    waiting = world.direct(
        vehicle_id=make.vehicle(world.company, owned_by="CORPORATE_OWNED"), start=world.end, end=world.end + hours(2)
    )
    for _ in range(2):  # twice is once
        with clock.standing_at(world.start):
            actions.release_member(world.company, world.employee.user_id, event)
    assert (make.assignment(waiting.id).status, make.assignment(waiting.id).reason) == ("CLOSED", event)
    assert (make.assignment(running.id).status, make.assignment(running.id).flag) == ("ACTIVE", event)
    assert told(running.id)[-1] == "AssignmentFlagged"
    assert told(running.id).count("AssignmentFlagged") == 1


def test_who_had_it_is_known_from_handover_to_return(world: World) -> None:
    made = world.direct()
    with world.acting(world.employee, world.start + hours(1)):
        actions.accept_assignment(made.id)
        actions.start_assignment(made.id, 1, 1)
    with world.acting(world.employee, world.start + hours(5)):
        actions.complete_assignment(made.id, 2, 1)
    had = {
        after: [one.employee_id for one in queries.who_had(world.own_vehicle, world.start + hours(after))]
        for after in (0.5, 1, 4.9, 5)
    }
    assert had == {0.5: [], 1: [world.employee.user_id], 4.9: [world.employee.user_id], 5: []}


# --- pages --------------------------------------------------------------------------------------------------------


@pytest.fixture
def _monday_noon() -> Iterator[None]:
    with clock.standing_at(NOON):
        yield


@pytest.mark.usefixtures("_monday_noon")
class TestPages:
    def test_an_employee_accepts_from_the_page_that_the_mail_leads_to(self, world: World, client: FlaskClient) -> None:
        made = world.assigned()
        url = f"/assignment/{make.assignment_of(made.id).id}"
        make.sign_in(client, world.employee)
        assert "Accept or decline a vehicle" in text_of(client.get("/"))
        page = text_of(client.get(url))
        assert made.reference in page
        assert "Harbour Cars" in page
        assert "Accepted. Your company has been told" in follow(client, send(client, url, f"{url}/accept"))

    def test_an_employee_declines_with_a_reason(self, world: World, client: FlaskClient) -> None:
        made = world.direct()
        make.sign_in(client, world.employee)
        page = follow(client, send(client, f"/assignment/{made.id}/decline", reason="On leave"))
        assert "On leave" in page

    def test_a_colleagues_assignment_does_not_exist(self, world: World, client: FlaskClient) -> None:
        made = world.direct()
        make.sign_in(client, world.colleague)
        assert client.get(f"/assignment/{made.id}").status_code == 404
        assert "No vehicle for you yet" in text_of(client.get("/assignment/"))

    def test_a_company_assigns_its_own_vehicle_and_closes_it(self, world: World, client: FlaskClient) -> None:
        make.sign_in(client, world.company_admin)
        answer = send(
            client,
            "/assignment/new",
            vehicle_id=str(world.own_vehicle),
            employee_id=str(world.employee.user_id),
            start="2026-11-18T13:00",
            end="",
        )
        page = follow(client, answer)
        assert "has been asked and has not answered yet" in page
        assert "open end" in page
        url = answer.location
        assert send(client, f"{url}/close", reason="").status_code == 422
        assert "The vehicle is no longer needed" in follow(
            client, send(client, f"{url}/close", reason="NO_LONGER_NEEDED")
        )

    def test_who_can_have_an_own_vehicle_is_judged_for_the_time_given(self, world: World, client: FlaskClient) -> None:
        world.direct(end=None)
        make.sign_in(client, world.company_admin)
        chosen = {"vehicle_id": world.own_vehicle, "employee_id": world.employee.user_id}
        with clock.standing_at(NOON):
            before = text_of(client.get("/assignment/new", query_string=chosen))
            page = client.get("/assignment/new", query_string={**chosen, "start": "2026-11-19T13:00"})
        assert "said once you have given the time" in before
        assert "Emil Test (this person has another assignment in this period)" in text_of(page)
        assert f'<option selected value="{world.employee.user_id}">' in page.get_data(as_text=True)

    def test_a_declined_own_vehicle_waits_on_home_until_somebody_else_is_given_it(
        self, world: World, client: FlaskClient
    ) -> None:
        made = world.direct()
        with world.acting(world.employee):
            actions.reject_assignment(made.id, "On leave")
        make.sign_in(client, world.company_admin)
        page = text_of(client.get("/"))
        assert "Choose somebody else" in page
        assert "On leave" in page
        (link,) = set(re.findall(r'href="(/assignment/new[^"]+)"', client.get("/").get_data(as_text=True)))
        opened = client.get(unescape(link)).get_data(as_text=True)
        assert f'<option selected value="{world.own_vehicle}">' in opened
        assert 'value="2026-11-18T13:00"' in opened
        world.direct(world.colleague)
        assert "Choose somebody else" not in text_of(client.get("/"))

    def test_the_page_of_an_own_vehicle_says_who_has_it(self, world: World, client: FlaskClient) -> None:
        made = world.direct(end=None)
        make.sign_in(client, world.company_admin)
        with clock.standing_at(NOON):
            page = client.get(f"/fleet/{world.own_vehicle}")
        assert f"/assignment/{made.id}" in page.get_data(as_text=True)
        assert "Emil Test 18 Nov 2026, 13:00 CET open end" in text_of(page)

    def test_what_stands_in_the_way_is_named_at_its_field(self, world: World, client: FlaskClient) -> None:
        world.direct()
        make.sign_in(client, world.company_admin)
        answer = send(
            client,
            "/assignment/new",
            vehicle_id=str(make.vehicle(world.company, owned_by="CORPORATE_OWNED")),
            employee_id=str(world.employee.user_id),
            start="2026-11-18T14:00",
            end="2026-11-18T15:00",
        )
        assert answer.status_code == 422
        assert "This person has another assignment in this period" in text_of(answer)

    def test_an_employee_hands_over_and_returns_with_readings(self, world: World, client: FlaskClient) -> None:
        made = world.direct()
        with world.acting(world.employee):
            actions.accept_assignment(made.id)
        with clock.standing_at(world.start):
            make.sign_in(client, world.employee)
            url = f"/assignment/{made.id}"
            assert "10,050 km" in follow(client, send(client, f"{url}/start", odometer="10050", fuel_percent="70"))
            told = follow(client, send(client, f"{url}/complete", odometer="10400", fuel_percent="20"))
            assert "10,400 km" in told
            assert "less than" not in told

    def test_an_own_vehicle_is_handed_over_with_checks_photos_and_damage_as_a_booked_one_is(
        self, world: World, client: FlaskClient
    ) -> None:
        made = world.direct()
        with world.acting(world.employee):
            actions.accept_assignment(made.id)
        with clock.standing_at(world.start):
            make.sign_in(client, world.employee)
            url = f"/assignment/{made.id}"
            reading = {"odometer": "10050", "fuel_percent": "70"}
            front = {"checks": "TYRES", "photo_front": (io.BytesIO(PNG), "front.png")}
            page = follow(client, send(client, f"{url}/start", **reading, **front))
            assert "Tyres look sound" in page
            picture = re.search(r'<img src="(/assignment/[^"]+/photos/[^"]+)"', client.get(url).text)
            assert picture
            assert client.get(picture[1]).mimetype == "image/png"
            silent = send(client, f"{url}/complete", **reading, is_damaged="y")
            assert "Describe the damage" in text_of(silent)
            broken = send(client, f"{url}/complete", **reading, photo_back=(io.BytesIO(b"<html>"), "back.jpg"))
            assert broken.status_code == 422
            told = follow(client, send(client, f"{url}/complete", **reading, is_damaged="y", notes="A dent"))
            assert "New damage Yes" in told
            assert "A dent" in told
            make.sign_in(client, world.colleague)
            assert client.get(picture[1]).status_code == 404

    def test_a_vehicle_handed_over_before_its_time_is_taken_from_then_on(
        self, world: World, client: FlaskClient
    ) -> None:
        made = world.direct()
        early = world.start - hours(0.5)
        with world.acting(world.employee):
            actions.accept_assignment(made.id)
        with world.acting(world.employee, early):
            actions.start_assignment(made.id, 10_050, 70)
        world.deliver(early)
        assert not free.is_free(world.own_vehicle, early + hours(0.1), early + hours(0.2))

    def test_the_list_filters_by_employee_kind_and_plate_and_exports(self, world: World, client: FlaskClient) -> None:
        world.direct()
        world.assigned(world.colleague)
        make.sign_in(client, world.company_admin)

        def listed(query: str) -> tuple[bool, bool]:
            rows = client.get(f"/assignment/export?format=csv&{query}").get_data(as_text=True)
            return "Emil" in rows, "Cora" in rows

        assert listed("") == (True, True)
        assert listed("kind=direct") == (True, False)
        assert listed(f"employee={world.colleague.user_id}") == (False, True)
        assert listed("q=nothing") == (False, False)
        assert "Emil" in text_of(client.get("/assignment/?kind=direct&sort=end"))
