"""The clock's work: one that fails or is refused holds up no other, a slow lane no other lane."""

import threading
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from karokar.kernel import clock
from karokar.kernel.db import db, transaction
from karokar.kernel.errors import Busy, StateConflict
from karokar.kernel.ids import new_id
from karokar.kernel.schedule import WHOLE_JOB, Job, list_failures, work_through
from karokar.outbox.processes import relay, scheduler
from karokar.runs.models import Run


@pytest.fixture
def found(app) -> list[UUID]:
    """Five things of any kind, in order."""
    ids = [new_id() for _ in range(5)]
    with transaction() as session:
        for id_ in ids:
            session.add(
                Run(
                    id=id_,
                    kind="x",
                    title="x",
                    organization_id=new_id(),
                    user_id=new_id(),
                    parameters={},
                    status="DONE",
                )
            )
    return ids


STATEMENT = select(Run.id).order_by(Run.id)


def failing(with_what: dict[UUID, Exception], done: list[UUID]):
    def change(id_: UUID) -> None:
        if id_ in with_what:
            raise with_what[id_]
        done.append(id_)

    return change


def test_one_that_fails_and_one_that_is_refused_hold_up_no_other(found):
    done: list[UUID] = []
    deferred_rows = {found[0]: ZeroDivisionError("broken"), found[2]: StateConflict("NO", "Somebody was quicker.")}
    assert work_through(STATEMENT, failing(deferred_rows, done)) == 3
    assert done == [found[1], found[3], found[4]]


def test_those_that_are_passed_over_do_not_count_to_how_many_are_changed_at_once(found):
    done: list[UUID] = []
    deferred_rows = {id_: StateConflict("NO", "Somebody was quicker.") for id_ in found[:3]}
    assert work_through(STATEMENT, failing(deferred_rows, done), at_most=1) == 1
    assert done == [found[3]]


def test_one_that_failed_rests_for_a_while_is_shown_and_forgotten_once_it_succeeds(found):
    done: list[UUID] = []
    tried: list[UUID] = []
    deferred_rows: dict[UUID, Exception] = {
        found[0]: ZeroDivisionError("broken"),
        found[2]: StateConflict("NO", "It waits."),
    }

    def change(id_: UUID) -> None:
        tried.append(id_)
        failing(deferred_rows, done)(id_)

    now = clock.now()
    with clock.standing_at(now):
        work_through(STATEMENT, change)
        tried.clear()
        work_through(STATEMENT, change)
        assert tried == [found[1], found[3], found[4]]
    with clock.standing_at(now + timedelta(minutes=2)):
        work_through(STATEMENT, change)
        assert {(one.entity_id, one.failures) for one in list_failures()} == {(found[0], 2), (found[2], 2)}
        assert "It waits." in [one.error for one in list_failures()]
    deferred_rows.clear()
    with clock.standing_at(now + timedelta(minutes=9)):
        work_through(STATEMENT, change)
        assert list_failures() == []


def test_one_that_somebody_else_settled_meanwhile_is_forgotten(found):
    now = clock.now()
    deferred_rows: dict[UUID, Exception] = {found[0]: ZeroDivisionError("broken")}
    for minutes in (0, 2):
        with clock.standing_at(now + timedelta(minutes=minutes)):
            work_through(STATEMENT, failing(deferred_rows, []))
    with clock.standing_at(now + timedelta(minutes=9)):
        work_through(STATEMENT.where(Run.id != found[0]), failing(deferred_rows, []))
        assert list_failures() == []


def test_a_rest_that_a_wrong_clock_named_is_void(found):
    now = clock.now()
    deferred_rows: dict[UUID, Exception] = {found[0]: ZeroDivisionError("broken")}
    with clock.standing_at(now + timedelta(hours=5)):
        work_through(STATEMENT, failing(deferred_rows, []))
    done: list[UUID] = []
    with clock.standing_at(now):
        work_through(STATEMENT, failing({}, done))
    assert done[0] == found[0]


def test_a_job_that_fails_is_shown_to_operators_until_it_succeeds(app):
    def broken() -> None:
        raise ZeroDivisionError

    for _ in range(2):
        scheduler.run_job(Job("test.broken", 1, broken))
    assert [(one.job, one.entity_id) for one in list_failures()] == [("test.broken", WHOLE_JOB)]
    scheduler.run_job(Job("test.broken", 1, lambda: None))
    assert list_failures() == []


def test_a_job_that_may_rest_comes_less_often_while_it_fails_and_others_keep_their_time(app, monkeypatch):
    now, came = [0.0], {"test.resting": [], "test.steady": []}
    monkeypatch.setattr(scheduler.time, "monotonic", lambda: now[0])
    is_well = []

    def work(name: str) -> None:
        came[name].append(now[0])
        if not is_well:
            raise ZeroDivisionError

    jobs = [
        Job("test.resting", 60, lambda: work("test.resting"), longest_pause=240),
        Job("test.steady", 60, lambda: work("test.steady")),
    ]
    due: dict[str, float] = {}
    for minute in range(12):
        now[0] = minute * 60.0
        if minute == 10:
            is_well.append(True)
        scheduler._run_due(jobs, due, lambda: False)
    assert came["test.steady"] == [minute * 60.0 for minute in range(12)]
    assert came["test.resting"] == [0.0, 120.0, 360.0, 600.0, 660.0]


def test_a_database_that_is_away_ends_the_work(found):
    done: list[UUID] = []
    with pytest.raises(Busy):
        work_through(STATEMENT, failing({found[1]: Busy()}, done))
    assert done == found[:1]


def test_a_lane_that_takes_long_holds_up_no_other(any_app, monkeypatch):
    jobs: dict[str, Job] = {}
    monkeypatch.setattr(scheduler, "JOBS", jobs)
    stop, is_stuck, has_ticked = threading.Event(), threading.Event(), threading.Event()

    def get_stuck() -> None:
        is_stuck.set()
        stop.wait(30)

    def tick() -> None:
        if is_stuck.is_set():
            has_ticked.set()

    jobs["test.stuck"] = Job("test.stuck", 1, get_stuck, "mail")
    jobs["test.tick"] = Job("test.tick", 0.1, tick)
    db.session.remove()
    running = threading.Thread(target=relay.run, args=(any_app, stop))
    running.start()
    try:
        assert has_ticked.wait(20)
    finally:
        stop.set()
        running.join()
