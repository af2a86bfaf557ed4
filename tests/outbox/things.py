"""An aggregate and its events that exist in these tests only, and a table of what their handlers did."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar
from uuid import UUID

import msgspec
from sqlalchemy import MetaData, Row, insert, select
from sqlalchemy.orm import Mapped, mapped_column, registry

from karokar.events import base
from karokar.events.base import CATALOG, LATEST, Envelope, Event, VehicleId, fact
from karokar.events.bus import EventToken, publish
from karokar.events.handlers import HANDLERS, handles
from karokar.kernel.db import AGGREGATES, Aggregate, Base, action, db
from karokar.kernel.ids import new_id

SCRATCH = MetaData()


class ScratchAggregate(Aggregate):
    """Keeps its tables out of the application's metadata, so that migrations are compared without them."""

    __abstract__ = True
    registry = registry(metadata=SCRATCH, type_annotation_map=Base.registry.type_annotation_map)
    metadata = SCRATCH


class ScratchTable(Base):
    __abstract__ = True
    registry = ScratchAggregate.registry
    metadata = SCRATCH


class Thing(ScratchAggregate):
    __tablename__ = "test_things"
    aggregate_type = "TestThing"
    label = "thing"

    group_id: Mapped[UUID]
    number: Mapped[int]
    owner: Mapped[str | None] = mapped_column(info={"personal": True})


class Effect(ScratchTable):
    """What a handler did with an event: one row each time, so that a second time is seen."""

    __tablename__ = "test_effects"

    id: Mapped[int] = mapped_column(primary_key=True)
    handler: Mapped[str]
    event_id: Mapped[UUID]
    aggregate_id: Mapped[UUID]
    aggregate_seq: Mapped[int]
    group_id: Mapped[UUID]
    number: Mapped[int]
    position: Mapped[int]


class _ThingEvent(Event, frozen=True, kw_only=True):
    aggregate_type: ClassVar[str] = "TestThing"
    aggregate_field: ClassVar[str | None] = "thing_id"
    thing_id: Annotated[UUID, msgspec.Meta(extra={"subject": "System"})]
    group_id: VehicleId
    number: int


@fact("TestThingMade", "made a thing", stream="group_id")
class ThingMade(_ThingEvent, frozen=True, kw_only=True):
    pass


@fact("TestThingMoved", "moved a thing", stream="group_id")
class ThingMoved(_ThingEvent, frozen=True, kw_only=True):
    pass


EVENTS = (ThingMade, ThingMoved)
for _class in EVENTS:  # In the catalog only while a test of the engine runs.
    del CATALOG[_class.event_type, 1], LATEST[_class.event_type]
AGGREGATES.pop(Thing.aggregate_type)


@contextmanager
def in_the_catalog() -> Iterator[None]:
    """Let the engine know the thing and its events, and no handlers but those of the test."""
    kept = dict(HANDLERS)
    HANDLERS.clear()
    AGGREGATES[Thing.aggregate_type] = Thing
    for class_ in EVENTS:
        base.CATALOG[class_.event_type, 1] = base.LATEST[class_.event_type] = class_
    try:
        yield
    finally:
        AGGREGATES.pop(Thing.aggregate_type)
        for class_ in EVENTS:
            base.CATALOG.pop((class_.event_type, 1), None)
            base.LATEST.pop(class_.event_type, None)
        HANDLERS.clear()
        HANDLERS.update(kept)


def make_tables() -> None:
    SCRATCH.create_all(db.engine)


# What happens to things -----------------------------------------------------------------------------------------------


@action
def make_thing(group_id: UUID | None = None, owner: str | None = None) -> EventToken:
    thing = Thing(group_id=group_id or new_id(), number=0, owner=owner)
    db.session.add(thing)
    return publish(ThingMade(thing_id=thing.id, group_id=thing.group_id, number=0))


@action
def move_thing(thing_id: UUID, *, times: int = 1) -> EventToken:
    thing = db.session.get_one(Thing, thing_id, with_for_update=True, populate_existing=True)
    for _ in range(times):
        thing.number += 1
        token = publish(ThingMoved(thing_id=thing.id, group_id=thing.group_id, number=thing.number))
    return token


def make_moved(moves: int, group_id: UUID | None = None) -> UUID:
    """Make a thing and move it so many times; returns its id."""
    thing_id = make_thing(group_id).aggregate_id
    for _ in range(moves):
        move_thing(thing_id)
    return thing_id


# What handlers do -----------------------------------------------------------------------------------------------------


def subscribe(name: str, *selectors: Any, does: Callable[[Any], None] | None = None, **options: Any) -> None:
    """Declare a handler `test.<name>` that notes what it is given, after doing something else first."""

    def invoke(given: Any) -> None:
        if does is not None:
            does(given)
        note(f"test.{name}", given if isinstance(given, list) else [given])

    invoke.__module__ = "karokar.test.handlers"
    invoke.__name__ = name
    handles(*(selectors or EVENTS), description="Notes what it is given.", **options)(invoke)


def note(handler: str, envelopes: Sequence[Envelope[Any]]) -> None:
    db.session.execute(
        insert(Effect),
        [
            {
                "handler": handler,
                "event_id": envelope.event_id,
                "aggregate_id": envelope.aggregate_id,
                "aggregate_seq": envelope.aggregate_seq,
                "group_id": getattr(envelope.event, "group_id", envelope.aggregate_id),
                "number": getattr(envelope.event, "number", 0),
                "position": envelope.position,
            }
            for envelope in envelopes
        ],
    )


def effects(name: str, **where: Any) -> list[Row[Any]]:
    """What the handler did, in the order in which it did it."""
    db.session.rollback()
    columns = (Effect.aggregate_id, Effect.aggregate_seq, Effect.group_id, Effect.number, Effect.position)
    statement = select(*columns).where(Effect.handler == f"test.{name}").order_by(Effect.id)
    for column, value in where.items():
        statement = statement.where(getattr(Effect, column) == value)
    found = list(db.session.execute(statement))
    db.session.rollback()
    return found


def sequences(name: str, thing_id: UUID) -> list[int]:
    """The sequence numbers of a thing's events in the order in which the handler was given them."""
    return [row.aggregate_seq for row in effects(name, aggregate_id=thing_id)]
