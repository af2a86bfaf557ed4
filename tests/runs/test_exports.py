"""Lists as files: at once while they are small, by a run when they are not; the same file, whatever dies."""

import csv
import dataclasses
import io
import json
import re
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from karokar.audit.models import AuditRecord
from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.outbox.drain import drain_all
from karokar.runs import worker
from karokar.runs.models import Run
from karokar.runs.views import exports
from tests.factories import fleet, people


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
    made = ZipFile(io.BytesIO(file_of(as_vendor, location)))
    sheet = made.read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count("<row ") == 8
    assert "<f>" not in sheet
    assert "&apos;=cmd()" in sheet or "'=cmd()" in sheet or "=cmd()" in made.read("xl/sharedStrings.xml").decode()


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
    assert as_vendor.get(f"{location}/file").status_code == 403


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
