"""What the database alone cannot prove: that nothing was cut off, forged as a whole, or emptied."""

import dataclasses
import json
import stat
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import CliRunner
from sqlalchemy import func, select

from karokar.administration.views.health import audit_log
from karokar.audit import actions
from karokar.audit.models import AuditRecord, AuditSeal
from karokar.audit.queries import figures, newest_seal, verify
from karokar.audit.rules import Checkpoint, Keys
from karokar.kernel.clock import now
from karokar.kernel.db import db
from karokar.kernel.settings import settings
from karokar.notification.models import Notification
from karokar.outbox.delivery.drain import drain_all
from karokar.outbox.models import EventRow
from tests.audit.test_chain import happen, positions
from tests.factories import people
from tests.factories.tampering import tamper


@pytest.fixture
def sealed(any_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Five sealed records, and a checkpoint of them in a file of this test."""
    changed = dataclasses.replace(
        any_app.config["KAROKAR"], audit_checkpoints=tmp_path / "elsewhere" / "checkpoints.jsonl"
    )
    monkeypatch.setitem(any_app.config, "KAROKAR", changed)
    happen(5)
    actions.seal_chain()
    assert actions.write_checkpoint() is not None
    return any_app


@pytest.fixture
def runner(sealed: Flask) -> CliRunner:
    return sealed.test_cli_runner()


def cut(position: int) -> None:
    tamper(
        f"delete from audit_records where position >= {position}",
        f"delete from audit_chain where position >= {position}",
    )


def test_a_cut_tail_contradicts_the_checkpoint(sealed: Flask, runner: CliRunner):
    last = positions()[-1]
    cut(last)
    assert verify() is None
    found = runner.invoke(args=["audit", "verify"])
    assert found.exit_code == 1
    assert f"Position {last}:" in found.output
    assert "cut" in found.output


def test_a_tail_cut_together_with_its_events_contradicts_the_checkpoint(sealed: Flask, runner: CliRunner):
    last = positions()[-1]
    cut(last)
    events = "select max(id) from events"
    if db.engine.dialect.name == "postgresql":
        tamper(f"delete from event_log where event_id = ({events})")
    tamper(f"delete from event_subjects where event_id = ({events})", f"delete from events where id = ({events})")
    assert actions.compare_with_log() is None
    assert runner.invoke(args=["audit", "verify", "--against-log"]).exit_code == 1


def test_a_checkpoint_kept_elsewhere_is_compared(runner: CliRunner, tmp_path: Path):
    kept = tmp_path / "copied"
    printed = runner.invoke(args=["audit", "checkpoint"])
    assert printed.exit_code == 0
    kept.write_text(printed.output, encoding="utf-8")
    settings().audit_checkpoints.unlink()
    assert runner.invoke(args=["audit", "verify", "--from", str(kept)]).exit_code == 0
    cut(positions()[2])
    assert runner.invoke(args=["audit", "verify"]).exit_code == 0
    found = runner.invoke(args=["audit", "verify", "--from", str(kept)])
    assert found.exit_code == 1


def test_a_changed_checkpoint_is_not_believed(runner: CliRunner, tmp_path: Path):
    made = json.loads(settings().audit_checkpoints.read_text(encoding="utf-8"))
    kept = tmp_path / "changed"
    kept.write_text(json.dumps({**made, "position": made["position"] - 1}), encoding="utf-8")
    found = runner.invoke(args=["audit", "verify", "--from", str(kept)])
    assert found.exit_code == 1
    assert "not signed" in found.output
    kept.write_text("nothing of the kind\n", encoding="utf-8")
    found = runner.invoke(args=["audit", "verify", "--from", str(kept)])
    assert found.exit_code == 1
    assert "Line 1 is no checkpoint" in found.output


def test_a_checkpoint_is_written_for_what_is_new_only_and_read_by_its_owner_only(sealed: Flask):
    assert actions.write_checkpoint() is None
    happen(1)
    actions.seal_chain()
    assert actions.write_checkpoint() is not None
    path = settings().audit_checkpoints
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert actions.newest_checkpoint() is not None
    assert actions.newest_checkpoint().position == newest_seal()  # type: ignore[union-attr]


def test_a_chain_goes_on_with_a_new_key_and_verifies_with_the_former_one(sealed: Flask):
    former = settings().audit_keys
    sealed.config["KAROKAR"] = dataclasses.replace(settings(), audit_keys=("a new key of many letters", *former))
    happen(2)
    actions.seal_chain()
    assert verify() is None
    assert len(set(db.session.scalars(select(AuditSeal.key_id)))) == 2
    assert actions.write_checkpoint() is not None
    with settings().audit_checkpoints.open(encoding="utf-8") as lines:
        assert actions.contradiction(actions.read_checkpoints(lines)) is None
    sealed.config["KAROKAR"] = dataclasses.replace(settings(), audit_keys=("a new key of many letters",))
    found = verify()
    assert found is not None
    assert found.position == positions()[0]


@pytest.mark.parametrize(
    "statement",
    [
        "update events set payload = '{}' where id = {id}",
        "update events set payload = '{\"unreadable\": 1}' where id = {id}",
        "update events set metadata = '{}' where id = {id}",
        "update events set version = 99 where id = {id}",
        "update events set event_type = 'NothingKnown' where id = {id}",
    ],
)
def test_an_event_that_was_changed_emptied_or_made_unreadable_is_named(sealed: Flask, statement: str):
    assert actions.compare_with_log() is None
    row = db.session.scalars(select(EventRow).order_by(EventRow.id).offset(2).limit(1)).one()
    tamper(statement.replace("{id}", str(row.id)))
    found = actions.compare_with_log()
    assert found is not None
    assert found.position == positions()[2]
    assert "what is stored of the event" in found.problem


def test_the_clock_finds_a_fault_and_alerts_the_platform(sealed: Flask):
    people.platform_admin()
    drain_all()
    actions.seal_chain()
    assert actions.watch_chain() is None
    assert figures()[0].samples[0].value == 0
    third = positions()[2]
    tamper(f"update audit_records set summary = 'nothing happened' where position = {third}")
    found = actions.watch_chain()
    assert found is not None
    assert found.position == third
    assert figures()[0].samples[0].value == 1
    with sealed.test_request_context():
        assert audit_log().status == "down"
    assert actions.watch_chain() is not None
    drain_all()
    count = select(func.count()).select_from(EventRow).where(EventRow.event_type == "AuditChainBroken")
    assert db.session.scalar(count) == 1, "a fault that is known is not told again"
    told = db.session.scalars(select(Notification).where(Notification.template == "AuditChainBroken")).all()
    assert {message.channel for message in told} == {"EMAIL", "IN_APP"}


def test_the_clock_goes_round_all_records_piece_by_piece(sealed: Flask, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("karokar.audit.actions.watching.PIECE", 2)
    first = positions()[0]
    assert actions.watch_chain() is None
    tamper(f"update audit_records set summary = 'nothing happened' where position = {first}")
    found = [actions.watch_chain() for _ in range(4)]
    assert [one.position for one in found if one is not None][:1] == [first]


def test_a_record_holds_the_hash_of_its_event_in_an_earlier_version_too(sealed: Flask):
    """What is stored counts, not what upcasters make of it."""
    row = db.session.scalars(select(AuditRecord).limit(1)).one()
    assert len(row.event_hash) == 64


def test_a_checkpoint_is_one_line_that_says_when_and_where():
    keys = Keys.of(["a key of many letters"])
    made = Checkpoint.signed(keys, 7, "ab" * 32, now())
    assert Checkpoint.parse(made.as_line()) == made
    assert made.is_signed_by(keys)
    assert not made.is_signed_by(Keys.of(["another key of many letters"]))
    assert not dataclasses.replace(made, hash="cd" * 32).is_signed_by(keys)
