"""Planning, trying, starting and watching a replay in the console."""

from flask.testing import FlaskClient
from sqlalchemy import select

from karokar.kernel.db import db
from karokar.outbox.drain import drain, drain_all
from karokar.outbox.models import EventRow
from karokar.runs.models import Run, RunRow
from karokar.runs.worker import work
from tests.factories.events import record, requested
from tests.factories.handlers import Planted

PATH = "/administration/replays"


def text_of(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def hidden(text: str, name: str) -> str:
    return text.split(f'name="{name}" value="', 1)[1].split('"', 1)[0]


def start(client: FlaskClient, query: str, **fields: str) -> tuple[int, str]:
    text = text_of(client, PATH + query)
    data = {"csrf_token": hidden(text, "csrf_token"), "expected": hidden(text, "expected"), **fields}
    answer = client.post(PATH + query, data=data, follow_redirects=True)
    return answer.status_code, answer.get_data(as_text=True)


def rows_of(kind: str) -> list[tuple[str, str, str | None]]:
    db.session.rollback()
    run = db.session.scalars(select(Run).where(Run.kind == kind).order_by(Run.created_at.desc())).first()
    assert run is not None
    rows = db.session.scalars(select(RunRow).where(RunRow.run_id == run.id).order_by(RunRow.number))
    return [(row.label, row.status, row.message) for row in rows]


def told() -> list[str]:
    db.session.rollback()
    return list(
        db.session.scalars(select(EventRow.event_type).where(EventRow.event_type.like("Replay%")).order_by(EventRow.id))
    )


def test_a_plan_is_made_only_when_something_is_asked_for(desk: FlaskClient) -> None:
    record(requested())
    drain()
    assert "The plan" not in text_of(desk, PATH)
    text = text_of(desk, f"{PATH}?type=Booking*")
    assert "The plan" in text
    assert "Deliver 1 again?" in text
    assert "Nothing matches" in text_of(desk, f"{PATH}?type=Booking*&about=Vehicle")


def test_a_try_is_taken_back_and_says_what_would_change(desk: FlaskClient, keeper: Planted) -> None:
    record(requested())
    drain()
    status, _text = start(desk, "?handler=planted.keeper", **{"try": "yes"})
    assert status == 200
    work()
    ((label, result, message),) = rows_of("event.replay_try")
    assert label.startswith("Run planted.keeper again over Booking:")
    assert (result, message) == ("OK", "1 delivery; no row changed.")
    assert told() == []


def test_a_replay_runs_unit_by_unit_and_is_told(desk: FlaskClient, keeper: Planted) -> None:
    first, second = record(requested()), record(requested())
    drain()
    status, text = start(desk, "?type=BookingRequested")
    assert status == 200
    assert "Replay: 2 deliveries" in text
    work()
    assert [result for _label, result, _message in rows_of("event.replay")] == ["OK", "OK", "OK"]
    assert sorted(keeper.taken) == sorted([first, second, first, second])
    assert told() == ["ReplayStarted", "ReplayCompleted"]
    assert "Replay: 2 deliveries" in text_of(desk, PATH)


def test_a_plan_that_changed_meanwhile_is_asked_about_again(desk: FlaskClient) -> None:
    record(requested())
    drain()
    old = hidden(text_of(desk, f"{PATH}?type=Booking*"), "expected")
    record(requested())
    drain()
    status, text = start(desk, "?type=Booking*", expected=old)
    assert status == 409
    assert "now it is about 2 deliveries" in text
    assert told() == []


def test_nothing_is_replayed_without_saying_what(desk: FlaskClient) -> None:
    record(requested())
    drain()
    text = text_of(desk, f"{PATH}?type=Booking*")
    data = {"csrf_token": hidden(text, "csrf_token"), "expected": hidden(text, "expected")}
    assert desk.post(PATH, data=data).status_code == 422


def test_dead_letters_are_replayed_from_the_plan(desk: FlaskClient, keeper: Planted) -> None:
    keeper.is_broken = True
    event_id = record(requested())
    drain_all()
    db.session.rollback()
    keeper.is_broken = False
    assert start(desk, "?only=dead")[0] == 200
    work()
    drain_all()
    assert keeper.taken == [event_id]


def test_units_that_fail_are_named_and_the_others_go_on(desk: FlaskClient, keeper: Planted) -> None:
    record(requested())
    record(requested())
    drain()
    assert start(desk, "?type=BookingRequested")[0] == 200
    keeper.is_broken = True
    work()
    results = rows_of("event.replay")
    assert [result for _label, result, _message in results] == ["FAILED", "FAILED", "OK"]
