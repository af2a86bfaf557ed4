"""Whatever somebody writes into an address or a header: a page or a refusal, never a failure."""

import base64
import json
from dataclasses import replace
from datetime import datetime

import pytest
from flask import request
from sqlalchemy import select

from karokar.app import create_app
from karokar.kernel.actor import SYSTEM, acting_as
from karokar.kernel.ids import new_id
from karokar.kernel.pages.paging import paginate
from karokar.kernel.permissions import public
from karokar.runs.models import Run
from karokar.web.lists.filters import Number, asked_moment
from karokar.web.requests.session_end import local_path
from karokar.web.shell.states import state_choices
from karokar.web.shell.times import local_day, local_time
from tests.web.test_lists import SORTS, add_runs

STATUS = state_choices("run")[0][0]
SORTS_OF_EACH_KIND = {**SORTS, "total": Run.total}


@pytest.mark.parametrize("name", ["endpoint", "_method", "_scheme", "_external", "_anchor", "self", "run_id"])
def test_a_parameter_stays_a_parameter_whatever_it_is_called(desk, name):
    page = desk.client().get(f"/runs/?{name}=javascript&_external=1&status={STATUS}")
    assert page.status_code == 200
    assert "javascript:" not in page.text
    rest = "_external=javascript&amp;_external=1" if name == "_external" else f"{name}=javascript&amp;_external=1"
    assert f'href="/runs/?{rest}"' in page.text


@pytest.mark.parametrize(
    "address", ["http://[", "//[x", "http://evil.example/", "//evil.example", "/\\\\evil.example", "x"]
)
def test_an_address_that_is_none_of_this_site_s_leads_nowhere(desk, address):
    with desk.app.test_request_context("/"):
        assert local_path(address) is None
    assert desk.client().get("/nothing-here", headers={"Referer": address}).status_code == 404


def cursor_of(*content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


FORGED = [
    ["", 1], ["", "x"], ["", None], ["", 10**30], ["", float("nan")], ["", float("inf")], ["", "a\0b"], ["", "\ud800"],
    ["", True], ["t", "2026-01-01T00:00:00"], ["t", "2026-01-01T00:00:00+00:00"], ["t", "0001-01-01T00:00:00+14:00"],
    ["t", "9999-12-31T23:59:59-12:00"], ["d", "2026-01-01"], ["u", str(new_id())], ["x", 1], 5, None, [],
]  # fmt: skip


@pytest.mark.parametrize("sort", SORTS_OF_EACH_KIND)
def test_a_cursor_that_was_written_by_hand_never_fails(any_app, sort):
    add_runs(3)
    good = ["u", str(new_id())]
    for value, tie in [
        *((value, good) for value in FORGED),
        *((["t", "2026-01-01T00:00:00+00:00"], one) for one in FORGED),
    ]:
        for is_backward in (False, True):
            cursor = cursor_of(sort, False, is_backward, value, tie)
            page = paginate(select(Run), sorts=SORTS_OF_EACH_KIND, tie=Run.id, sort=sort, cursor=cursor)
            assert page.count == 3


def test_a_cursor_that_is_no_cursor_gives_the_first_page(any_app):
    add_runs(3)
    for text in ("[" * 3000, '{"a": 1}', "5", "null", '["x"]'):
        cursor = base64.urlsafe_b64encode(text.encode()).decode()
        assert len(paginate(select(Run), sorts=SORTS, tie=Run.id, sort="title", cursor=cursor).rows) == 3


EDGES = ["0001-01-01", "9999-12-31", "0001-01-01T00:00", "9999-12-31T23:59", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00Z",
         "0001-01-01T00:00+14:00", "1899-12-31", "2200-01-01", "2026-02-30", "x"]  # fmt: skip


@pytest.mark.parametrize("text", EDGES)
def test_a_time_that_no_calendar_of_ours_reaches_is_none(desk, text):
    with desk.app.test_request_context("/", query_string={"at": text}):
        assert asked_moment("at") is None
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        desk.actor = replace(desk.actor, time_zone=zone)
        asked = dict.fromkeys(("as_of", "from", "to", "before", "after"), text)
        assert desk.client().get(f"/timeline/Vehicle/{new_id()}", query_string=asked).status_code in {200, 404}


@pytest.mark.parametrize("text", ["9" * 30, "2147483648", "-2147483648", "1_000", "x", "१२३", "1" * 5000])
def test_a_number_that_no_column_holds_is_refused_at_its_field(text):
    with pytest.raises(ValueError, match="whole number"):
        Number("n", "N").read(text)


def test_a_version_that_is_no_version_counts_as_none(desk):
    client = desk.client()
    answer = client.post("/note", data={**desk.token(client), "title": "Oil", "version": "9" * 5000})
    assert answer.status_code == 303


def test_a_nul_is_refused_wherever_it_stands(desk):
    client = desk.client()
    assert client.get("/runs/?status=a%00b").status_code == 400
    assert client.get("/runs/%00").status_code == 400
    assert client.post("/note", data={**desk.token(client), "title": "O\0il"}).status_code == 400
    assert desk.done == []


@pytest.mark.parametrize(("proxies", "seen"), [(0, ["127.0.0.1", "http"]), (1, ["203.0.113.7", "https"])])
def test_proxies_are_believed_as_far_as_the_settings_say(config, proxies, seen):
    app = create_app(replace(config, proxies=proxies))

    @app.get("/seen")
    @public
    def show_seen():
        return [request.remote_addr, request.scheme]

    headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7", "X-Forwarded-Proto": "https"}
    assert app.test_client().get("/seen", headers=headers).json == seen


@pytest.mark.parametrize("proxies", [0, 1])
def test_only_a_proxy_says_to_which_story_a_request_belongs(config, proxies):
    from karokar.kernel.actor import current_cause

    app = create_app(replace(config, proxies=proxies))

    @app.get("/cause")
    @public
    def show_cause():
        return str(current_cause().correlation_id)

    wanted = str(new_id())
    assert (app.test_client().get("/cause", headers={"X-Request-Id": wanted}).text == wanted) is (proxies > 0)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"])
def test_a_text_that_looks_like_a_time_at_the_end_of_the_calendar_is_shown(text, zone):
    at = datetime.fromisoformat(text)
    with acting_as(replace(SYSTEM, time_zone=zone)):
        assert local_time(at)
        assert local_day(at)
