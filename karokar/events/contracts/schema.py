"""What each event promises to those who read it, as JSON Schema and in words; and the lock that keeps it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from karokar import events
from karokar.events.base import CATALOG, LATEST, Event
from karokar.events.contracts.upcasters import UPCASTERS
from karokar.kernel.setting_values import ConfigError

CONTRACT_FILE = Path(events.__file__).with_name("contract.json")
"""Every version ever published, by name and version: see `locked_contract`."""


class BrokenChain(ConfigError):
    """Some earlier version of an event has no way to the newest one. Stops the start."""


def check_chains() -> None:
    """Make sure that every version before an event's newest leads to the next one.

    Raises BrokenChain, naming each gap, and each upcaster that leads nowhere.
    """
    wanted = {(name, step) for name, class_ in LATEST.items() for step in range(1, class_.schema_version)}
    gaps = [f"{name} version {step} has no upcaster to the next" for name, step in sorted(wanted - set(UPCASTERS))]
    gaps += [
        f"{name} version {step} is lifted to a version that does not exist"
        for name, step in sorted(set(UPCASTERS) - wanted)
    ]
    if gaps:
        raise BrokenChain("; ".join(gaps) + ".")


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What one version of an event promises to those who read it.

    `schema` is the JSON Schema that the payload keeps for every reader; `is_always_there` names the fields that are
    always stored. `side_of` says which fields one side alone sees (empty: the platform alone).
    """

    name: str
    version: int
    producer: str
    sentence: str
    sent: str
    aggregate_type: str
    stream: str | None
    audience: tuple[str, ...] | None
    side_of: Mapping[str, str]
    subjects: tuple[tuple[str, str], ...]
    schema: Mapping[str, Any]
    is_always_there: frozenset[str]

    @property
    def fields(self) -> tuple[tuple[str, str, bool], ...]:
        """Each field's stored name, its type in words, and whether it is always there."""
        return tuple(
            (name, type_in_words(declared), name in self.is_always_there)
            for name, declared in self.schema.get("properties", {}).items()
        )


def contracts() -> list[Contract]:
    """Return the newest contract of every event, by producer and in the order of declaration."""
    return [contract_of(class_) for class_ in LATEST.values()]


def contract_of(class_: type[Event]) -> Contract:
    """Return what this class of event promises."""
    return Contract(
        name=class_.event_type,
        version=class_.schema_version,
        producer=class_.producer,
        sentence=class_.sentence,
        sent=_docstring(class_),
        aggregate_type=class_.aggregate_type,
        stream=class_.stream_field,
        audience=class_.audience,
        side_of=class_.private,
        subjects=class_.subject_fields,
        schema=published_schema(class_),
        is_always_there=frozenset(schema_of(class_)["required"]),
    )


def _docstring(class_: type[Event]) -> str:
    return " ".join((class_.__doc__ or "").split())


def schema_of(class_: type[Event]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the class's payload, with nothing to look up elsewhere."""
    found = msgspec.json.schema(class_)
    body: dict[str, Any] = found["$defs"][class_.__name__] if "$ref" in found else found
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": class_.event_type,
        "description": _docstring(class_),
        "type": "object",
        "properties": body.get("properties", {}),
        "required": body.get("required", []),
    }


def published_schema(class_: type[Event]) -> dict[str, Any]:
    """Return the JSON Schema that the payload keeps whoever reads it.

    What is private to one side is there for that side and the platform, and left out for everybody else: it is not
    required, and `x-visibleTo` names the fields whose organizations are given it (none: the platform alone).
    """
    full = schema_of(class_)
    stored = {field.name: field.encode_name for field in msgspec.structs.fields(class_)}
    private = {
        stored[name]: [stored[side] for side in sides.split()]
        for name, sides in class_.private.items()
        if name in stored
    }
    properties = {
        name: {**declared, "x-visibleTo": private[name]} if name in private else declared
        for name, declared in full["properties"].items()
    }
    return {**full, "properties": properties, "required": [name for name in full["required"] if name not in private]}


def schema_for(class_: type[Event], side: str | None) -> dict[str, Any]:
    """Return the JSON Schema of what one audience is given.

    `side` is the stored name of the field that names the reader's organization ("vendorOrganizationId"), or None for
    the platform, which is given everything.
    """
    published = published_schema(class_)
    visible_to = {name: declared.get("x-visibleTo") for name, declared in published["properties"].items()}
    given = [name for name, sides in visible_to.items() if side is None or sides is None or side in sides]
    return {**published, "required": [name for name in schema_of(class_)["required"] if name in given]}


def type_in_words(declared: Mapping[str, Any]) -> str:
    """Return a schema's type as people say it ("id", "time", "text or nothing")."""
    if "anyOf" in declared:
        return " or ".join(type_in_words(option) for option in declared["anyOf"])
    kind = declared.get("type")
    if kind == "array":
        return f"list of {type_in_words(declared['items'])}"
    if kind == "object":
        return f"text to {type_in_words(declared.get('additionalProperties', {'type': 'string'}))}"
    if kind == "string":
        return {"uuid": "id", "date-time": "time"}.get(str(declared.get("format")), "text")
    return {"null": "nothing", "integer": "whole number", "boolean": "yes or no", "number": "number"}.get(
        str(kind), "anything"
    )


def promised(class_: type[Event]) -> dict[str, Any]:
    """Return the part of a contract that may not change without a new version: what is stored, and in which order."""
    schema = schema_of(class_)
    return {
        "aggregate": class_.aggregate_type,
        "stream": class_.stream_field,
        "fields": schema["properties"],
        "required": sorted(schema["required"]),
    }


def locked_contract() -> dict[str, dict[str, dict[str, Any]]]:
    """Return every version ever published, by name and version, as it was locked."""
    found: dict[str, dict[str, dict[str, Any]]] = json.loads(CONTRACT_FILE.read_text(encoding="utf-8"))
    return found


def broken_promises(locked: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None) -> list[str]:
    """Return a sentence for each way in which this code's events differ from the locked contract: none is right."""
    locked = locked_contract() if locked is None else locked
    found = []
    for (name, version), class_ in sorted(CATALOG.items()):
        before = locked.get(name, {}).get(str(version))
        if before is None:
            found.append(f"{name} version {version} is not in the locked contract: lock it.")
        elif before != promised(class_):
            changed = sorted(key for key in before["fields"].keys() | promised(class_)["fields"].keys()
                             if before["fields"].get(key) != promised(class_)["fields"].get(key))  # fmt: skip
            what = ", ".join(changed) or "its required fields, aggregate or stream"
            found.append(f"{name} version {version} changed ({what}): give it a new version and an upcaster.")
    for name, versions in sorted(locked.items()):
        newest = LATEST.get(name)
        if newest is None:
            found.append(f"{name} was published and is gone: stored events of that name could not be read.")
        elif newest.schema_version < max(int(version) for version in versions):
            found.append(f"{name} went back to version {newest.schema_version}.")
    return found


def lock(*, writes: bool = True) -> list[str]:
    """Add to the locked contract what is new, and return the names and versions that were added.

    Without `writes`, only say what would be added. Raises BrokenChain where a locked version was changed instead of
    followed by a new one, or where a version has no upcaster to the next.
    """
    check_chains()
    locked = locked_contract() if CONTRACT_FILE.exists() else {}
    broken = [sentence for sentence in broken_promises(locked) if not sentence.endswith("lock it.")]
    if broken:
        raise BrokenChain(" ".join(broken))
    added = []
    for (name, version), class_ in sorted(CATALOG.items()):
        if str(version) not in locked.get(name, {}):
            locked.setdefault(name, {})[str(version)] = promised(class_)
            added.append(f"{name} {version}")
    if writes:
        CONTRACT_FILE.write_text(
            json.dumps(locked, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    return added
