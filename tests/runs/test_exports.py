"""Lists as files: at once while they are small, by a run when they are not; the same file, whatever dies."""

import csv
import dataclasses
import io
import json
import re
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from python_calamine import load_workbook
from sqlalchemy import select

from karokar.audit.models import AuditRecord
from karokar.availability import queries as availability
from karokar.fleet.actions import cancel_maintenance, schedule_maintenance
from karokar.identity import queries as identity
from karokar.identity.actions import invite_member
from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.organization import queries as organization
from karokar.outbox.delivery.drain import drain_all
from karokar.runs import worker
from karokar.runs.models import Run
from karokar.runs.queries import folder_of
from karokar.runs.views import exports
from tests.factories import booking, fleet, people


@pytest.fixture
def any_vendor(any_app):
    made = people.make_vendor()
    for number in range(7):
        name = "=cmd()" if number == 3 else "Tata"
        fleet.make_vehicle(made, status="PENDING", make=name, license_plate=f"KA 01 ZZ {number:04d}")
    return made


@pytest.fixture
def as_vendor(any_app, any_client, any_vendor, monkeypatch):
    monkeypatch.setitem(
        any_app.config, "KAROKAR", dataclasses.replace(any_app.config["KAROKAR"], export_rows_at_once=5)
    )
    monkeypatch.setattr(exports, "_PAGE", 2)
    people.sign_in(any_client, any_vendor.admin)
    return any_client


def fields(html):
    return dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', html))


def asked(client, url):
    """The page that a long export leads to."""
    answer = client.get(url)
    assert answer.status_code == 303
    return answer.location


def started(client, url):
    """The address of the run that a long export starts."""
    ask = asked(client, url)
    return client.post(ask, data=fields(client.get(ask).text)).location


def run_of(location) -> Run:
    db.session.rollback()
    return db.session.get_one(Run, UUID(location.rsplit("/", 1)[-1]), populate_existing=True)


def file_of(client, location) -> bytes:
    with client.get(f"{location}/file") as answer:
        assert answer.status_code == 200
        assert "attachment" in answer.headers["Content-Disposition"]
        return answer.data


def table(text):
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def cells(data):
    """The rows of an Excel file, as what reads them types them."""
    return load_workbook(io.BytesIO(data)).get_sheet_by_index(0).to_python()


def work():
    """As many slices as it takes."""
    for _ in range(20):
        worker.work()


def test_a_short_list_is_sent_at_once(as_vendor):
    rows = table(as_vendor.get("/fleet/export?q=0001").text)
    assert [row[0] for row in rows] == ["Licence plate", "KA 01 ZZ 0001"]


def test_a_long_list_says_how_many_rows_it_has_and_that_a_run_makes_it(as_vendor):
    ask = asked(as_vendor, "/fleet/export?format=csv&q=ZZ&sort=-plate")
    page = as_vendor.get(ask).text
    assert re.search(r"Rows</dt><dd[^>]*>7<", page)
    assert "made in the background" in page
    assert "Make, model or plate" in page
    assert db.session.scalars(select(Run)).all() == []


def test_the_run_makes_exactly_the_file_that_would_have_been_sent(as_vendor, any_app, monkeypatch):
    location = started(as_vendor, "/fleet/export?sort=-plate")
    work()
    run = run_of(location)
    assert (run.status, run.ok, run.total, run.file_name) == ("DONE", 7, 7, "vehicles.csv")
    made = file_of(as_vendor, location).decode()
    monkeypatch.setitem(
        any_app.config, "KAROKAR", dataclasses.replace(any_app.config["KAROKAR"], export_rows_at_once=50)
    )
    assert made == as_vendor.get("/fleet/export?sort=-plate").data.decode()
    rows = table(made)
    assert [row[0][-4:] for row in rows[1:]] == ["0006", "0005", "0004", "0003", "0002", "0001", "0000"]
    assert rows[4][1] == "'=cmd()"


def test_excel_has_the_same_rows_and_no_formula(as_vendor):
    from zipfile import ZipFile

    location = started(as_vendor, "/fleet/export?format=xlsx")
    work()
    data = file_of(as_vendor, location)
    sheet = ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count("<row ") == 8
    assert "<f>" not in sheet
    assert [row[1] for row in cells(data)].count("=cmd()") == 1


def test_a_file_that_is_not_what_the_run_made_is_a_sentence_and_not_sent(as_vendor, tmp_path):
    location = started(as_vendor, "/fleet/export")
    work()
    path = folder_of(run_of(location).id) / "vehicles.csv"
    outside = tmp_path / "outside"
    outside.write_bytes(path.read_bytes())
    for spoil in (lambda: path.write_text("something else"), lambda: (path.unlink(), path.symlink_to(outside))):
        spoil()
        answer = as_vendor.get(f"{location}/file")
        assert (answer.status_code, "changed or damaged" in answer.text) == (404, True)


def test_excel_is_not_given_more_rows_than_it_can_have(as_vendor, monkeypatch):
    monkeypatch.setattr(exports, "EXCEL_ROWS", 6)
    ask = asked(as_vendor, "/fleet/export?format=xlsx")
    page = as_vendor.get(ask).text
    assert "Take CSV instead" in page
    token = fields(as_vendor.get("/fleet/new").text)
    assert as_vendor.post(ask, data=token).status_code == 422


def test_a_file_goes_on_where_its_worker_died_without_a_row_twice(as_vendor, monkeypatch):
    class Killed(BaseException):
        """The process ends here, after the rows were written and before that was kept."""

    location = started(as_vendor, "/fleet/export")
    original, calls = exports.Step, []

    def dying(*args):
        calls.append(args)
        if len(calls) == 2:
            raise Killed
        return original(*args)

    monkeypatch.setattr(exports, "Step", dying)
    with pytest.raises(Killed):
        work()
    with clock.standing_at(clock.now() + worker.CLAIM + timedelta(seconds=1)):
        work()
    plates = [row[0] for row in table(file_of(as_vendor, location).decode())[1:]]
    assert plates == [f"KA 01 ZZ {number:04d}" for number in range(7)]


def test_a_file_whose_beginning_is_gone_is_made_anew(as_vendor, monkeypatch):
    location = started(as_vendor, "/fleet/export")
    run_id = worker._claim()
    worker.work_on(run_id, seconds=-1)
    from karokar.runs.queries import folder_of

    for path in folder_of(run_id).iterdir():
        path.unlink()
    work()
    assert len(table(file_of(as_vendor, location).decode())) == 8


def test_whoever_lost_the_right_gets_no_file_any_more(as_vendor, any_vendor):
    from karokar.identity import actions as identity

    location = started(as_vendor, "/fleet/export")
    work()
    colleague = people.add_member(any_vendor, "VENDOR_ADMIN")
    with people.acting(colleague):
        role = identity.create_role(name="Phone desk", permissions=["booking.read"])
        identity.change_role(any_vendor.admin.membership_id, role_id=role.id)
    assert as_vendor.get(f"{location}/file").status_code == 404


def test_another_tenant_finds_neither_run_nor_file(as_vendor, any_app):
    location = started(as_vendor, "/fleet/export")
    work()
    for stranger in (people.make_vendor().admin, people.make_corporate(employees=1).employees[0]):
        other = any_app.test_client()
        people.sign_in(other, stranger)
        for path in ("", "/file", "/results", "/progress"):
            assert other.get(location + path).status_code == 404


def test_the_platform_sees_that_it_ran_and_not_what_is_in_it(as_vendor, any_app):
    location = started(as_vendor, "/fleet/export")
    work()
    other = any_app.test_client()
    people.sign_in(other, people.platform_admin())
    assert other.get(location).status_code == 200
    assert "Download" not in other.get(location).text
    assert other.get(f"{location}/file").status_code == 404


def test_the_audit_log_is_exported_as_json_lines_too_and_that_is_recorded_once(as_vendor, any_vendor):
    drain_all()
    location = started(as_vendor, "/audit/export?format=jsonl")
    work()
    lines = [json.loads(line) for line in file_of(as_vendor, location).decode().splitlines()]
    assert lines[-1]["eventType"] == "OrganizationCreated"
    drain_all()
    statement = select(AuditRecord).where(AuditRecord.event_type == "AuditExported")
    assert len(db.session.scalars(statement).all()) == 1


def test_a_list_that_does_not_exist_has_no_export(as_vendor):
    assert as_vendor.get("/runs/exports/fleet.import").status_code == 404


def test_a_list_that_one_may_not_read_has_no_export(as_vendor, any_app):
    other = any_app.test_client()
    people.sign_in(other, people.make_corporate(employees=1).employees[0])
    assert other.get("/runs/exports/audit.export").status_code == 403


# --- the lists that came later: each as its page shows it -----------------------------------------------------------------


def rows_of(client, url):
    """The rows of an export that is small enough to be sent at once, by its headings."""
    with client.get(url) as answer:
        assert answer.status_code == 200
        heading, *rows = table(answer.get_data(as_text=True))
        return [dict(zip(heading, row, strict=True)) for row in rows]


def test_members_as_a_file_are_those_of_the_list_and_of_nobody_else(any_client):
    mine, other = people.make_corporate(employees=2), people.make_corporate(employees=1)
    people.sign_in(any_client, mine.admin)
    rows = rows_of(any_client, "/identity/members/export?format=csv")
    assert {row["E-mail address"] for row in rows} == {one.email for one in (mine.admin, *mine.employees)}
    assert other.admin.email not in str(rows)
    (one,) = rows_of(any_client, f"/identity/members/export?q={mine.employees[0].email}")
    assert f"{one['First name']} {one['Last name']}" == mine.employees[0].name
    assert (one["Role"], one["Status"]) == ("Employee", "Active")
    with any_client.get("/identity/members/export?format=xlsx") as answer:
        assert answer.data[:2] == b"PK"


def test_members_by_a_run_are_the_same_and_no_cell_is_a_formula(any_app, any_client, monkeypatch):
    company = people.make_corporate(employees=7)
    people.sign_in(any_client, company.admin)
    with people.acting(company.admin):
        role = next(role for role in identity.list_roles_to_give(company.id, "CORPORATE") if role.code == "EMPLOYEE")
        invited = invite_member(first_name="=cmd()", last_name="Iyer", email="a.formula@example.com", role_id=role.id)
    people.join(invited.id)
    at_once = table(any_client.get("/identity/members/export").get_data(as_text=True))
    monkeypatch.setitem(
        any_app.config, "KAROKAR", dataclasses.replace(any_app.config["KAROKAR"], export_rows_at_once=5)
    )
    monkeypatch.setattr(exports, "_PAGE", 2)
    location = started(any_client, "/identity/members/export?format=csv")
    work()
    assert table(file_of(any_client, location).decode()) == at_once
    assert [row[0] for row in at_once if "cmd" in row[0]] == ["'=cmd()"]


def test_organizations_as_a_file_are_for_the_platform_as_it_filtered_them(any_client):
    vendor, company = people.make_vendor(), people.make_corporate()
    people.sign_in(any_client, company.admin)
    assert any_client.get("/organization/export").status_code == 403
    people.sign_in(any_client, people.platform_admin())
    names = {row["Name"]: row["Kind"] for row in rows_of(any_client, "/organization/export?format=csv&type=VENDOR")}
    assert set(names.values()) == {"Vendor"}
    assert vendor.name in names
    assert company.name not in names


def test_conflicts_as_a_file_are_those_that_the_list_shows(any_client):
    world = booking.make_world()
    taken = world.approved()
    with world.acting(world.vendor_admin):
        schedule_maintenance(world.vehicle, kind="REPAIR", start=taken.start, end=taken.end)
    world.deliver()
    booking.sign_in(any_client, world.company_admin)
    (row,) = rows_of(any_client, "/availability/conflicts/export?format=csv&status=OPEN")
    assert row["What overlaps"] in {"A booking and maintenance", "Maintenance and a booking"}
    assert row["Status"] == "Open"
    assert rows_of(any_client, "/availability/conflicts/export?status=RESOLVED") == []
    booking.sign_in(any_client, booking.another_company())
    assert rows_of(any_client, "/availability/conflicts/export") == []


# --- every page of a list -----------------------------------------------------------------------------------------------------


def walked(ask, sort):
    """The rows of every page, in order; no list here has more than a hundred."""
    found, cursor = [], None
    for _ in range(100):
        page = ask(sort=sort, cursor=cursor)
        found += [row.id for row in page.rows]
        if page.next is None:
            break
        cursor = page.next
    return found


@pytest.mark.parametrize("way", ["", "-"])
def test_every_order_of_a_list_leads_past_every_row_once(any_app, way):
    companies = [people.make_corporate(employees=0) for _ in range(2)]
    for number in range(28):
        people.add_employee(companies[number % 2])
    with people.acting(people.platform_admin()):
        for sort in identity.PEOPLE_SORTS:
            found = walked(identity.list_people, way + sort)
            assert len(found) == len(set(found)) == identity.list_people().count, sort
    with people.acting(companies[0].admin):
        for sort in identity.MEMBER_SORTS:
            ask = partial(identity.list_member_rows, organization_id=companies[0].id, size=4)
            found = walked(ask, way + sort)
            assert len(found) == len(set(found)) == 15, sort
    with people.acting(people.platform_admin()):
        for sort in organization.SORTS:
            found = walked(partial(organization.list_pages, size=1), way + sort)
            assert len(found) == len(set(found)) == organization.list_pages().count, sort


@pytest.mark.parametrize("way", ["", "-"])
def test_every_order_of_conflicts_leads_past_every_one_once_and_open_ones_come_first(any_app, way):
    world = booking.make_world()
    windows = []
    for number in range(6):
        start = world.start + timedelta(days=number)
        taken = world.approved(start=start, end=start + timedelta(hours=5))
        with world.acting(world.vendor_admin):
            windows.append(schedule_maintenance(world.vehicle, kind="REPAIR", start=taken.start, end=taken.end))
        world.deliver(booking.NOON + timedelta(minutes=number // 2))
    for window in windows[::2]:
        with world.acting(world.vendor_admin):
            cancel_maintenance(window, reason="Not needed")
    world.deliver()
    with world.acting(world.vendor_admin):
        for sort in availability.SORTS:
            found = walked(partial(availability.list_conflicts, size=2), way + sort)
            assert len(found) == len(set(found)) == 6, sort
        statuses = [row.status for row in availability.list_conflicts(size=100).rows]
        assert statuses == ["OPEN"] * 3 + ["RESOLVED"] * 3
