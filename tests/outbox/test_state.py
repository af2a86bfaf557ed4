"""What operators see of delivery: what is done, what waits and why, what failed alike, how each handler keeps up."""

import dataclasses
from collections.abc import Iterator

import pytest
from flask import Flask

from karokar.events.handlers import HANDLERS
from karokar.kernel.db import db, transaction
from karokar.kernel.ids import new_id
from karokar.outbox.delivery import subscriptions
from karokar.outbox.delivery.drain import drain, drain_all
from karokar.outbox.models import Subscription
from karokar.outbox.monitoring.overview import (
    failure_groups,
    find_handler,
    handler_states,
    list_pending,
    overview,
)
from karokar.outbox.operations import actions
from karokar.outbox.positions import newest_position
from karokar.outbox.reading.deliveries import Delivery, deliveries
from karokar.outbox.reading.search import EventFilter, list_events
from tests.factories.events import approved, platform_admin, record, requested, vendor_admin
from tests.factories.handlers import Planted, only
from tests.factories.tampering import tamper


@pytest.fixture
def keeper() -> Planted:
    """A handler of everything about bookings."""
    return Planted("planted.keeper", "Booking*")


@pytest.fixture
def approver() -> Planted:
    """A handler of approvals."""
    return Planted("planted.approver", "BookingApproved")


@pytest.fixture
def planted(any_app: Flask, keeper: Planted, approver: Planted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The application with these two handlers alone, subscribed; nothing is retried by itself within a test."""
    patient = dataclasses.replace(any_app.config["KAROKAR"], event_bus_retry_base_ms=600_000)
    monkeypatch.setitem(any_app.config, "KAROKAR", patient)
    with only(keeper, approver):
        subscriptions.sync()
        yield any_app


def delivery_of(position: int, handler: str) -> Delivery:
    db.session.rollback()
    (found,) = (one for one in deliveries([position])[position] if one.handler == handler)
    return found


def test_an_event_is_pending_until_delivery_has_reached_it(planted: Flask) -> None:
    record(requested())
    position = newest_position()
    (found,) = deliveries([position])[position]
    assert (found.handler, found.state, found.attempts) == ("planted.keeper", "pending", 0)
    assert "next batch" in found.why
    assert [one.event_type for one in list_pending()] == ["BookingRequested"]
    drain()
    found = delivery_of(position, "planted.keeper")
    assert (found.state, found.attempts, found.why) == ("handled", 1, "")
    assert found.delivered_at is not None
    assert found.microseconds is not None
    assert list_pending() == []


def test_a_failure_names_its_error_and_holds_back_only_its_own_key(planted: Flask, keeper: Planted) -> None:
    booking = {"booking_id": new_id(), "vehicle_id": new_id()}
    keeper.is_broken = True
    record(requested(**booking))
    first = newest_position()
    record(approved(**booking))
    second = newest_position()
    drain()
    failed, behind = delivery_of(first, "planted.keeper"), delivery_of(second, "planted.keeper")
    assert (failed.state, failed.attempts) == ("retrying", 1)
    assert "Broken: planted.keeper is told to fail" in (failed.error or "")
    assert failed.due_at is not None
    assert (behind.state, behind.blocked_by) == ("waiting", first)
    assert "behind an earlier event" in behind.why
    assert delivery_of(second, "planted.approver").state == "handled"

    keeper.is_broken = False
    drain_all()
    assert delivery_of(first, "planted.keeper").state == "handled"
    assert delivery_of(first, "planted.keeper").attempts == 2
    assert delivery_of(second, "planted.keeper").state == "handled"


def test_failures_alike_are_one_group(planted: Flask, keeper: Planted, approver: Planted) -> None:
    booking = {"booking_id": new_id(), "vehicle_id": new_id()}
    keeper.is_broken = approver.is_broken = True
    for _ in range(3):
        record(requested())
    record(requested(**booking))
    record(approved(**booking))
    drain()
    db.session.rollback()
    of_keeper, of_approver = failure_groups()
    assert (of_keeper.handler, of_keeper.count, of_keeper.retrying, of_keeper.dead) == ("planted.keeper", 4, 4, 0)
    assert of_keeper.blocked == 1
    assert of_keeper.headline.endswith("Broken: planted.keeper is told to fail")
    assert (of_approver.handler, of_approver.count) == ("planted.approver", 1)
    assert of_keeper.first_at <= of_keeper.last_at
    drain_all()
    db.session.rollback()
    assert [(group.retrying, group.dead) for group in failure_groups()] == [(0, 4), (0, 1)]


def test_a_dead_delivery_says_that_it_waits_for_a_person(planted: Flask, keeper: Planted) -> None:
    keeper.is_broken = True
    record(requested())
    position = newest_position()
    drain_all()
    found = delivery_of(position, "planted.keeper")
    assert found.state == "dead"
    assert "waits for a person" in found.why
    assert found.fingerprint


def test_what_waits_for_a_pause_or_for_code_says_so(planted: Flask, keeper: Planted, approver: Planted) -> None:
    with transaction() as session:
        for row in session.query(Subscription).filter_by(name=approver.name):
            row.paused_at = row.paused_at or overview().rate.slots[0][0]
    record(approved())
    paused = newest_position()
    drain()
    assert "paused" in delivery_of(paused, approver.name).why
    del HANDLERS[keeper.name]
    record(requested())
    unknown = newest_position()
    drain()
    assert delivery_of(unknown, keeper.name).state == "waiting"
    assert "version that knows it" in delivery_of(unknown, keeper.name).why


def test_the_overview_counts_what_is_open(planted: Flask, keeper: Planted) -> None:
    quiet = overview()
    assert (quiet.newest_position, quiet.pending, quiet.oldest, quiet.is_behind) == (0, 0, None, False)
    keeper.is_broken = True
    record(requested())
    record(requested())
    drain()
    record(approved())
    db.session.rollback()
    seen = overview()
    assert (seen.pending, seen.newest_position) == (1, newest_position())
    assert seen.oldest is not None
    assert seen.open_by_state == {"retrying": 2}
    assert seen.next_retry_at is not None
    assert (seen.rate.total, seen.rate.peak <= 3, seen.rate.is_counted_out) == (3, True, True)


def test_each_handler_tells_how_it_keeps_up(planted: Flask, keeper: Planted, approver: Planted) -> None:
    record(requested())
    drain()
    record(approved())
    db.session.rollback()
    of_keeper, of_approver = find_handler(keeper.name), find_handler(approver.name)
    assert of_keeper is not None
    assert of_approver is not None
    assert (of_keeper.status, of_keeper.lag, of_approver.lag) == ("BEHIND", 1, 1)
    assert of_keeper.mean_us is not None
    assert of_approver.mean_us is None
    assert of_approver.event_types == ["BookingApproved"]
    assert of_approver.oldest_at is not None
    keeper.is_broken = True
    drain()
    db.session.rollback()
    assert [(state.name, state.status) for state in handler_states()] == [
        ("planted.approver", "RUNNING"),
        ("planted.keeper", "FAILING"),
    ]
    assert find_handler("planted.nobody") is None


def test_events_in_trouble_are_found_by_the_platform_alone(planted: Flask, keeper: Planted) -> None:
    fine, broken = record(approved(), at=None), None
    drain()
    keeper.is_broken = True
    broken = record(requested())
    drain()
    db.session.rollback()
    in_trouble = EventFilter(is_in_trouble=True)
    assert [found.event_id for found in list_events(in_trouble, platform_admin).rows] == [broken]
    assert {found.event_id for found in list_events(in_trouble, vendor_admin).rows} == {fine, broken}


def test_a_delivery_that_waited_shows_no_error_once_it_is_handled(planted: Flask) -> None:
    actions.pause_handler("planted.keeper", "A look at its data.")
    record(requested())
    drain()
    position = newest_position()
    assert delivery_of(position, "planted.keeper").why == "The handler is paused."
    actions.resume_handler("planted.keeper")
    drain_all()
    handled = delivery_of(position, "planted.keeper")
    assert (handled.state, handled.error) == ("handled", None)


def test_an_event_of_an_unknown_version_waits_and_says_for_what(planted: Flask) -> None:
    record(requested())
    tamper("update events set version = 99")
    position = newest_position()
    drain()
    assert delivery_of(position, "planted.keeper").why.startswith("This code does not know BookingRequested version 99")
