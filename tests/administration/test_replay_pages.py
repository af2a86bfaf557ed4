"""Planning, trying, starting and watching a replay in the console."""

from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import select

from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.outbox.delivery.drain import drain, drain_all
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


def end_told() -> dict[str, int]:
    """The counts with which the only replay's end was told."""
    db.session.rollback()
    (row,) = db.session.scalars(select(EventRow).where(EventRow.event_type == "ReplayCompleted"))
    counts = row.payload["counts"]
    db.session.rollback()
    return counts


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
    assert [result for _label, result, _message in rows_of("event.replay")] == ["OK", "OK"]
    assert sorted(keeper.taken) == sorted([first, second, first, second])
    assert told() == ["ReplayStarted", "ReplayCompleted"]
    assert end_told() == {"done": 2, "failed": 0, "skipped": 0, "left": 0}
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
    assert [result for _label, result, _message in results] == ["FAILED", "FAILED"]


def newest_run() -> Run:
    db.session.rollback()
    run = db.session.scalars(select(Run).order_by(Run.created_at.desc()).limit(1)).one()
    db.session.expunge(run)
    db.session.rollback()
    return run


def test_a_stopped_replay_tells_its_end_and_what_was_left(desk: FlaskClient, keeper: Planted) -> None:
    for _ in range(3):
        record(requested())
    drain()
    assert start(desk, "?type=BookingRequested", rate="1")[0] == 200
    work()
    page = f"/runs/{newest_run().id}"
    text = text_of(desk, page)
    assert "Stop…" in text
    live = f"{page}/progress" + text.split(f'"{page}/progress', 1)[1].split('"', 1)[0].replace("&amp;", "&")
    assert desk.post(f"{page}/cancel", data={"csrf_token": hidden(text, "csrf_token")}).status_code == 303
    work()
    assert newest_run().status == "CANCELLED"
    assert told() == ["ReplayStarted", "ReplayCompleted"]
    assert end_told() == {"done": 1, "failed": 0, "skipped": 0, "left": 2}
    assert "Stop…" not in text_of(desk, live)


def test_a_replay_that_is_stopped_before_it_began_tells_so(desk: FlaskClient) -> None:
    record(requested())
    drain()
    _status, text = start(desk, "?type=BookingRequested")
    desk.post(f"/runs/{newest_run().id}/cancel", data={"csrf_token": hidden(text, "csrf_token")})
    work()
    assert end_told() == {"done": 0, "failed": 0, "skipped": 0, "left": 1}


def test_a_replay_keeps_its_pace(desk: FlaskClient, keeper: Planted) -> None:
    now = clock.now()
    for _ in range(3):
        record(requested())
    drain()
    keeper.taken.clear()
    taken = []
    with clock.standing_at(now):
        assert start(desk, "?type=BookingRequested", rate="1")[0] == 200
    for second in (0, 0.5, 1, 2):
        with clock.standing_at(now + timedelta(seconds=second)):
            work()
        taken.append(len(keeper.taken))
    assert taken == [1, 1, 2, 3]


def test_a_replay_stops_by_itself_when_too_much_fails_and_can_go_on(desk: FlaskClient, keeper: Planted) -> None:
    for _ in range(25):
        record(requested())
    drain()
    keeper.taken.clear()
    assert start(desk, "?type=BookingRequested", stops_over_percent="50", rate="100000")[0] == 200
    keeper.is_broken = True
    for _ in range(30):
        work()
    run = newest_run()
    assert (run.status, run.failed, run.done) == ("FAILED", 20, 20)
    assert "20 of 20 units failed, more than 50 %" in text_of(desk, f"/runs/{run.id}")
    assert end_told() == {"done": 0, "failed": 20, "skipped": 0, "left": 5}
    keeper.is_broken = False
    token = hidden(text_of(desk, f"/runs/{run.id}"), "csrf_token")
    assert desk.post(f"/runs/{run.id}/retry", data={"csrf_token": token}).status_code == 303
    for _ in range(30):
        work()
    assert newest_run().status == "DONE"
    assert len(keeper.taken) == 25


def test_a_pace_or_a_limit_that_cannot_be_is_refused(desk: FlaskClient) -> None:
    record(requested())
    drain()
    assert start(desk, "?type=BookingRequested", rate="0")[0] == 422
    assert start(desk, "?type=BookingRequested", rate="many")[0] == 422
    assert start(desk, "?type=BookingRequested", stops_over_percent="101")[0] == 422
    assert told() == []
