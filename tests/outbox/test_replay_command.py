"""`flask replay-events`: shows a plan, asks, does it unit by unit, and says what came of it."""

from collections.abc import Iterator

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from karokar.kernel.db import db
from karokar.outbox.delivery import subscriptions
from karokar.outbox.delivery.drain import drain, drain_all
from karokar.outbox.models import EventRow
from tests.factories.events import approved, record, requested
from tests.factories.handlers import Planted, only


@pytest.fixture
def keeper(app: Flask) -> Iterator[Planted]:
    planted = Planted("planted.keeper", "Booking*")
    with only(planted):
        subscriptions.sync()
        yield planted


def call(app: Flask, *options: str, answer: str | None = None) -> Result:
    db.session.rollback()
    return app.test_cli_runner().invoke(args=["replay-events", *options], input=answer)


def told() -> list[str]:
    db.session.rollback()
    return list(
        db.session.scalars(select(EventRow.event_type).where(EventRow.event_type.like("Replay%")).order_by(EventRow.id))
    )


def test_the_plan_is_shown_and_nothing_is_done_without_a_yes(app: Flask, keeper: Planted) -> None:
    record(requested())
    record(approved())
    drain()
    result = call(app, "--type", "Booking*", answer="n\n")
    assert result.exit_code == 1
    assert "planted.keeper" in result.output
    assert "1 × BookingApproved" in result.output
    assert "Do these 2 units?" in result.output
    assert len(keeper.taken) == 2
    assert told() == []


def test_a_yes_runs_it_and_tells_so(app: Flask, keeper: Planted) -> None:
    event_id = record(requested())
    drain()
    result = call(app, "--handler", "planted.keeper", "--rate", "100", answer="y\n")
    assert result.exit_code == 0, result.output
    assert "1 units done, 0 failed." in result.output
    assert "No row changed." in result.output
    assert keeper.taken == [event_id, event_id]
    assert told() == ["ReplayStarted", "ReplayCompleted"]


def test_a_dry_run_asks_nothing_and_tells_nothing(app: Flask, keeper: Planted) -> None:
    record(requested())
    drain()
    result = call(app, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "1 units tried, 0 failed." in result.output
    assert told() == []


def test_dead_letters_run_again(app: Flask, keeper: Planted) -> None:
    keeper.is_broken = True
    event_id = record(requested())
    drain_all()
    keeper.is_broken = False
    assert call(app, "--dead", "--yes").exit_code == 0
    drain_all()
    assert keeper.taken == [event_id]


def test_a_unit_that_fails_is_named_and_the_command_says_so(app: Flask, keeper: Planted) -> None:
    record(requested())
    drain()
    keeper.is_broken = True
    result = call(app, "--yes")
    assert result.exit_code == 1
    assert "planted.keeper is told to fail" in result.output
    assert "1 failed" in result.output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--handler", "planted.nobody"), "no such handler"),
        (("--since", "yesterday"), "give a time such as"),
        (("--aggregate", "Booking:7"), "give a type, or a type and an id"),
        (("--rate", "0"), "not in the range"),
        (("--type", "Nope*"), "There is no event called Nope*"),
        (("--type", "BookingAproved"), "Did you mean BookingApproved?"),
        (("--aggregate", "Bookng"), "Did you mean Booking?"),
        (("--aggregate", "Foo"), "There is no kind of thing called Foo"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    app: Flask, keeper: Planted, options: tuple[str, ...], sentence: str
) -> None:
    result = call(app, *options)
    assert result.exit_code != 0
    assert sentence in result.output


def test_nothing_selected_is_nothing_to_do(app: Flask, keeper: Planted) -> None:
    result = call(app, "--type", "Vehicle*", "--aggregate", "Vehicle", "--until", "2001-01-01")
    assert result.exit_code == 0
    assert "Nothing is to be done." in result.output


def end_told() -> dict[str, int]:
    db.session.rollback()
    (row,) = db.session.scalars(select(EventRow).where(EventRow.event_type == "ReplayCompleted"))
    return row.payload["counts"]


def test_a_replay_that_is_interrupted_tells_what_was_left(app: Flask, keeper: Planted, monkeypatch) -> None:
    for _ in range(3):
        record(requested())
    drain()
    pauses = iter([None, KeyboardInterrupt])

    def sleep(_seconds: float) -> None:
        if error := next(pauses):
            raise error

    monkeypatch.setattr("karokar.outbox.cli.replay.time.sleep", sleep)
    assert call(app, "--type", "Booking*", "--yes").exit_code == 1
    assert told() == ["ReplayStarted", "ReplayCompleted"]
    assert end_told() == {"done": 2, "failed": 0, "left": 1}


def test_a_replay_stops_when_too_much_fails(app: Flask, keeper: Planted) -> None:
    for _ in range(22):
        record(requested())
    drain()
    keeper.is_broken = True
    result = call(app, "--type", "Booking*", "--yes", "--stop-over", "50")
    assert result.exit_code == 1
    assert "Stopped: more than 50 % failed. 2 are left." in result.output
    assert end_told() == {"done": 0, "failed": 20, "left": 2}
