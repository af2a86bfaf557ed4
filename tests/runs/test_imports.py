"""Files of rows: checked before anything happens, imported once, by a run that survives its worker."""

import io
import re
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from karokar.fleet import queries as fleet
from karokar.kernel import clock
from karokar.kernel.db import db, transaction
from karokar.runs import worker
from karokar.runs.imports import Heading, read
from karokar.runs.models import ImportFile, Run, RunRow
from karokar.runs.tables import MOST_ROWS, FileRefused, table_of
from tests.factories import people

HEADINGS = (Heading("name"), Heading("seats", is_optional=True))
HEAD = "make,model,year,license_plate,category,seats,city\n"


def rows(count, first=1):
    return "".join(f"Tata,Nexon,2024,KA 01 ZZ {n:04d},SUV,5,Pune\n" for n in range(first, first + count))


@pytest.fixture
def vendor(app):
    return people.make_vendor()


@pytest.fixture
def as_vendor(client, vendor):
    people.sign_in(client, vendor.admin)
    return client


def fields(html):
    return dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', html))


def upload(client, text, name="fleet.csv"):
    hidden = fields(client.get("/fleet/import").text)
    data = {**hidden, "file": (io.BytesIO(text.encode()), name)}
    return client.post("/fleet/import", data=data).location


def start(client, checked):
    return client.post(checked, data=fields(client.get(checked).text))


def run_id_of(answer):
    return UUID(answer.location.rsplit("/", 1)[-1])


def plates(vendor):
    db.session.rollback()
    with people.acting(vendor.admin):
        return [row.license_plate for row in fleet.list_vehicles(size=1000).rows]


# --- reading ----------------------------------------------------------------------------------------------------------


def test_lines_are_counted_as_an_editor_shows_them():
    report = read('Name;Seats\n"two\nlines";4\n\n Asha ;5\n', HEADINGS)
    assert [(line.number, line.cells) for line in report.lines] == [
        (3, {"name": "two\nlines", "seats": "4"}),
        (5, {"name": "Asha", "seats": "5"}),
    ]


@pytest.mark.parametrize("text", ["Name\tSeats\nAsha\t5\n", "\ufeffname,seats\r\nAsha,5\r\n", "\nNAME; seats\nAsha;5"])
def test_comma_semicolon_and_tab_divide_cells(text):
    assert read(text.lstrip("\ufeff"), HEADINGS).lines[0].cells == {"name": "Asha", "seats": "5"}


def test_headings_that_are_missing_unknown_or_there_twice_are_named():
    problems = read("seats,colour,Seats\n5,red,5\n", HEADINGS).problems
    assert [(one.column, one.heading, one.sentence) for one in problems] == [
        ("B", "colour", "This heading is not known."),
        ("C", "Seats", "This heading is there twice."),
        ("", "name", "This column is missing."),
    ]


def test_a_line_with_too_many_cells_is_named():
    assert read("name\nAsha\nRavi,5\n", HEADINGS).problems[0].line == 3


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b" \r\n", "Choose"),
        (b"name\n\x81", "letters can't be read"),
        (b"name\n\0", "neither CSV nor a workbook"),
        (b"\xff\xfen\0a", "neither CSV nor a workbook"),
        (b"PK\x03\x04 and nothing that follows", "can't be read"),
        (b"x" * 2_000_001, "larger than 2 MB"),
    ],
)
def test_what_is_no_file_of_rows_is_refused_with_a_sentence(app, data, word):
    with pytest.raises(FileRefused, match=word):
        table_of(data)


def test_a_file_with_too_many_rows_says_how_many_it_may_have():
    with pytest.raises(FileRefused, match="5,000"):
        read("name\n" + "Asha\n" * (MOST_ROWS + 1), HEADINGS)


@pytest.mark.parametrize(
    ("row", "word"), [('"Asha\n', "Line 3 opens a quotation mark"), ('"Asha"x,1\n', "Line 3 has a quotation mark")]
)
def test_a_quotation_mark_that_takes_in_other_lines_is_named_where_it_begins(row, word):
    with pytest.raises(FileRefused, match=word):
        read("name,seats\nRavi,2\n" + row + "Meera,3\n" * 50, HEADINGS)


def test_a_cell_that_is_too_long_is_refused_not_a_crash():
    with pytest.raises(FileRefused, match="Line 2"):
        read("name\n" + "x" * 200_000, HEADINGS)


# --- through pages ----------------------------------------------------------------------------------------------------


def test_checking_changes_nothing_and_starting_twice_imports_once(as_vendor, vendor):
    checked = upload(as_vendor, HEAD + rows(3))
    page = as_vendor.get(checked)
    assert plates(vendor) == []
    first = as_vendor.post(checked, data=fields(page.text))
    again = as_vendor.post(checked, data={**fields(page.text), "form_key": ""})
    assert first.location == again.location
    worker.work()
    assert plates(vendor) == ["KA 01 ZZ 0001", "KA 01 ZZ 0002", "KA 01 ZZ 0003"]
    assert as_vendor.get(checked).location == first.location


def test_the_text_of_a_file_is_forgotten_once_its_import_started(as_vendor):
    start(as_vendor, upload(as_vendor, HEAD + rows(1)))
    db.session.rollback()
    assert db.session.scalars(select(ImportFile.text)).all() == [""]


def test_the_same_file_uploaded_again_is_noticed_and_nothing_in_it_is_good(as_vendor):
    first = start(as_vendor, upload(as_vendor, HEAD + rows(2)))
    worker.work()
    page = as_vendor.get(upload(as_vendor, HEAD + rows(2), "renamed.csv")).text
    assert "The very same file was imported already" in page
    assert first.location in page
    assert "0 of 2 rows can be imported" in page


def test_a_file_that_waits_is_found_again_where_it_was_uploaded(as_vendor):
    checked = upload(as_vendor, HEAD + rows(1))
    assert checked in as_vendor.get("/fleet/import").text


def test_what_is_wrong_can_be_downloaded_and_no_cell_is_a_formula(as_vendor):
    checked = upload(as_vendor, HEAD + "Tata,Nexon,1850,KA 1,SUV,5,Pune\nTata,Nexon,2024,=2+2,SUV,5,Pune\n")
    text = as_vendor.get(f"{checked}/errors").text
    assert "2,C,year,1850," in text
    assert "3,D,license_plate,'=2+2," in text


def test_a_plate_registered_meanwhile_is_asked_about_again(as_vendor, vendor):
    checked = upload(as_vendor, HEAD + rows(2))
    seen = fields(as_vendor.get(checked).text)
    start(as_vendor, upload(as_vendor, HEAD + rows(1)))
    worker.work()
    answer = as_vendor.post(checked, data=seen)
    assert answer.status_code == 409
    assert "1 of 2 rows can be imported" in answer.text


def test_a_row_that_is_refused_while_the_run_goes_is_a_result_and_can_be_tried_again(as_vendor, vendor):
    answer = start(as_vendor, upload(as_vendor, HEAD + rows(2)))
    with people.acting(vendor.admin):
        from karokar.fleet import actions

        facts = {"make": "Tata", "model": "Nexon", "year": 2024, "category": "SUV", "seats": 5, "city": "Pune"}
        other = actions.register_vehicle(license_plate="KA01ZZ0002", time_zone="UTC", **facts)
    worker.work()
    page = as_vendor.get(answer.location).text
    assert "Another of your vehicles in service has this licence plate" in page
    assert "Refused rows as CSV" in page
    with people.acting(vendor.admin):
        actions.retire_vehicle(other)
    as_vendor.post(f"{answer.location}/retry", data=fields(page))
    worker.work()
    assert plates(vendor) == ["KA 01 ZZ 0001", "KA 01 ZZ 0002"]


def test_an_import_goes_on_where_its_worker_died(as_vendor, vendor, monkeypatch):
    class Killed(BaseException):
        """The process ends here."""

    answer = start(as_vendor, upload(as_vendor, HEAD + rows(5)))
    keep, kept = worker._keep_result, []

    def keep_some(*args):
        if len(kept) == 3:
            raise Killed
        kept.append(args)
        keep(*args)

    monkeypatch.setattr(worker, "_keep_result", keep_some)
    with pytest.raises(Killed):
        worker.work()
    assert len(plates(vendor)) == 3
    monkeypatch.setattr(worker, "_keep_result", keep)
    with clock.standing_at(clock.now() + worker.CLAIM + timedelta(seconds=1)):
        worker.work()
    run = db.session.get_one(Run, run_id_of(answer), populate_existing=True)
    assert (run.status, run.ok, len(plates(vendor))) == ("DONE", 5, 5)


def test_whoever_lost_the_right_imports_nothing_more(as_vendor, vendor):
    colleague = people.add_member(vendor, "VENDOR_ADMIN")
    answer = start(as_vendor, upload(as_vendor, HEAD + rows(2)))
    with people.acting(colleague):
        from karokar.identity import actions

        actions.suspend_member(vendor.admin.membership_id)
    worker.work()
    run = db.session.get_one(Run, run_id_of(answer), populate_existing=True)
    assert run.status == "FAILED"
    with people.acting(colleague):
        assert fleet.list_vehicles().rows == []


def test_a_file_is_its_owner_s_alone(as_vendor, vendor, app):
    checked = upload(as_vendor, HEAD + rows(1))
    colleague = people.add_member(vendor, "VENDOR_ADMIN")
    for somebody in (colleague, people.make_vendor().admin):
        other = app.test_client()
        people.sign_in(other, somebody)
        assert other.get(checked).status_code == 404
        assert other.get(f"{checked}/errors").status_code == 404
        assert other.post(checked, data=fields(other.get("/fleet/import").text)).status_code == 404


def test_an_import_is_not_started_as_a_bulk_change(as_vendor):
    assert as_vendor.get("/runs/new/fleet.import").status_code == 404


def test_files_never_imported_are_forgotten(as_vendor):
    upload(as_vendor, HEAD + rows(1))
    with transaction() as session:
        session.scalars(select(ImportFile)).one().created_at = clock.now() - timedelta(days=8)
    worker.forget_old_runs()
    assert db.session.scalars(select(ImportFile)).all() == []


def test_the_file_goes_with_its_run(as_vendor):
    answer = start(as_vendor, upload(as_vendor, HEAD + rows(1)))
    worker.work()
    with transaction() as session:
        session.get_one(Run, run_id_of(answer)).finished_at = clock.now() - timedelta(days=31)
    worker.forget_old_runs()
    assert db.session.scalars(select(RunRow)).all() == db.session.scalars(select(ImportFile)).all() == []
