"""Tables as people have them: any encoding and divider that spreadsheets write, workbooks, and our own exports."""

import csv
import io
import re
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import xlsxwriter
from python_calamine import load_workbook

from karokar.files.formats import workbook
from karokar.fleet import queries as fleet_queries
from karokar.identity import queries as identity
from karokar.kernel.db import db
from karokar.organization.actions import update_organization
from karokar.runs import worker
from karokar.runs.imports import Heading, read
from karokar.runs.tables import FileRefused, table_of
from karokar.web.lists.exports import Column, csv_lines, plain, safe, write_xlsx
from tests.factories import fleet, people

SAMPLES = Path(__file__).parent.parent / "samples"
TEXT = "First name;Last name;E-mail address\r\nZoë;Åström;zoe@rental.example\r\n"
HEADINGS = (Heading("first_name", "First name"), Heading("last_name", "Last name"), Heading("email", "E-mail address"))


def sample(name):
    return (SAMPLES / name).read_bytes()


def upload(client, url, data, name="file.csv"):
    hidden = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', client.get(url).text))
    return client.post(url, data={**hidden, "file": (io.BytesIO(data), name)}, follow_redirects=True)


def confirm(client, checked):
    hidden = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', checked.text))
    return client.post(checked.request.path, data=hidden)


def a_workbook(*rows, sheets=("Sheet1",), hide_first=False):
    held = io.BytesIO()
    with xlsxwriter.Workbook(held, {"default_date_format": "yyyy-mm-dd"}) as book:
        made = [book.add_worksheet(name) for name in sheets]
        if hide_first:
            made[1].activate()
            made[0].hide()
        for number, row in enumerate(rows):
            made[1 if hide_first else 0].write_row(number, 0, row)
    return held.getvalue()


@pytest.fixture
def as_vendor(client):
    vendor = people.make_vendor()
    people.sign_in(client, vendor.admin)
    client.vendor = vendor
    return client


@pytest.fixture
def as_company(client):
    company = people.make_corporate()
    people.sign_in(client, company.admin)
    client.company = company
    return client


# --- encodings and dividers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("divider", [",", ";", "\t"])
def test_a_file_is_read_in_every_encoding_and_with_every_divider_that_excel_writes(app, encoding, divider):
    table = table_of(TEXT.replace(";", divider).encode(encoding))
    (line,) = read(table.text, HEADINGS).lines
    assert line.cells == {"first_name": "Zoë", "last_name": "Åström", "email": "zoe@rental.example"}
    assert ("Windows-1252" in table.note) is (encoding == "cp1252")


def test_utf_16_is_read_in_either_order_of_its_bytes(app):
    big = b"\xfe\xff" + TEXT.encode("utf-16-be")
    assert table_of(big).text == table_of(TEXT.encode("utf-16")).text == TEXT


def test_the_line_with_which_excel_names_the_divider_is_no_row():
    report = read("sep=;\r\nFirst name;Last name;E-mail address\r\nA, B;C;d@e.example\r\n", HEADINGS)
    assert [(line.number, line.cells["first_name"]) for line in report.lines] == [(3, "A, B")]


def test_the_members_of_a_windows_file_are_read_with_the_headings_that_the_console_shows(as_company):
    page = upload(as_company, "/identity/members/import", sample("members-windows-1252.csv"), "members.csv")
    assert "2 of 2 rows can be imported" in page.text
    assert "Jürgen Weiß" in page.text
    assert "Zoë Åström" in page.text
    assert "read as Windows-1252" in page.text


# --- columns ----------------------------------------------------------------------------------------------------------


def test_columns_without_heading_and_cells_are_nothing(as_vendor):
    page = upload(as_vendor, "/fleet/import", sample("vehicles-empty-columns.csv"))
    assert "2 of 2 rows can be imported" in page.text
    assert "What is wrong" not in page.text


@pytest.mark.parametrize(
    "text", ["first_name,,last_name,email\nA,,B,c@d.example\n", "first_name,last_name,email\nA,B,c@d.example,,\n",
             "first_name,last_name,email,Remarks\nA,B,c@d.example,\n", ",first_name,last_name,email,\n,A,B,c@d.example\n"],
)  # fmt: skip
def test_an_empty_column_is_nothing_wherever_it_stands(text):
    report = read(text, HEADINGS)
    assert report.problems == []
    assert report.lines[0].cells == {"first_name": "A", "last_name": "B", "email": "c@d.example"}


def test_a_column_with_cells_and_no_heading_is_named():
    (problem,) = read("first_name,last_name,email,\nA,B,c@d.example,x\n", HEADINGS).problems
    assert (problem.place, problem.sentence) == ("D", "This column has cells and no heading.")


def test_a_file_of_another_system_says_how_many_rows_it_has_and_which_headings_are_unknown(as_vendor):
    page = upload(as_vendor, "/fleet/import", sample("vehicles-from-another-system.csv"))
    assert "3 rows, 7 headings unknown: Asset Tag, Vehicle, Registration, Type" in page.text
    assert "columns missing: Licence plate, Make, Model, Year, Category, City" in page.text
    assert "0 of 0" not in page.text
    assert "can be imported" not in page.text


@pytest.mark.parametrize(
    "heading", ["Licence plate", "LICENCE PLATE", "license_plate", " licence  plate ", "LicencePlate"]
)
def test_a_heading_is_known_by_its_field_and_by_what_the_form_calls_it(heading):
    headings = (Heading("license_plate", "Licence plate"),)
    assert read(f"{heading}\nKA 1\n", headings).lines[0].cells == {"license_plate": "KA 1"}


# --- workbooks --------------------------------------------------------------------------------------------------------


def test_a_workbook_of_vehicles_is_read(as_vendor):
    page = upload(as_vendor, "/fleet/import", sample("vehicles.xlsx"), "vehicles.xlsx")
    assert "2 of 2 rows can be imported" in page.text
    confirm(as_vendor, page)
    worker.work()
    db.session.rollback()
    with people.acting(as_vendor.vendor.admin):
        rows = fleet_queries.list_vehicles().rows
    assert [(row.make, row.year, row.category, row.seats, row.city) for row in rows] == [
        ("Škoda", 2022, "SALOON", 5, "Zürich"),
        ("Tata", 2024, "SUV", 5, "Mysuru"),
    ]


def test_cells_of_a_workbook_become_what_a_person_would_type(app):
    data = a_workbook(
        ["whole", "part", "day", "moment", "yes", "text"],
        [
            4.0,
            4.25,
            date(2026, 3, 4),
            datetime(2026, 3, 4, 9, 30, tzinfo=UTC).replace(tzinfo=None),
            True,
            " two\nlines ",
        ],
    )
    rows = list(csv.reader(io.StringIO(table_of(data).text)))
    assert rows[1] == ["4", "4.25", "2026-03-04", "2026-03-04 09:30", "yes", "two lines"]


def test_lines_of_a_workbook_are_counted_as_the_sheet_shows_them(app):
    data = a_workbook(["name"], ["Asha"], [], ["Ravi"])
    report = read(table_of(data).text, (Heading("name"),))
    assert [(line.number, line.cells["name"]) for line in report.lines] == [(2, "Asha"), (4, "Ravi")]


def test_a_hidden_sheet_is_not_read(app):
    data = a_workbook(["name"], ["Asha"], sheets=("Lists", "People"), hide_first=True)
    assert table_of(data).text.splitlines() == ["name", "Asha"]


def test_a_workbook_that_cannot_be_read_says_the_way_out(app):
    whole = sample("vehicles.xlsx")
    locked = workbook.OLE_MARK + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600)
    for data, says in (
        (whole[:2000], "can't be read. Save the table as “CSV UTF-8”"),
        (locked, "asks for a password. Save a copy without a password"),
        (a_workbook(), "first sheet of this workbook is empty"),
    ):
        with pytest.raises(FileRefused, match=says):
            table_of(data)


def test_a_workbook_that_unfolds_without_end_stops_at_a_limit(app):
    held = io.BytesIO()
    whole = zipfile.ZipFile(io.BytesIO(sample("vehicles.xlsx")))
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bomb:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "xl/worksheets/sheet1.xml":
                content = content.replace(b"</sheetData>", b" " * (workbook.MOST_UNPACKED + 1) + b"</sheetData>")
            bomb.writestr(name, content)
    assert len(held.getvalue()) < 1_000_000
    with pytest.raises(FileRefused, match="too large to be read here"):
        table_of(held.getvalue())


def test_a_workbook_whose_entities_multiply_is_refused_and_nothing_else_stops(app):
    held = io.BytesIO()
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 100}">' for n in range(10))
    sheet = (
        f'<?xml version="1.0"?><!DOCTYPE worksheet [{entities}]><worksheet xmlns='
        '"http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"><c r="A1" t="inlineStr">'
        "<is><t>&e9;</t></is></c></row></sheetData></worksheet>"
    )
    whole = zipfile.ZipFile(io.BytesIO(sample("vehicles.xlsx")))
    with zipfile.ZipFile(held, "w") as bomb:
        for name in whole.namelist():
            bomb.writestr(name, sheet if name == "xl/worksheets/sheet1.xml" else whole.read(name))
    with pytest.raises(FileRefused, match="workbook"):
        table_of(held.getvalue())
    assert "Asha" in table_of(a_workbook(["name"], ["Asha"])).text


# --- out and in again -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "+91 80 1234",
        "=1+1",
        "-5",
        "@x",
        "'+91",
        "''=x",
        "'quoted'",
        "plain",
        "",
        "’s-Hertogenbosch",
        "'s-Hertogenbosch",
    ],
)
def test_what_csv_escapes_comes_back_as_it_was(text):
    assert plain(safe(text)) == text
    assert not safe(text).startswith(("=", "+", "-", "@"))


ODD = (
    Column("Phone", lambda row: row["phone"]),
    Column("Count", lambda row: row["count"]),
    Column("Day", lambda row: row["day"]),
    Column("Note", lambda row: row["note"]),
)
ROW = {"phone": "+91 80 4567", "count": -3, "day": date(2026, 3, 4), "note": "=SUM(A1)"}


def test_a_phone_number_is_text_in_excel_and_escaped_in_csv_only(app):
    held = io.BytesIO()
    with app.test_request_context():
        write_xlsx(ODD, [ROW], held)
        lines = list(csv.reader(io.StringIO("".join(csv_lines(ODD, [ROW])))))
    row = load_workbook(io.BytesIO(held.getvalue())).get_sheet_by_index(0).to_python()[1]
    assert row == ["+91 80 4567", -3, date(2026, 3, 4), "=SUM(A1)"]
    assert lines[1] == ["'+91 80 4567", "-3", "2026-03-04", "'=SUM(A1)"]


def test_what_no_cell_of_excel_can_hold_is_written_as_text(app):
    held = io.BytesIO()
    odd = [{"phone": "x" * 40_000, "count": 2**60 + 1, "day": date(1066, 10, 14), "note": float("inf")}]
    with app.test_request_context():
        write_xlsx(ODD, odd, held)
    long, number, day, endless = load_workbook(io.BytesIO(held.getvalue())).get_sheet_by_index(0).to_python()[1]
    assert (len(long), long[-1]) == (32_767, "…")
    assert (number, day, endless) == ("1152921504606846977", "1066-10-14", "inf")


def test_organizations_have_their_phones_as_they_are_in_excel(client):
    vendor = people.make_vendor()
    with people.acting(vendor.admin):
        update_organization(vendor.id, contact_phone="+91 80 4567 8901")
    people.sign_in(client, people.platform_admin())
    with client.get("/organization/export?format=xlsx") as answer:
        cells = [
            cell for row in load_workbook(io.BytesIO(answer.data)).get_sheet_by_index(0).to_python() for cell in row
        ]
    assert "+91 80 4567 8901" in cells
    with client.get("/organization/export?format=csv") as answer:
        assert "'+91 80 4567 8901" in answer.text


@pytest.mark.parametrize("format_", ["csv", "xlsx"])
def test_vehicles_that_were_exported_can_be_imported_elsewhere(client, format_):
    one, other = people.make_vendor(), people.make_vendor()
    made = [
        fleet.make_vehicle(one, license_plate=f"KA 01 RT {n:04d}", status="PENDING", city="Zürich") for n in range(3)
    ]
    with people.acting(one.admin):
        before = [fleet_queries.get_vehicle(id_) for id_ in made]
    people.sign_in(client, one.admin)
    with client.get(f"/fleet/export?format={format_}") as answer:
        data = answer.data
    people.sign_in(client, other.admin)
    with people.acting(one.admin):
        from karokar.fleet import actions

        for id_ in made:
            actions.retire_vehicle(id_)
    page = upload(client, "/fleet/import", data, f"vehicles.{format_}")
    assert "3 of 3 rows can be imported" in page.text
    assert "aren&#39;t needed are left out: Status, Suspended by" in page.text.replace("aren't", "aren&#39;t")
    confirm(client, page)
    worker.work()
    db.session.rollback()
    names = ("license_plate", "make", "model", "year", "category", "seats", "city", "address", "time_zone", "odometer")
    with people.acting(other.admin):
        after = fleet_queries.list_vehicles().rows
    assert [[getattr(row, name) for name in names] for row in after] == [
        [getattr(row, name) for name in names] for row in before
    ]


@pytest.mark.parametrize("format_", ["csv", "xlsx"])
def test_members_that_were_exported_can_be_imported_elsewhere(client, format_):
    one, other = people.make_corporate(employees=2), people.make_corporate()
    people.sign_in(client, one.admin)
    with client.get(f"/identity/members/export?format={format_}&q={one.employees[0].email}") as answer:
        data = answer.data
    people.sign_in(client, other.admin)
    page = upload(client, "/identity/members/import", data, f"members.{format_}")
    assert "1 of 1 row can be imported" in page.text
    confirm(client, page)
    worker.work()
    db.session.rollback()
    assert identity.invitations_from(other.id) == 1


def test_the_example_file_has_the_headings_that_the_form_shows_and_can_be_imported(as_vendor):
    example = as_vendor.get("/fleet/import/example").data
    assert example.decode("utf-8-sig").startswith("Licence plate,Make,Model,Year,Category,Seats,City,Pick-up address,")
    assert "1 of 1 row can be imported" in upload(as_vendor, "/fleet/import", example).text
