"""Nothing that people type has a place in an event: not in its payload, and not in what it records as changed."""

from collections.abc import Iterator

import msgspec
import pytest
from msgspec import inspect as types
from sqlalchemy import JSON, String, inspect

from karokar.app import PRODUCERS
from karokar.contexts import CONTEXTS
from karokar.events.base import CATALOG, LATEST, Code, Event, Name, NoteId, fact
from karokar.kernel.db import AGGREGATES, Aggregate
from karokar.kernel.text.notes import Note, typed_columns

for _producer in PRODUCERS:
    __import__(f"karokar.events.{_producer}")
for _package in (*CONTEXTS, "outbox"):
    __import__(f"karokar.{_package}", fromlist=["models"])

NAMES = {
    "name": "what an organization is called, and what an organization calls a role that it composed",
    "role": "the code of a role, or its name",
    "former_role": "the code of a role, or its name",
    "make": "who made a vehicle",
    "model": "which vehicle it is",
    "license_plate": "the plate that a vehicle carries in public",
    "city": "where a vehicle is offered",
}
"""Fields of events, and columns of aggregates, that hold what somebody typed: what things are called."""

CODES = {
    "Assignment": "status reason flag",
    "AvailabilityConflict": "first_source_type second_source_type status resolution",
    "Booking": "reference place_time_zone status reason vacancy",
    "MaintenanceWindow": "kind status cost_currency",
    "Membership": "status",
    "Organization": "type status time_zone",
    "Role": "organization_type code permissions",
    "User": "locale time_zone theme",
    "Vehicle": "ownership_type category plate_country time_zone status suspended_by suspension_reason",
    "Verification": "entity_type kind status method reason",
}
"""Columns that hold words of the code, numbers that it made, or places in its lists."""


def free_texts(class_: type[Event]) -> Iterator[str]:
    """The fields of an event that may hold any text."""
    info = types.type_info(class_)
    assert isinstance(info, types.StructType)
    for field in info.fields:
        if any(_is_free(one, field.name) for one in _parts(field.type)):
            yield field.name


def _parts(type_: types.Type) -> Iterator[types.Type]:
    if isinstance(type_, types.UnionType):
        for option in type_.types:
            yield from _parts(option)
    elif isinstance(type_, types.ListType):
        yield from _parts(type_.item_type)
    elif isinstance(type_, types.DictType):
        yield from _parts(type_.key_type)
        yield from _parts(type_.value_type)
    else:
        yield type_


def _is_free(type_: types.Type, name: str) -> bool:
    if isinstance(type_, types.AnyType):
        return True
    kind = (type_.extra or {}).get("text") if isinstance(type_, types.Metadata) else None
    inner = type_.type if isinstance(type_, types.Metadata) else type_
    if not isinstance(inner, types.StrType) or kind == "code":
        return False
    return kind != "name" or name not in NAMES


@pytest.mark.parametrize("class_", LATEST.values(), ids=lambda class_: class_.event_type)
def test_no_event_has_a_field_into_which_people_type(class_: type[Event]) -> None:
    assert list(free_texts(class_)) == []


@pytest.mark.parametrize("class_", LATEST.values(), ids=lambda class_: class_.event_type)
def test_an_event_that_refers_to_a_note_has_somebody_to_keep_it(class_: type[Event]) -> None:
    refers = "note_id" in {field.name for field in msgspec.structs.fields(class_)}
    assert not refers or class_.producer in Note.of_producer


def test_a_planted_field_of_free_text_is_found() -> None:
    before = dict(CATALOG), dict(LATEST)
    try:

        @fact("Planted", "was planted")
        class Planted(Event, frozen=True, kw_only=True):
            """Sent never."""

            aggregate_type = "System"
            aggregate_field = None
            plain: str
            listed: list[str]
            mapped: dict[Code, str]
            nickname: Name
            reason: Code
            name: Name
            note_id: NoteId | None = None

        assert list(free_texts(Planted)) == ["plain", "listed", "mapped", "nickname"]
    finally:
        for kept, now in zip(before, (CATALOG, LATEST), strict=True):
            now.clear()
            now.update(kept)


def undeclared(class_: type[Aggregate]) -> set[str]:
    """The columns of an aggregate whose texts its events would record as they are."""
    declared = {*CODES.get(class_.aggregate_type, "").split(), *NAMES, *typed_columns(class_)}
    return {
        attribute.key
        for attribute in inspect(class_).column_attrs
        for column in attribute.columns
        if isinstance(column.type, String | JSON)
        and not column.info.get("untracked")
        and not column.info.get("personal")
        and attribute.key not in declared
    }


def test_no_text_that_people_type_is_recorded_as_a_change() -> None:
    assert len(AGGREGATES) >= len(CODES)
    assert {name: found for name, class_ in AGGREGATES.items() if (found := undeclared(class_))} == {}


def test_every_aggregate_with_typed_columns_has_notes() -> None:
    without = [
        name
        for name, class_ in AGGREGATES.items()
        if typed_columns(class_) and class_.__module__.split(".")[1] not in Note.of_producer
    ]
    assert without == []
