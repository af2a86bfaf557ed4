"""Long work: each row once, a result per row, whatever dies and whoever stops it."""

import dataclasses
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope, acting_as, current_actor
from karokar.kernel.db import db, transaction
from karokar.kernel.errors import NotFound, PermissionDenied, RuleBroken, StateConflict
from karokar.kernel.fairness.turns import Turns
from karokar.kernel.ids import new_id
from karokar.runs import actions, queries, worker
from karokar.runs.kinds import KINDS, End, Item, Paced, Skipped, Step, Stopped, file_kind, row_kind
from karokar.runs.models import Run, RunRow


def member(**changes) -> Actor:
    values = {
        "user_id": new_id(),
        "organization_id": new_id(),
        "organization_type": "VENDOR",
        "organization_status": "ACTIVE",
        "role": "VENDOR_ADMIN",
        "time_zone": "Asia/Kolkata",
        "permissions": {"setting.manage": Scope.OWN, "report.read": Scope.OWN},
    }
    return Actor(**{**values, **changes})


class Work:
    """A kind of run for the test: what it did, and how it should misbehave."""

    def __init__(self, count: int = 5) -> None:
        self.count = count
        self.done: list[int] = []
        self.deferred_rows: dict[int, Exception] = {}

    def list_items(self, parameters):
        return (Item(f"Row {n}", {"n": n}) for n in range(1, self.count + 1))

    def do(self, item, parameters):
        self.actor = current_actor()
        deferred_row = self.deferred_rows.get(item.data["n"])
        if deferred_row:
            raise deferred_row
        self.done.append(item.data["n"])
        return f"{parameters['word']} {item.data['n']}"


@pytest.fixture
def work():
    made = Work()
    row_kind("test.rows", "Do rows", permission="report.read", list_items=made.list_items, do=made.do)
    yield made
    del KINDS["test.rows"]


def know_members(monkeypatch, app, actor_of_member) -> None:
    """Let runs find their owners among people whom no other context knows."""
    known = app.extensions["karokar.ports"]
    sign_in = dataclasses.replace(known.sign_in, actor_of_member=actor_of_member)
    monkeypatch.setitem(app.extensions, "karokar.ports", dataclasses.replace(known, sign_in=sign_in))


@pytest.fixture
def asha(any_app, monkeypatch):
    actor = member()
    know_members(monkeypatch, any_app, lambda user, *_rest: actor if user == actor.user_id else None)
    with acting_as(actor):
        yield actor


def start(kind: str = "test.rows") -> UUID:
    return actions.start_run(kind, {"word": "did"})


def run_of(run_id: UUID) -> Run:
    db.session.rollback()
    return db.session.get_one(Run, run_id, populate_existing=True)


def rows_of(run_id: UUID) -> list[tuple[int, str, str | None]]:
    rows = db.session.scalars(select(RunRow).where(RunRow.run_id == run_id).order_by(RunRow.number))
    return [(row.number, row.status, row.message) for row in rows]


def test_a_run_does_each_row_once_as_the_person_who_started_it(asha, work):
    run_id = start()
    worker.work()
    worker.work()
    run = run_of(run_id)
    assert (run.status, run.ok, run.total, work.done) == ("DONE", 5, 5, [1, 2, 3, 4, 5])
    assert rows_of(run_id)[0] == (1, "OK", "did 1")
    assert work.actor == asha


def test_a_refused_row_tells_why_and_the_others_go_on(asha, work):
    work.deferred_rows = {
        2: RuleBroken("NO", "It overlaps."),
        3: Skipped("Nothing to do."),
        4: ZeroDivisionError("inside"),
    }
    run_id = start()
    worker.work()
    run = run_of(run_id)
    assert (run.status, run.ok, run.failed, run.skipped) == ("DONE_WITH_ERRORS", 2, 2, 1)
    assert [(status, message) for _, status, message in rows_of(run_id)[1:4]] == [
        ("FAILED", "It overlaps."),
        ("SKIPPED", "Nothing to do."),
        ("FAILED", "Something went wrong on our side."),
    ]


def test_refused_rows_can_be_tried_again_without_repeating_the_others(asha, work):
    work.deferred_rows = {2: RuleBroken("NO", "It overlaps.")}
    run_id = start()
    worker.work()
    work.deferred_rows = {}
    assert actions.retry_failed_rows(run_id) == 1
    worker.work()
    assert work.done == [1, 3, 4, 5, 2]
    assert run_of(run_id).status == "DONE"


def test_a_run_goes_on_where_its_worker_died(asha, work):
    class Killed(BaseException):
        """The process ends here."""

    work.deferred_rows = {3: Killed()}
    run_id = start()
    with pytest.raises(Killed):
        worker.work()
    work.deferred_rows = {}
    worker.work()
    assert work.done == [1, 2]
    with clock.standing_at(clock.now() + worker.CLAIM + timedelta(seconds=1)):
        worker.work()
    assert (run_of(run_id).status, work.done) == ("DONE", [1, 2, 3, 4, 5])


def test_a_worker_that_was_held_up_repeats_no_row_that_another_has_done_since(asha, work, monkeypatch):
    run_id = start()
    do_row = worker._do_row

    def held_up(*row):
        monkeypatch.setattr(worker, "_do_row", do_row)
        with clock.standing_at(clock.now() + worker.CLAIM + timedelta(seconds=1)):
            worker.work()
        return do_row(*row)

    monkeypatch.setattr(worker, "_do_row", held_up)
    worker.work()
    assert (run_of(run_id).ok, work.done) == (5, [1, 2, 3, 4, 5])


def test_what_a_row_wrote_and_its_result_are_one_transaction(asha, work):
    def do(item, parameters):
        db.session.add(
            Run(
                id=new_id(),
                kind="x",
                title="x",
                organization_id=asha.organization_id,
                user_id=asha.user_id,
                parameters={},
                status="DONE",
            )
        )
        db.session.flush()
        raise RuleBroken("NO", "No.")

    row_kind("test.half", "Half", permission="report.read", list_items=work.list_items, do=do)
    try:
        run_id = start("test.half")
        worker.work()
    finally:
        del KINDS["test.half"]
    assert run_of(run_id).failed == 5
    assert db.session.scalars(select(Run).where(Run.kind == "x")).all() == []


def test_a_stopped_run_keeps_what_is_done(asha, work):
    run_id = start()
    original = work.do

    def do(item, parameters):
        if item.data["n"] == 2:
            db.session.get_one(Run, run_id).is_cancel_wanted = True
        return original(item, parameters)

    object.__setattr__(KINDS["test.rows"], "do", do)
    work.count = 120
    worker.work()
    worker.work()  # Where the first slice ended before it looked.
    run = run_of(run_id)
    assert run.status == "CANCELLED"
    assert 2 <= run.ok < 120


@pytest.mark.parametrize("ending", ["DONE", "DONE_WITH_ERRORS", "CANCELLED", "FAILED"])
def test_however_a_run_ends_its_kind_hears_of_it_once(asha, work, ending):
    heard = []
    object.__setattr__(KINDS["test.rows"], "ended", lambda parameters, end: heard.append((parameters["word"], end)))
    work.deferred_rows = {
        "DONE_WITH_ERRORS": {2: RuleBroken("NO", "It overlaps.")},
        "FAILED": {3: Stopped("Too much went wrong.")},
    }.get(ending, {})
    run_id = start()
    if ending == "CANCELLED":
        actions.cancel_run(run_id)
    worker.work()
    worker.work()
    left = None if ending == "CANCELLED" else 3 if ending == "FAILED" else 0
    failed = 1 if ending == "DONE_WITH_ERRORS" else 0
    ok = {"CANCELLED": 0, "FAILED": 2}.get(ending, 5 - failed)
    assert heard == [("did", End(ending, ok, failed, 0, left))]


def test_a_run_that_keeps_a_pace_lets_others_go_on_meanwhile(asha, work):
    object.__setattr__(KINDS["test.rows"], "do", lambda item, _: Paced(work.done.append(item.data["n"]), 60.0))
    now = clock.now()
    with clock.standing_at(now):
        slow = start()
        worker.work()
        worker.work()
        assert work.done == [1]
        start()
        worker.work()
    assert work.done == [1, 1]
    with clock.standing_at(now + timedelta(seconds=61)):
        worker.work()
        assert len(work.done) == 3
        actions.cancel_run(slow)
        worker.work()
    assert run_of(slow).status == "CANCELLED"


def test_a_run_that_ended_cannot_be_stopped(asha, work):
    run_id = start()
    worker.work()
    with pytest.raises(StateConflict):
        actions.cancel_run(run_id)


def test_a_run_of_somebody_without_the_permission_does_not_begin(asha, work):
    with acting_as(member(permissions={})), pytest.raises(PermissionDenied):
        start()


def test_a_run_whose_starter_left_ends_without_doing_anything(asha, work, any_app):
    with acting_as(member()):
        run_id = start()
    worker.work()
    assert (run_of(run_id).status, work.done) == ("FAILED", [])


def test_a_colleague_without_oversight_and_another_tenant_see_no_run(asha, work):
    run_id = start()
    for viewer in (member(organization_id=asha.organization_id, permissions={}), member()):
        with acting_as(viewer):
            with pytest.raises(NotFound):
                queries.get_run(run_id)
            with pytest.raises(NotFound):
                actions.cancel_run(run_id)
            assert queries.list_runs().rows == []
    with acting_as(member(organization_id=asha.organization_id)):
        assert queries.get_run(run_id).id == run_id


def test_whoever_lost_the_right_to_do_it_sees_neither_the_run_nor_its_results(asha, work):
    run_id = start()
    lost = dataclasses.replace(asha, permissions={"setting.manage": Scope.OWN})
    less_far = dataclasses.replace(asha, permissions={"report.read": Scope.SELF})
    for viewer in (lost, less_far):
        with acting_as(viewer):
            with pytest.raises(NotFound):
                queries.get_run(run_id)
            assert queries.list_runs().rows == []
    with acting_as(dataclasses.replace(asha, permissions={"report.read": Scope.OWN})):
        assert queries.get_run(run_id).id == run_id


def test_oversight_of_every_organization_is_no_right_to_what_its_runs_did(asha, work):
    work.deferred_rows = {2: RuleBroken("NO", "Not this one.")}
    run_id = start()
    worker.work()
    limited = {"setting.manage": Scope.ALL}
    with acting_as(member(permissions=limited)):
        assert not queries.shows_rows(queries.get_run(run_id))
        with pytest.raises(NotFound):
            actions.retry_failed_rows(run_id)
    with acting_as(member(organization_id=asha.organization_id, permissions=limited)):
        with pytest.raises(NotFound):
            queries.get_run(run_id)
        assert queries.list_runs().rows == []
    with acting_as(member(permissions={**limited, "report.read": Scope.ALL})):
        assert queries.shows_rows(queries.get_run(run_id))
        assert actions.retry_failed_rows(run_id) == 1


@pytest.fixture
def names():
    """A kind that writes a name with each step; `dies_at` is the step whose state is not kept any more."""

    class Killed(BaseException):
        """The process ends here."""

    class Names:
        dies_at = 0
        killed = Killed
        steps = 0

        def step(self, folder, parameters, state):
            path = folder / "names.csv"
            at = state.get("at", 0)
            kept = path.read_text().splitlines()[:at] if at else []
            path.write_text("\n".join([*kept, f"Name {at}"]))
            self.steps += 1
            if self.steps == self.dies_at:
                raise Killed
            return Step({"at": at + 1}, at + 1, 3, path if at == 2 else None)

    made = Names()
    file_kind("test.file", "Names", permission="report.read", step=made.step)
    yield made
    del KINDS["test.file"]


def test_a_run_that_makes_a_file_keeps_it_to_download(asha, names):
    run_id = start("test.file")
    worker.work()
    run = run_of(run_id)
    assert (run.status, run.file_name, run.ok, run.total) == ("DONE", "names.csv", 3, 3)
    assert queries.get_file(run_id).read_text() == "Name 0\nName 1\nName 2"


def test_a_file_whose_maker_died_goes_on_where_it_was(asha, names):
    names.dies_at = 2
    run_id = start("test.file")
    with pytest.raises(names.killed):
        worker.work()
    with clock.standing_at(clock.now() + worker.CLAIM + timedelta(seconds=1)):
        worker.work()
    assert names.steps == 4
    assert queries.get_file(run_id).read_text() == "Name 0\nName 1\nName 2"


def test_a_file_is_for_its_organization_and_for_whoever_may_still_make_it(asha, names):
    run_id = start("test.file")
    worker.work()
    colleague = {"organization_id": asha.organization_id}
    with acting_as(member(**colleague)):
        assert queries.get_file(run_id).is_file()
    less = {"setting.manage": Scope.OWN, "report.read": Scope.SELF}
    for held in ({"setting.manage": Scope.OWN}, less):
        with acting_as(member(**colleague, permissions=held)), pytest.raises(NotFound):
            queries.get_file(run_id)
    platform = {"setting.manage": Scope.ALL, "report.read": Scope.ALL}
    for stranger in (member(), member(permissions=platform)):
        with acting_as(stranger), pytest.raises(NotFound):
            queries.get_file(run_id)


def test_a_stopped_file_leaves_nothing_behind(asha, names):
    run_id = start("test.file")
    original = names.step

    def step(folder, parameters, state):
        with transaction() as session:
            session.get_one(Run, run_id).is_cancel_wanted = True
        return original(folder, parameters, state)

    object.__setattr__(KINDS["test.file"], "step", step)
    worker.work()
    assert run_of(run_id).status == "CANCELLED"
    assert not queries.folder_of(run_id).exists()


def test_a_paused_run_rests_until_it_is_resumed(asha, work):
    run_id = start()
    original = work.do

    def do(item, parameters):
        if item.data["n"] == 2:
            actions.pause_run(run_id)
        return original(item, parameters)

    object.__setattr__(KINDS["test.rows"], "do", do)
    worker.work()
    worker.work()
    assert (run_of(run_id).status, work.done) == ("PAUSED", [1, 2])
    with pytest.raises(StateConflict):
        actions.pause_run(run_id)
    object.__setattr__(KINDS["test.rows"], "do", original)
    actions.resume_run(run_id)
    worker.work()
    assert (run_of(run_id).status, work.done) == ("DONE", [1, 2, 3, 4, 5])
    with pytest.raises(StateConflict):
        actions.resume_run(run_id)


def test_a_paused_run_can_be_stopped_for_good(asha, work):
    run_id = start()
    actions.pause_run(run_id)
    actions.cancel_run(run_id)
    worker.work()
    assert (run_of(run_id).status, work.done) == ("CANCELLED", [])


def test_a_long_run_does_not_hold_up_a_short_one(asha, work, monkeypatch):
    monkeypatch.setattr(worker, "SLICE_S", 0.0)
    work.count = 3
    first, second = start(), start()
    for _ in range(4):
        run_id = worker._claim()
        worker.work_on(run_id, seconds=0.0)
    assert run_of(first).ok == run_of(second).ok == 2


def test_old_runs_are_forgotten_with_their_rows(asha, work):
    run_id = start()
    worker.work()
    with transaction() as session:
        session.get_one(Run, run_id).finished_at = clock.now() - timedelta(days=31)
    worker.forget_old_runs()
    db.session.expire_all()
    assert db.session.get(Run, run_id) is None
    assert db.session.scalars(select(RunRow)).all() == []


def let_claim_run_out(run_id: UUID) -> None:
    with transaction() as session:
        session.get_one(Run, run_id).claimed_until = clock.now() - timedelta(seconds=1)


def test_a_row_that_ends_its_worker_each_time_is_given_up_and_the_others_go_on(asha, work):
    class Killed(BaseException):
        """What a killed process leaves behind is what this leaves behind: nothing is noted."""

    work.deferred_rows = {2: Killed()}
    run_id = start()
    for _ in range(worker.LOST_STARTS):
        with pytest.raises(Killed):
            worker.work()
        let_claim_run_out(run_id)
    worker.work()
    assert run_of(run_id).status == "DONE_WITH_ERRORS"
    assert rows_of(run_id)[1] == (2, "FAILED", "The work on this row was ended 3 times.")
    assert work.done == [1, 3, 4, 5]


def test_a_run_whose_listing_ends_its_worker_each_time_fails_and_says_so(asha, work, monkeypatch):
    class Killed(BaseException):
        """As above."""

    def list_items(_parameters):
        raise Killed

    object.__setattr__(KINDS["test.rows"], "list_items", list_items)
    run_id = start()
    for _ in range(worker.LOST_STARTS):
        with pytest.raises(Killed):
            worker.work()
        let_claim_run_out(run_id)
    worker.work()
    assert run_of(run_id).status == "FAILED"
    assert "came to no end" in str(run_of(run_id).error)


def test_a_run_whose_end_cannot_be_told_ends_all_the_same_and_says_so(asha, work):
    def ended(parameters, end):
        raise ZeroDivisionError

    row_kind("test.ending", "Do rows", permission="report.read", list_items=work.list_items, do=work.do, ended=ended)
    try:
        run_id = start("test.ending")
        worker.work()
        assert run_of(run_id).status == "DONE"
        assert "what follows from it failed" in str(run_of(run_id).error)
    finally:
        del KINDS["test.ending"]


def test_a_run_that_cannot_even_be_begun_fails_and_holds_up_no_other(any_app, asha, work, monkeypatch):
    broken, fine = start(), start()
    calls: list[UUID] = []

    def resolve(user, *_rest):
        calls.append(user)
        if len(calls) == 1:
            raise ZeroDivisionError
        return asha

    know_members(monkeypatch, any_app, resolve)
    worker.work()
    worker.work()
    assert (run_of(broken).status, run_of(fine).status) == ("FAILED", "DONE")


def test_organizations_and_people_take_turns_whoever_has_more_runs(any_app, asha, work, monkeypatch):
    mine = [start() for _ in range(3)]
    colleague = member(organization_id=asha.organization_id)
    stranger = member()
    with acting_as(colleague):
        theirs = start()
    with acting_as(stranger):
        other = start()
    actors = {one.user_id: one for one in (asha, colleague, stranger)}
    know_members(monkeypatch, any_app, lambda user, *_rest: actors[user])
    monkeypatch.setattr(worker, "_turns", Turns())
    order: list[UUID] = []
    for _ in range(5):
        run_id = worker._claim()
        assert run_id is not None
        order.append(run_id)
        worker.work_on(run_id)
    assert order == [mine[0], other, theirs, mine[1], mine[2]]


def test_a_claim_of_a_clock_that_was_ahead_is_void(asha, work):
    run_id = start()
    ahead = clock.now() + timedelta(hours=1)
    with transaction() as session:
        run = session.get_one(Run, run_id)
        run.claimed_until, run.due_at, run.status = ahead, ahead, "RUNNING"
    worker.work()
    assert run_of(run_id).status == "DONE"


def test_a_run_over_given_rows_does_these_and_lists_no_others(asha, work):
    run_id = actions.start_run("test.rows", {"word": "did"}, items=[Item("Row 2", {"n": 2}), Item("Row 4", {"n": 4})])
    worker.work()
    assert work.done == [2, 4]
    assert run_of(run_id).total == 2
