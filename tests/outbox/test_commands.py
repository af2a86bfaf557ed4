"""What operators type: each command through the shell's own way in."""

import json
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from karokar.events.handlers import handles
from karokar.kernel.database.rows import insert_rows
from karokar.kernel.db import db, transaction
from karokar.outbox.delivery.drain import drain_all
from tests.outbox.test_conformance import Poison
from tests.outbox.things import ScratchTable, effects, make_moved, subscribe


class Kept(ScratchTable):
    __tablename__ = "test_kept"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)


@pytest.fixture
def shell(quick_bus):
    runner = quick_bus.app.test_cli_runner()

    def run(*words: str) -> tuple[int, str]:
        answer = runner.invoke(args=["events", *words])
        db.session.rollback()
        return answer.exit_code, answer.output

    return run


@pytest.fixture
def dead(quick_bus):
    poison = Poison(make_moved(1))
    subscribe("suffer", does=poison)
    drain_all()
    poison.is_potent = False


def test_handlers_are_listed_with_what_they_do(shell, dead):
    status, said = shell("handlers")
    assert status == 0
    assert "test.suffer  [failing]" in said
    assert "Notes what it is given." in said
    assert "1 dead" in said


def test_stats_are_told_to_programs(shell, dead):
    status, said = shell("stats", "--json")
    facts = json.loads(said)
    assert status == 0
    assert (facts["dead"], facts["waiting"], facts["pending"]) == (1, 1, 0)
    assert "verifiedPosition" in shell("stats")[1]


def test_verify_says_what_is_broken_and_ends_with_one(shell, dead):
    assert shell("verify") == (0, "Checked positions 1 to 3: no problems.\n")
    with transaction() as session:
        session.execute(text("delete from handled where position = 1"))
    status, said = shell("verify", "--full")
    assert status == 1
    assert "unaccounted" in said
    with transaction() as session:
        session.execute(text("insert into handled values (1, '2026-01-01 00:00:00.000000', '[]', '[]')"))


def test_the_dead_are_retried(shell, dead):
    assert shell("retry", "--handler", "test.suffer") == (0, "1 delivery runs again.\n")
    drain_all()
    assert len(effects("suffer")) == 2


def test_the_dead_are_dismissed_with_a_reason(shell, dead):
    assert shell("dismiss", "--reason", "no")[0] == 2
    status, said = shell("dismiss", "--handler", "test.suffer", "--reason", "Made by mistake.")
    assert (status, said) == (0, "1 delivery stays undone.\n")


def test_a_handler_is_paused_and_resumed_and_an_unknown_one_is_refused(shell, dead):
    assert shell("pause", "test.suffer", "--reason", "Looking.")[0] == 0
    assert "[paused]" in shell("handlers")[1]
    assert shell("resume", "test.suffer")[0] == 0
    status, said = shell("pause", "test.nobody")
    assert status == 1
    assert "There is no such handler" in said


def test_a_handler_whose_code_is_here_cannot_be_unsubscribed(shell, dead):
    assert shell("unsubscribe", "test.suffer")[0] == 2


def test_a_projection_is_checked_and_rebuilt_from_its_events(shell, quick_bus):
    def keep(envelope):
        insert_rows(Kept, [{"event_id": envelope.event_id}], skip_existing=True)

    keep.__module__, keep.__name__ = "karokar.test.handlers", "keep"
    handles("TestThingM*", description="Keeps a row per event.")(keep)
    make_moved(2)
    drain_all()
    assert shell("rebuild", "test.keep", "--check") == (0, "1 streams; no rows would change.\n")
    with transaction() as session:
        session.execute(text("delete from test_kept"))
    status, said = shell("rebuild", "test.keep", "--check")
    assert status == 1
    assert "3 rows would change" in said
    assert "3 rows changed" in shell("rebuild", "test.keep", "--apply")[1]
    assert db.session.execute(text("select count(*) from test_kept")).scalar() == 3
    assert shell("rebuild", "test.keep")[0] == 2
