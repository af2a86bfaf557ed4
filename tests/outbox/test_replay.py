"""Replay: what failed runs again, projections run again over whole streams, actions and mails never by themselves."""

import dataclasses
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, text

from karokar.events import handlers
from karokar.events.base import Envelope, Event
from karokar.events.handlers import HANDLERS, Handler
from karokar.kernel.db import db, transaction
from karokar.kernel.errors import NotFound
from karokar.kernel.ids import new_id
from karokar.outbox.delivery import subscriptions
from karokar.outbox.delivery.drain import drain, drain_all
from karokar.outbox.models import DeferredDelivery, EventRow, Lease
from karokar.outbox.operations.replay import perform, tell_end, tell_start
from karokar.outbox.operations.replay_plan import Plan, Unit, Wanted, list_units, make_plan
from tests.factories.events import approved, record, requested
from tests.factories.handlers import Planted

# A table that is always there, with a text as its key, stands for a projection's own.


class Projection:
    """Notes each event once, under its id; `tone` is what code that was changed writes differently."""

    def __init__(self) -> None:
        self.tone = "first"
        self.is_broken = False
        self.handler = Handler(
            name="planted.projection",
            function=self.note,
            effect="projection",
            key="stream",
            many=False,
            from_start=False,
            description="Notes events.",
            selectors=("Booking*",),
            producer=None,
        )

    def note(self, envelope: Envelope[Event]) -> None:
        if self.is_broken:
            raise RuntimeError("The projection is told to fail.")
        name = f"{self.tone}:{envelope.event_id}"
        if db.session.get(Lease, name) is None:
            db.session.add(Lease(name=name, holder=envelope.event_id, until=envelope.occurred_at))

    def rows(self) -> list[UUID]:
        db.session.rollback()
        return list(
            db.session.scalars(
                select(Lease.holder).where(Lease.name.startswith(f"{self.tone}:")).order_by(Lease.until, Lease.name)
            )
        )


@pytest.fixture
def projection() -> Projection:
    return Projection()


@pytest.fixture
def actor() -> Planted:
    """A handler with `action` effect."""
    planted = Planted("planted.actor", "BookingApproved")
    planted.handler = dataclasses.replace(planted.handler, effect="action")
    return planted


@pytest.fixture
def planted(any_app: Flask, projection: Projection, actor: Planted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The application with these two handlers alone; nothing is retried by itself within a test."""
    patient = dataclasses.replace(any_app.config["KAROKAR"], event_bus_retry_base_ms=600_000)
    monkeypatch.setitem(any_app.config, "KAROKAR", patient)
    kept = dict(HANDLERS)
    HANDLERS.clear()
    HANDLERS.update({projection.handler.name: projection.handler, actor.handler.name: actor.handler})
    subscriptions.sync()
    yield any_app
    HANDLERS.clear()
    HANDLERS.update(kept)


def booking() -> dict[str, UUID]:
    return {"booking_id": new_id(), "vehicle_id": new_id()}


def forget(keep: Callable[[Lease], bool] = lambda _row: False) -> None:
    """Lose what the projection wrote."""
    with transaction() as session:
        for row in session.scalars(select(Lease)):
            if not keep(row):
                session.execute(delete(Lease).where(Lease.name == row.name))


def run(wanted: Wanted, **given: bool) -> list[str]:
    db.session.rollback()
    units = list(list_units(wanted, **given))
    db.session.rollback()
    return [perform(unit, wanted).in_words for unit in units]


def plan_of(wanted: Wanted, name: str) -> dict[str, int]:
    db.session.rollback()
    plan: Plan = make_plan(wanted)
    (found,) = (one for one in plan.handlers if one.handler == name)
    return {key: value for key, value in dataclasses.asdict(found).items() if value and isinstance(value, int)}


def test_a_plan_counts_what_would_happen_to_each_handler(planted: Flask, projection: Projection) -> None:
    first, second = booking(), booking()
    for facts in (first, second):
        record(requested(**facts))
        record(approved(**facts))
    drain()
    record(requested())
    assert plan_of(Wanted(), "planted.projection") == {"rerun": 4, "streams": 2, "pending": 1}
    assert plan_of(Wanted(), "planted.actor") == {"done_before": 2}
    assert plan_of(Wanted(types="*Approved"), "planted.projection") == {"rerun": 2, "streams": 2}
    of_booking = Wanted(aggregate_type="Booking", aggregate_id=first["booking_id"])
    assert plan_of(of_booking, "planted.projection") == {"rerun": 2, "streams": 1}
    assert make_plan(Wanted(handler="planted.actor")).units == 0
    with pytest.raises(NotFound):
        make_plan(Wanted(handler="planted.nobody"))


def test_a_replay_of_unchanged_code_changes_nothing(planted: Flask, projection: Projection, actor: Planted) -> None:
    facts = booking()
    recorded = [record(requested(**facts)), record(approved(**facts))]
    drain()
    assert projection.rows() == recorded
    assert run(Wanted()) == ["2 deliveries; no row changed."]
    assert projection.rows() == recorded
    assert len(actor.taken) == 1


def test_code_that_changed_corrects_its_rows_to_the_end_of_the_stream(planted: Flask, projection: Projection) -> None:
    facts = booking()
    recorded = [record(requested(**facts)), record(approved(**facts)), record(requested(**facts))]
    other = record(requested())
    drain()
    projection.tone = "second"
    assert run(Wanted(types="BookingApproved")) == ["2 deliveries; leases inserted: 2."]
    assert projection.rows() == recorded[1:]
    assert other not in projection.rows()


def test_a_dry_run_counts_the_rows_and_changes_none(planted: Flask, projection: Projection) -> None:
    recorded = record(requested())
    drain()
    forget()
    db.session.rollback()
    (unit,) = list_units(Wanted())
    db.session.rollback()
    for _ in range(2):
        outcome = perform(unit, Wanted(), is_dry_run=True)
        assert outcome.in_words == "1 delivery; leases inserted: 1."
        assert projection.rows() == []
    perform(unit, Wanted())
    assert projection.rows() == [recorded]


def test_what_failed_is_made_due_and_what_waits_follows(planted: Flask, projection: Projection) -> None:
    facts = booking()
    projection.is_broken = True
    recorded = [record(requested(**facts)), record(approved(**facts))]
    drain_all()
    db.session.rollback()
    assert plan_of(Wanted(), "planted.projection") == {"retried": 1, "waiting": 1}
    assert plan_of(Wanted(is_dead_only=True), "planted.projection") == {"retried": 1}
    projection.is_broken = False
    db.session.rollback()
    (unit,) = list_units(Wanted(is_dead_only=True))
    perform(unit, Wanted(is_dead_only=True), is_dry_run=True)
    assert db.session.scalar(select(func.count()).where(DeferredDelivery.state == "dead")) == 1
    assert run(Wanted(is_dead_only=True))[0].startswith("1 delivery")
    drain_all()
    assert projection.rows() == recorded


def test_a_stream_that_is_held_up_is_replayed_only_as_far_as_it_came(planted: Flask, projection: Projection) -> None:
    facts = booking()
    done = record(requested(**facts))
    drain()
    projection.is_broken = True
    record(approved(**facts))
    drain()
    projection.is_broken = False
    forget()
    assert [words for words in run(Wanted(types="BookingRequested")) if "inserted" in words] == [
        "1 delivery; leases inserted: 1."
    ]
    assert projection.rows() == [done]


def test_a_handler_that_fails_in_a_replay_changes_nothing(planted: Flask, projection: Projection) -> None:
    facts = booking()
    record(requested(**facts))
    record(approved(**facts))
    drain()
    forget()
    projection.is_broken = True
    db.session.rollback()
    (unit,) = list_units(Wanted())
    db.session.rollback()
    with pytest.raises(RuntimeError, match="told to fail"):
        perform(unit, Wanted())
    assert projection.rows() == []
    db.session.rollback()
    assert plan_of(Wanted(), "planted.projection") == {"rerun": 2, "streams": 1}


def test_mails_are_made_anew_only_when_asked_for(planted: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[UUID] = []

    def send(event_id: UUID) -> int:
        sent.append(event_id)
        return 1

    monkeypatch.setattr("karokar.outbox.operations.replay.RESENDERS", [send])
    event_id = record(approved())
    drain()
    run(Wanted(types="BookingApproved"))
    assert sent == []
    run(Wanted(types="BookingApproved"), with_mails=True)
    assert sent == [event_id]
    assert handlers.RESENDERS


def test_units_and_selections_survive_being_stored(planted: Flask) -> None:
    record(requested())
    drain()
    db.session.rollback()
    wanted = Wanted(handler="planted.projection", types="Booking*", is_dead_only=False)
    assert Wanted.of_words(wanted.in_words()) == wanted
    (unit,) = list_units(wanted)
    assert Unit(**unit.as_data()) == unit


def test_a_replay_is_told(planted: Flask) -> None:
    replay_id = new_id()
    tell_start(replay_id, Wanted(types="Booking*"), 3)
    tell_end(replay_id, Wanted(types="Booking*"), {"done": 3})
    rows = db.session.scalars(select(EventRow).where(EventRow.event_type.like("Replay%")).order_by(EventRow.id)).all()
    assert [(row.event_type, row.payload["selection"]) for row in rows] == [
        ("ReplayStarted", {"types": "Booking*"}),
        ("ReplayCompleted", {"types": "Booking*"}),
    ]
    assert db.session.execute(text("select 1")).scalar() == 1
