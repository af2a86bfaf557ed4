"""What each event promises to those who read it, as JSON Schema and in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from karokar.events.base import LATEST, Event


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
