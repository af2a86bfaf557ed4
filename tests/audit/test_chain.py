"""Records are written once, sealed in order, and whoever touches them is found."""

import dataclasses
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from karokar.administration.views.health import audit_log
from karokar.audit.actions import compare_with_log, seal_chain
from karokar.audit.models import AuditRecord, AuditSeal
from karokar.audit.queries import chain_status, newest_seal, verify
from karokar.audit.rules import FIRST_LINK, Keys, content_hash, next_link
from karokar.events.administration import SettingChanged
from karokar.events.bus import publish
from karokar.kernel.clock import now, standing_at
from karokar.kernel.db import db, transaction
from karokar.kernel.ids import new_id
from karokar.outbox.delivery.drain import drain_all
from karokar.outbox.reading.log import settled_position
from tests.factories.tampering import tamper


def happen(count: int) -> None:
    """Let so many things happen, and be recorded."""
    for number in range(count):
        with transaction():
            publish(SettingChanged(organization_id=new_id(), key=f"setting {number}", before="1", after="2"))
    drain_all()


def positions() -> list[int]:
    db.session.rollback()
    return list(db.session.scalars(select(AuditRecord.position).order_by(AuditRecord.position)))


def test_each_event_becomes_one_sealed_record(any_app: Flask):
    happen(5)
    assert seal_chain() == 5
    assert len(positions()) == 5
    assert verify() is None
    assert compare_with_log() is None
    status = chain_status()
    assert status.newest_seal == status.newest_record
    assert not status.is_late


def test_an_event_delivered_again_makes_no_second_record(any_app: Flask):
    happen(3)
    before = positions()
    with transaction() as session:
        session.execute(text("delete from progress"))
        session.execute(text("delete from handled"))
    drain_all()
    assert positions() == before


@pytest.mark.parametrize("statement", ["update {table} set position = position + 100", "delete from {table}"])
@pytest.mark.parametrize("table", ["audit_records", "audit_chain"])
def test_the_database_refuses_to_change_or_remove_what_is_written(any_app: Flask, table: str, statement: str):
    happen(2)
    seal_chain()
    with pytest.raises(DBAPIError, match="append-only"), transaction() as session:
        session.execute(text(statement.format(table=table)))
    assert verify() is None


def test_postgresql_refuses_to_empty_the_tables(pg_app: Flask):
    happen(1)
    with pytest.raises(DBAPIError, match="append-only"), transaction() as session:
        session.execute(text("truncate audit_records"))


def test_a_changed_record_is_named(any_app: Flask):
    happen(5)
    seal_chain()
    third = positions()[2]
    tamper(f"update audit_records set summary = 'nothing happened' where position = {third}")
    finding = verify()
    assert finding is not None
    assert finding.position == third
    assert "changed" in finding.problem


def test_a_record_changed_together_with_its_hash_breaks_the_chain(any_app: Flask):
    happen(5)
    seal_chain()
    third = positions()[2]
    tamper(f"update audit_records set summary = 'nothing happened' where position = {third}")
    row = db.session.get(AuditRecord, third)
    assert row is not None
    tamper(f"update audit_records set content_hash = '{row.computed_hash()}' where position = {third}")
    finding = verify()
    assert finding is not None
    assert finding.position == third
    assert "chain breaks" in finding.problem


def test_a_whole_chain_cannot_be_forged_without_a_key_and_differs_from_the_events(any_app: Flask):
    happen(4)
    seal_chain()
    second = positions()[1]
    tamper(f"update audit_records set actor_id = '{new_id().hex}' where position = {second}")
    row = db.session.get(AuditRecord, second)
    assert row is not None
    statements = [f"update audit_records set content_hash = '{row.computed_hash()}' where position = {second}"]
    link, keys = FIRST_LINK, Keys.of(["a key that whoever forges it has made up"])
    hashes = {row.position: row.content_hash for row in db.session.scalars(select(AuditRecord))}
    hashes[second] = row.computed_hash()
    for position in sorted(hashes):
        link = next_link(keys, keys.signing_id, link, hashes[position])
        statements.append(
            f"update audit_chain set hash = '{link}', key_id = '{keys.signing_id}' where position = {position}"
        )
    tamper(*statements)
    forged = verify()
    assert forged is not None
    assert forged.position == min(hashes)
    assert "key" in forged.problem
    finding = compare_with_log()
    assert finding is not None
    assert finding.position == second
    assert "actor_id" in finding.problem


def test_a_removed_record_is_named(any_app: Flask):
    happen(5)
    seal_chain()
    third = positions()[2]
    tamper(f"delete from audit_records where position = {third}")
    finding = verify()
    assert finding is not None
    assert finding.position == third
    assert "removed" in finding.problem


def test_a_record_removed_together_with_its_link_is_named(any_app: Flask):
    happen(5)
    seal_chain()
    third, fourth = positions()[2:4]
    tamper(f"delete from audit_records where position = {third}", f"delete from audit_chain where position = {third}")
    finding = verify()
    assert finding is not None
    assert finding.position == fourth
    against_log = compare_with_log()
    assert against_log is not None
    assert against_log.position == third


def test_the_newest_record_removed_with_its_link_differs_from_the_events(any_app: Flask):
    happen(3)
    seal_chain()
    last = positions()[-1]
    tamper(f"delete from audit_records where position = {last}", f"delete from audit_chain where position = {last}")
    assert verify() is None
    finding = compare_with_log()
    assert finding is not None
    assert finding.position == last


def test_an_inserted_record_is_named(any_app: Flask):
    happen(3)
    seal_chain()
    second = positions()[1]
    tamper(f"delete from audit_records where position = {second}", f"delete from audit_chain where position = {second}")
    tamper(
        "insert into audit_records select position + 1, "
        f"'{new_id().hex}', event_type, version, entity_type, entity_id, actor_id, organization_id, occurred_at, "
        f"summary, payload, changes, event_hash, content_hash from audit_records where position = {second - 1}"
    )
    finding = verify()
    assert finding is not None
    assert finding.position == second


def test_a_second_sealer_adds_nothing(any_app: Flask):
    happen(3)
    assert seal_chain() == 3
    assert seal_chain() == 0
    happen(2)
    assert seal_chain() == 2
    assert verify() is None


def test_nothing_is_sealed_beyond_an_open_audit_delivery(any_app: Flask):
    happen(3)
    number = db.session.scalar(text("select handler from subscriptions where name = 'audit.write_records' limit 1"))
    second = positions()[1]
    with transaction() as session:
        session.execute(
            text(
                "insert into troubles(handler, position, event_id, shard, stream, state, since) "
                "select :number, :position, e.id, e.shard, e.stream, 'dead', e.occurred_at from events e limit 1"
            ),
            {"number": number, "position": second},
        )
    assert settled_position("audit.write_records") == second - 1
    seal_chain()
    assert newest_seal() == second - 1


def test_nothing_is_sealed_that_a_shard_has_not_reached(any_app: Flask):
    happen(2)
    with transaction():
        publish(SettingChanged(organization_id=new_id(), key="not delivered yet", before="", after=""))
    seal_chain()
    assert newest_seal() == positions()[-1]
    assert db.session.scalar(select(func.count()).select_from(AuditSeal)) == 2


def test_the_command_names_the_first_bad_position(any_app: Flask, tmp_path):
    # A checkpoint of another test's database would contradict this one's.
    any_app.config["KAROKAR"] = dataclasses.replace(
        any_app.config["KAROKAR"], audit_checkpoints=tmp_path / "checkpoints.jsonl"
    )
    happen(3)
    seal_chain()
    runner = any_app.test_cli_runner()
    assert runner.invoke(args=["audit", "verify", "--against-log"]).exit_code == 0
    second = positions()[1]
    tamper(f"update audit_records set event_type = 'Nothing' where position = {second}")
    result = runner.invoke(args=["audit", "verify"])
    assert result.exit_code == 1
    assert f"Position {second}:" in result.output


def test_the_canonical_form_does_not_depend_on_the_order_of_keys():
    first = {"a": 1, "b": {"x": None, "y": [1, "ü"]}}
    assert content_hash(first) == content_hash({"b": {"y": [1, "ü"], "x": None}, "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})


def test_a_record_that_waits_too_long_for_its_seal_is_an_alert(app: Flask):
    with standing_at(now() - timedelta(minutes=5)):
        happen(1)
    assert chain_status().is_late
    with app.test_request_context():
        assert audit_log().status == "degraded"
    seal_chain()
    assert not chain_status().is_late
    with app.test_request_context():
        assert audit_log().status == "ok"
