"""Lists: pages that stay put, filters from the address, files that no spreadsheet runs."""

import csv
import io
import zipfile
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from karokar.kernel import clock
from karokar.kernel.actor import acting_as
from karokar.kernel.db import db, transaction
from karokar.kernel.ids import new_id
from karokar.kernel.pages.paging import COUNT_LIMIT, paginate
from karokar.runs.models import Run
from karokar.web.lists.exports import Column, cell, export, safe
from karokar.web.lists.filters import Choice, Day, Filters, Number, Text
from karokar.web.models import FormSubmission
from karokar.web.shell import times
from tests.web.conftest import ORGANIZATION, asha

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def add_runs(count: int, **values) -> None:
    with transaction() as session:
        for number in range(count):
            # Many share a time and some have none, so that only the tie-breaker tells them apart.
            at = None if number % 4 == 3 else NOON + timedelta(minutes=number // 3)
            session.add(
                Run(
                    id=new_id(),
                    kind="booking.approve",
                    title=f"Run {number:03}",
                    organization_id=ORGANIZATION,
                    user_id=ORGANIZATION,
                    parameters={},
                    created_at=NOON + timedelta(minutes=number // 3),
                    started_at=at,
                    **values,
                )
            )


SORTS = {"created": Run.created_at, "started": Run.started_at, "title": Run.title}


def walk(sort: str, size: int, direction: str = "next") -> list[str]:
    titles, cursor = [], None
    while True:
        page = paginate(select(Run), sorts=SORTS, tie=Run.id, sort=sort, cursor=cursor, size=size)
        titles += [run.title for run in page.rows]
        if not page.next:
            break
        cursor = page.next
    if direction == "next":
        return titles
    back = [run.title for run in page.rows]
    while page.previous:
        page = paginate(select(Run), sorts=SORTS, tie=Run.id, sort=sort, cursor=page.previous, size=size)
        back = [run.title for run in page.rows] + back
    return back


@pytest.mark.parametrize("sort", ["created", "-created", "started", "-started", "title", "-title"])
def test_walking_the_pages_shows_each_row_once_in_order_forwards_and_backwards(any_app, sort):
    add_runs(23)
    whole = [run.title for run in paginate(select(Run), sorts=SORTS, tie=Run.id, sort=sort, size=100).rows]
    assert sorted(whole) == [f"Run {n:03}" for n in range(23)]
    for size in (1, 4, 5, 22, 23):
        assert walk(sort, size) == whole
        assert walk(sort, size, "back") == whole


def test_rows_without_a_value_come_last_in_both_directions(any_app):
    add_runs(8)
    for sort in ("started", "-started"):
        rows = paginate(select(Run), sorts=SORTS, tie=Run.id, sort=sort, size=8).rows
        assert [row.started_at is None for row in rows] == [False] * 6 + [True] * 2


def test_rows_that_come_meanwhile_shift_nothing(app):
    add_runs(10)
    first = paginate(select(Run), sorts=SORTS, tie=Run.id, sort="title", size=5)
    add_runs(3)
    second = paginate(select(Run), sorts=SORTS, tie=Run.id, sort="title", size=50, cursor=first.next)
    assert {row.id for row in first.rows}.isdisjoint({row.id for row in second.rows})


@pytest.mark.parametrize("cursor", ["", "nonsense", "W10", "eyJ4IjoxfQ", "WyJ0aXRsZSIsZmFsc2UsZmFsc2UsWzFdLCJ4Il0"])
def test_a_damaged_cursor_gives_the_first_page(app, cursor):
    add_runs(3)
    page = paginate(select(Run), sorts=SORTS, tie=Run.id, sort="title", cursor=cursor, size=2)
    assert [run.title for run in page.rows] == ["Run 000", "Run 001"]


def test_a_cursor_of_another_order_gives_the_first_page(app):
    add_runs(5)
    cursor = paginate(select(Run), sorts=SORTS, tie=Run.id, sort="title", size=2).next
    page = paginate(select(Run), sorts=SORTS, tie=Run.id, sort="-title", cursor=cursor, size=2)
    assert page.rows[0].title == "Run 004"


def test_an_order_of_no_known_type_is_refused_instead_of_showing_the_first_page_for_ever(app):
    with pytest.raises(TypeError, match="type_"):
        paginate(select(Run), sorts={"title": func.lower(Run.title)}, tie=Run.id, sort="title")


def test_the_count_gives_up_instead_of_reading_the_whole_table(app):
    with transaction() as session:
        session.add_all([FormSubmission(key=new_id(), digest="", sent_at=NOON) for _ in range(COUNT_LIMIT + 5)])
    statement = select(FormSubmission)
    page = paginate(statement, sorts={"at": FormSubmission.sent_at}, tie=FormSubmission.key, sort="at")
    assert (page.is_counted_out, page.count_text) == (False, "more than 1,000")
    one = statement.where(FormSubmission.key == page.rows[0].key)
    assert paginate(one, sorts={"at": FormSubmission.sent_at}, tie=FormSubmission.key, sort="at").count_text == "1"


FIELDS = (
    Text("q", "Plate"),
    Choice("status", "Status", choices=[("A", "Active"), ("B", "Bare")]),
    Number("seats", "Seats"),
    Day("from", "From", argument="start"),
    Day("to", "To", is_end=True),
)


def read(**args) -> Filters:
    return Filters.of_request(FIELDS, sorts=("start",), default_sort="-start", args=args)


def test_filters_are_typed_and_shown_as_chips(desk):
    with desk.app.test_request_context(), acting_as(asha()):
        filters = read(q=" MH 12 ", status="A", seats="5", **{"from": "2026-11-20"}, to="2026-11-20")
        assert filters.values == {
            "q": "MH 12",
            "status": "A",
            "seats": 5,
            "start": datetime(2026, 11, 19, 18, 30, tzinfo=UTC),
            "to": datetime(2026, 11, 20, 18, 30, tzinfo=UTC),
        }
        assert [chip.text for chip in filters.chips][:3] == ["MH 12", "Active", "5"]
        assert filters.snapshot["start"] == "2026-11-19T18:30:00Z"


def test_a_value_that_does_not_fit_filters_nothing_and_says_so(desk):
    with desk.app.test_request_context():
        filters = read(status="Z", seats="many", **{"from": "2026-02-31"}, sort="evil; drop")
    assert filters.values == dict.fromkeys(["q", "status", "seats", "start", "to"])
    assert [field.error for field in filters.fields if field.error] == [
        "Choose one from the list.",
        "Type a whole number.",
        "Type a day like 2026-11-20.",
    ]
    assert (filters.sort, filters.is_filtered) == ("-start", False)


@given(st.text())
def test_no_text_begins_a_formula(text):
    assert not safe(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


COLUMNS = (
    Column("Name", lambda row: row[0]),
    Column("Count", lambda row: row[1]),
    Column("When", lambda row: row[2]),
)
ROWS = [("=cmd|' /C calc'!A0", -5, NOON), ('Zoë, "Asha"', 2.5, date(2026, 11, 20)), (None, True, None)]


def test_a_csv_export_is_safe_and_local(desk):
    with desk.app.test_request_context(), acting_as(asha()):
        answer = export("bookings", COLUMNS, ROWS)
        text = answer.get_data().decode("utf-8-sig")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="bookings-')
    assert list(csv.reader(io.StringIO(text))) == [
        ["Name", "Count", "When"],
        ["'=cmd|' /C calc'!A0", "-5", "2026-11-20 17:30"],
        ['Zoë, "Asha"', "2.5", "2026-11-20"],
        ["", "yes", ""],
    ]


def test_an_excel_export_keeps_numbers_numbers_and_holds_no_formula(desk):
    with desk.app.test_request_context(), acting_as(asha()):
        answer = export("bookings", COLUMNS, ROWS, "xlsx")
        answer.direct_passthrough = False
        book = zipfile.ZipFile(io.BytesIO(answer.get_data()))
        answer.close()
    sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    name = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    row = ET.fromstring(sheet).findall(f".//{name}row")[1]  # noqa: S314 - the file was just made here
    assert row[1].attrib.get("t") is None
    assert row[1].find(f"{name}v").text == "-5"


def test_a_cell_takes_what_rows_hold():
    assert cell(None) == ""
    assert cell(True) == "yes"
    assert cell("-1") == "-1"
    assert cell(-1) == -1


@pytest.mark.parametrize(
    ("at", "zone", "text"),
    [
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "Europe/Berlin", "25 Oct 2026, 02:30 CEST"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "Europe/Berlin", "25 Oct 2026, 02:30 CET"),
        (NOON, "Asia/Kolkata", "20 Nov 2026, 17:30 Kolkata time"),
        (NOON, "Nowhere/Land", "20 Nov 2026, 12:00 UTC"),
    ],
)
def test_a_time_names_its_zone_so_that_the_doubled_hour_is_clear(at, zone, text):
    assert times.local_time(at, zone) == text


def test_a_day_on_which_clocks_change_has_its_own_length():
    zone = times.zone_of("Europe/Berlin")
    assert times.end_of_day(date(2026, 3, 29), zone) - times.start_of_day(date(2026, 3, 29), zone) == timedelta(
        hours=23
    )
    assert times.end_of_day(date(2026, 10, 25), zone) - times.start_of_day(date(2026, 10, 25), zone) == timedelta(
        hours=25
    )


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=-5), "in 5 hours"),
        (timedelta(days=3), "3 days ago"),
        (timedelta(days=100), "3 months ago"),
    ],
)
def test_how_long_ago_is_said_in_words(distance, text):
    with clock.standing_at(NOON):
        assert times.time_ago(NOON - distance) == text


def test_a_row_list_is_shown_on_a_page(desk):
    add_runs(30, status="DONE")
    desk.actor = asha()
    page = desk.client().get("/runs/?sort=title&status=DONE").text
    assert page.count("<tr>") == 26
    assert "30 runs" in page
    assert 'aria-sort="ascending"' in page
    assert "Status: Done" in page
    assert "Nothing matches these filters" in desk.client().get("/runs/?status=FAILED").text
    assert db.session.scalar(select(Run.id).limit(1))
