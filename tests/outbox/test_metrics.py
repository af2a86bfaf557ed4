"""The engine's figures for Prometheus, and the canary that goes the whole path."""

import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from karokar.kernel.clock import now, standing_at
from karokar.kernel.db import db
from karokar.outbox.delivery import canary, subscriptions
from karokar.outbox.delivery.drain import drain, drain_all
from karokar.outbox.models import Canary
from karokar.outbox.monitoring.metrics import count_latencies, exposition
from tests.factories.events import approved, record, requested
from tests.factories.handlers import Planted, only


def figures() -> dict[tuple[str, str], float]:
    """Every sample by its name and its labels in a row."""
    db.session.rollback()
    return {
        (sample.name, " ".join(value for _name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition().decode())
        for sample in family.samples
    }


@pytest.fixture
def keeper(any_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Planted]:
    """The only handler, of everything about bookings; nothing is retried by itself within a test."""
    patient = dataclasses.replace(any_app.config["KAROKAR"], event_bus_retry_base_ms=600_000)
    monkeypatch.setitem(any_app.config, "KAROKAR", patient)
    planted = Planted("planted.keeper", "Booking*")
    with only(planted):
        subscriptions.sync()
        yield planted


def test_a_quiet_system_has_its_figures(keeper: Planted) -> None:
    found = figures()
    assert found["event_dispatch_failures_total", "planted.keeper"] == 0
    assert found["event_dead_letter_total", "planted.keeper"] == 0
    assert found["event_oldest_undelivered_seconds", "planted.keeper"] == 0
    assert found["event_dispatch_latency_count", ""] == 0


def test_latencies_are_added_up_once(keeper: Planted) -> None:
    record(requested())
    record(approved(), at=now() - timedelta(seconds=100))
    record(approved(), at=now() - timedelta(hours=2))
    drain()
    for _ in range(2):
        count_latencies()
    found = figures()
    assert found["event_dispatch_latency_count", ""] == 3
    assert found["event_dispatch_latency_bucket", "60.0"] == 1
    assert found["event_dispatch_latency_bucket", "300.0"] == 2
    assert found["event_dispatch_latency_bucket", "+Inf"] == 3
    assert found["event_dispatch_latency_sum", ""] >= 7300
    record(requested())
    drain()
    count_latencies()
    assert figures()["event_dispatch_latency_count", ""] == 4


def test_failures_and_dead_letters_are_counted_by_handler(keeper: Planted) -> None:
    keeper.is_broken = True
    record(requested(), at=now() - timedelta(minutes=5))
    drain()
    found = figures()
    assert found["event_dispatch_failures_total", "planted.keeper"] == 1
    assert found["event_deliveries_open", "planted.keeper retrying"] == 1
    assert found["event_oldest_undelivered_seconds", "planted.keeper"] >= 300
    drain_all()
    found = figures()
    assert found["event_dispatch_failures_total", "planted.keeper"] == 8
    assert found["event_dead_letter_total", "planted.keeper"] == 1
    assert found["event_deliveries_open", "planted.keeper dead"] == 1
    assert found["event_oldest_undelivered_seconds", "planted.keeper"] == 0


def test_what_is_not_reached_yet_is_a_lag(keeper: Planted) -> None:
    record(requested())
    assert figures()["event_deliveries_pending", "planted.keeper"] == 1


def test_a_canary_is_answered_by_whoever_drains(keeper: Planted) -> None:
    assert not canary.poll().is_well
    canary.send_canary()
    assert canary.waiting_since() is not None
    db.session.rollback()
    drain()
    db.session.rollback()
    found = canary.poll()
    assert found.is_well
    assert found.waiting_since is None
    assert found.seconds is not None
    assert figures()["event_canary_waiting_seconds", ""] == 0


def test_a_canary_that_nobody_answers_is_seen(keeper: Planted) -> None:
    with standing_at(now() - timedelta(minutes=4)):
        canary.send_canary()
    found = canary.poll()
    assert not found.is_well
    assert figures()["event_canary_waiting_seconds", ""] >= 240


def test_canaries_are_forgotten_after_a_day(keeper: Planted) -> None:
    with standing_at(now() - timedelta(days=2)):
        canary.send_canary()
    canary.send_canary()
    assert db.session.query(Canary).count() == 1
