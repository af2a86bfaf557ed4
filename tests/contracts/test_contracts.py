"""What was published once can be read for ever, and no payload changes in silence."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karokar.app import PRODUCERS, create_app
from karokar.config import ConfigError
from karokar.events.base import CATALOG, LATEST, Event, Moment, OrganizationId, VehicleId, fact
from karokar.events.contracts import codec, lock
from karokar.events.contracts import schema as contracts
from karokar.events.contracts.catalog_page import CATALOG_PAGE, catalog_page
from karokar.events.contracts.examples import EXAMPLES, example_of
from karokar.events.contracts.upcasters import UPCASTERS, upcasts

for _producer in PRODUCERS:
    __import__(f"karokar.events.{_producer}")

PUBLISHED = [(name, int(version)) for name, versions in lock.locked_contract().items() for version in sorted(versions)]
CLASSES = sorted(LATEST.values(), key=lambda class_: class_.event_type)
CORE = {
    "OrganizationCreated", "OrganizationApproved", "OrganizationSuspended", "VerificationRequested",
    "VerificationApproved", "VerificationRejected", "VerificationExpired", "VerificationRevoked", "VehicleCreated",
    "VehicleUpdated", "VehicleActivated", "VehicleSuspended", "VehicleMaintenanceScheduled",
    "VehicleMaintenanceCompleted", "BookingRequested", "BookingApproved", "BookingRejected", "BookingAssigned",
    "BookingActivated", "BookingCompleted", "BookingCancelled", "BookingTerminated", "AssignmentCreated",
    "AssignmentAccepted", "AssignmentRejected", "AssignmentClosed",
}  # fmt: skip
PERSONAL = re.compile(
    r"(e_?mail|phone|first_?name|last_?name|full_?name|address|birth|password|secret|token$)", re.IGNORECASE
)


def golden(name: str, version: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLES / f"{name}.{version}.json").read_text(encoding="utf-8"))
    return found


# --- what was published ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "version"), PUBLISHED)
def test_every_version_ever_published_is_still_read(name: str, version: int) -> None:
    example = golden(name, version)
    assert (example["eventType"], example["version"]) == (name, version)
    event = codec.decode(name, version, example["payload"])
    assert type(event) is LATEST[name]
    assert codec.decode(name, version, json.dumps(example["payload"])) == event


@pytest.mark.parametrize("class_", CLASSES, ids=lambda class_: class_.event_type)
def test_what_is_stored_is_what_was_read(class_: type[Event]) -> None:
    example = golden(class_.event_type, class_.schema_version)["payload"]
    event = codec.decode(class_.event_type, class_.schema_version, example)
    assert codec.document(event) == example
    assert json.loads(codec.encode(event)) == example


@pytest.mark.parametrize("class_", CLASSES, ids=lambda class_: class_.event_type)
def test_every_example_keeps_the_schema_that_is_published(class_: type[Event]) -> None:
    schema = contracts.schema_of(class_)
    jsonschema.Draft202012Validator.check_schema(schema)
    example = golden(class_.event_type, class_.schema_version)["payload"]
    jsonschema.validate({**example}, schema, format_checker=jsonschema.FormatChecker())
    for name in schema["required"]:
        without = {key: value for key, value in example.items() if key != name}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(without, schema)
        with pytest.raises(codec.PayloadRefused, match=name):
            codec.decode(class_.event_type, class_.schema_version, without)


@pytest.mark.parametrize("class_", CLASSES, ids=lambda class_: class_.event_type)
def test_an_example_made_for_a_new_event_can_be_read(class_: type[Event]) -> None:
    example = example_of(class_)
    event = codec.decode(class_.event_type, example["version"], example["payload"])
    assert codec.document(event) == example["payload"]


def test_every_example_belongs_to_a_published_version() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == {f"{name}.{version}.json" for name, version in PUBLISHED}


def test_no_payload_changed_without_a_new_version() -> None:
    assert lock.broken_promises() == []


def test_the_core_contract_is_complete() -> None:
    assert len(CORE) == 26
    assert set(LATEST) >= CORE


def test_every_earlier_version_leads_to_the_newest() -> None:
    lock.check_chains()


@pytest.mark.parametrize("class_", CLASSES, ids=lambda class_: class_.event_type)
def test_no_event_has_a_field_for_personal_data(class_: type[Event]) -> None:
    assert [field.name for field in msgspec.structs.fields(class_) if PERSONAL.search(field.name)] == []


@pytest.mark.parametrize("class_", CLASSES, ids=lambda class_: class_.event_type)
def test_every_event_names_its_sides_by_fields_that_it_has(class_: type[Event]) -> None:
    names = {field.name for field in msgspec.structs.fields(class_)}
    assert set(class_.audience or ()) <= names
    assert {one for side in class_.private.values() for one in side.split()} <= names
    assert class_.stream_field in names | {None}
    assert class_.aggregate_field in names | {None}
    assert class_.sentence
    assert (class_.__doc__ or "").startswith("Sent ")


def test_the_page_of_the_catalog_is_current() -> None:
    assert CATALOG_PAGE.read_text(encoding="utf-8") == catalog_page(), "run: flask events catalog --write"


# --- any event at all --------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_any_event_survives_being_stored(data: st.DataObject) -> None:
    class_ = data.draw(st.sampled_from(CLASSES))
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    by_type = {"string": text, "integer": st.integers(-(2**53), 2**53), "boolean": st.booleans()}

    def any_value(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
        if "anyOf" in schema:
            return st.one_of([any_value(option) for option in schema["anyOf"]])
        if schema.get("format") == "uuid":
            return st.uuids().map(str)
        if schema.get("format") == "date-time":
            return (
                st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()).filter(_is_whole_offset)
            )
        if schema.get("type") == "null":
            return st.none()
        if schema.get("type") == "array":
            return st.lists(any_value(schema["items"]), max_size=3)
        if schema.get("type") == "object":
            return st.dictionaries(text, any_value(schema["additionalProperties"]), max_size=3)
        return by_type[schema["type"]]

    schema = contracts.schema_of(class_)
    payload = {name: data.draw(any_value(declared), label=name) for name, declared in schema["properties"].items()}
    event = codec.decode(class_.event_type, class_.schema_version, payload)
    again = codec.decode(class_.event_type, class_.schema_version, codec.encode(event))
    assert again == event
    assert codec.decode(class_.event_type, class_.schema_version, codec.document(event)) == event


def _is_whole_offset(text: str) -> bool:
    # Zones before about 1900 had offsets with seconds, which RFC 3339 cannot write.
    return re.search(r"[+-]\d\d:\d\d$", text) is not None


# --- events that change, planted ---------------------------------------------------------------------------------------


@pytest.fixture
def own_catalog() -> Iterator[None]:
    """Declarations made in a test are forgotten after it."""
    kept = [(registry, dict(registry)) for registry in (CATALOG, LATEST, UPCASTERS)]
    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)


class _Painted(Event, frozen=True, kw_only=True):
    aggregate_type: ClassVar[str] = "Vehicle"
    aggregate_field: ClassVar[str | None] = "vehicle_id"
    vehicle_id: VehicleId
    organization_id: OrganizationId


VEHICLE = UUID("019a9f58-89f5-71f3-8252-751734716882")
ORGANIZATION = UUID("019a9ff9-d052-7637-8b56-469292f1a94d")
FIRST = {"vehicleId": str(VEHICLE), "organizationId": str(ORGANIZATION), "colour": "red"}


def declare_first() -> type[Event]:
    @fact("VehiclePainted", "painted the vehicle")
    class VehiclePainted(_Painted, frozen=True, kw_only=True):
        """Sent when a vehicle was painted."""

        colour: str

    return VehiclePainted


def declare_third() -> type[Event]:
    @fact("VehiclePainted", "painted the vehicle", version=3)
    class VehiclePainted(_Painted, frozen=True, kw_only=True):
        """Sent when a vehicle was painted."""

        colours: list[str]
        painted_at: Moment

    return VehiclePainted


def test_a_payload_of_the_first_version_is_lifted_through_the_chain(own_catalog: None) -> None:
    newest = declare_third()

    @upcasts("VehiclePainted", version=1)
    def list_the_colour(payload: dict[str, Any]) -> dict[str, Any]:
        return {**payload, "colours": [payload["colour"]]}

    @upcasts("VehiclePainted", version=2)
    def date_it(payload: dict[str, Any]) -> dict[str, Any]:
        return {**payload, "paintedAt": "2026-01-01T00:00:00Z"}

    lock.check_chains()
    for stored in (FIRST, json.dumps(FIRST), json.dumps(FIRST).encode()):
        event = codec.decode("VehiclePainted", 1, stored)
        assert type(event) is newest
        assert codec.document(event)["colours"] == ["red"]
    second = {**FIRST, "colours": ["red", "blue"]}
    assert codec.document(codec.decode("VehiclePainted", 2, second))["colours"] == ["red", "blue"]
    assert "colours" not in FIRST


def test_a_gap_in_the_chain_stops_the_start(own_catalog: None, databases) -> None:
    declare_third()
    upcasts("VehiclePainted", version=2)(lambda payload: payload)
    with pytest.raises(ConfigError, match="VehiclePainted version 1 has no upcaster"):
        create_app(databases.config("sqlite"))


def test_a_version_without_an_upcaster_is_not_locked(own_catalog: None) -> None:
    declare_third()
    with pytest.raises(lock.BrokenChain, match="VehiclePainted version 1 has no upcaster"):
        lock.lock(writes=False)


def test_an_upcaster_to_nowhere_stops_the_start(own_catalog: None) -> None:
    upcasts("BookingApproved", version=LATEST["BookingApproved"].schema_version)(lambda payload: payload)
    with pytest.raises(lock.BrokenChain, match="a version that does not exist"):
        lock.check_chains()


def test_two_upcasters_of_one_version_are_refused(own_catalog: None) -> None:
    upcasts("VehiclePainted", version=1)(lambda payload: payload)
    with pytest.raises(ValueError, match="two functions"):
        upcasts("VehiclePainted", version=1)(lambda payload: payload)


def test_a_stored_name_is_never_used_twice(own_catalog: None) -> None:
    declare_first()
    with pytest.raises(ValueError, match="declared twice"):
        declare_first()


@pytest.mark.parametrize(("name", "version"), [("VehicleWashed", 1), ("BookingApproved", 99), ("BookingApproved", 0)])
def test_what_this_code_does_not_know_is_told_apart_from_what_is_broken(name: str, version: int) -> None:
    with pytest.raises(codec.UnknownContract) as refusal:
        codec.decode(name, version, {})
    assert (refusal.value.event_type, refusal.value.version) == (name, version)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("heldUntil", "2026-11-25T13:30:00"),
        ("heldUntil", "tomorrow"),
        ("bookingId", "7"),
        ("reference", 7),
        ("start", None),
    ],
)
def test_a_payload_that_breaks_its_contract_is_refused_by_the_fields_name(field: str, value: Any) -> None:
    payload = {**golden("BookingApproved", 1)["payload"], field: value}
    with pytest.raises(codec.PayloadRefused, match=rf"BookingApproved version 1.*{field}"):
        codec.decode("BookingApproved", 1, payload)


def test_a_new_event_has_to_be_locked(own_catalog: None) -> None:
    declare_first()
    assert lock.broken_promises() == ["VehiclePainted version 1 is not in the locked contract: lock it."]


@pytest.mark.parametrize("change", ["type", "gone", "new", "required", "stream"])
def test_a_contract_that_changed_without_a_new_version_is_found(change: str) -> None:
    locked = lock.locked_contract()
    promised = locked["BookingApproved"]["1"]
    match change:
        case "type":
            promised["fields"]["reference"] = {"type": "integer"}
        case "gone":
            promised["fields"]["colour"] = {"type": "string"}
        case "new":
            del promised["fields"]["heldUntil"]
        case "required":
            promised["required"].remove("heldUntil")
        case "stream":
            promised["stream"] = None
    (sentence,) = lock.broken_promises(locked)
    assert sentence.startswith("BookingApproved version 1 changed")


def test_an_event_that_was_published_cannot_go_away(own_catalog: None) -> None:
    del LATEST["BookingApproved"], CATALOG["BookingApproved", 1]
    assert lock.broken_promises() == [
        "BookingApproved was published and is gone: stored events of that name could not be read."
    ]


def test_locking_adds_what_is_new_and_refuses_what_changed(
    own_catalog: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "contract.json"
    copy.write_bytes(lock.CONTRACT_FILE.read_bytes())
    monkeypatch.setattr(lock, "CONTRACT_FILE", copy)
    assert lock.lock() == []
    declare_first()
    assert lock.lock() == ["VehiclePainted 1"]
    locked = lock.locked_contract()
    locked["VehiclePainted"]["1"]["fields"]["colour"] = {"type": "integer"}
    copy.write_text(json.dumps(locked), encoding="utf-8")
    with pytest.raises(lock.BrokenChain, match="VehiclePainted version 1 changed"):
        lock.lock()
