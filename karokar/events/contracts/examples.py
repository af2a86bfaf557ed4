"""The golden examples: one stored payload of every version ever published, which must be readable for ever."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from karokar.events.base import LATEST, Event
from karokar.events.contracts.lock import locked_contract
from karokar.events.contracts.schema import schema_of

EXAMPLES = Path(__file__).resolve().parents[3] / "tests" / "outbox" / "golden"
"""One file for each name and version, `<name>.<version>.json`."""


def write_examples(folder: Path = EXAMPLES) -> list[str]:
    """Write an example of each event whose newest version isn't locked yet, and return the names of the files.

    The example of a locked version is never written again: it shows what was stored when that version was published.
    """
    locked = locked_contract()
    written = []
    for name, class_ in sorted(LATEST.items()):
        if str(class_.schema_version) in locked.get(name, {}):
            continue
        path = folder / f"{name}.{class_.schema_version}.json"
        path.write_text(json.dumps(example_of(class_), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path.name)
    return written


def example_of(class_: type[Event]) -> dict[str, Any]:
    """Return an example as it would be stored: the same one each time, with a value in every field."""
    properties: Mapping[str, Any] = schema_of(class_)["properties"]
    payload = {name: _value(name, declared) for name, declared in properties.items()}
    return {"eventType": class_.event_type, "version": class_.schema_version, "payload": payload}


_VALUES: Mapping[tuple[Any, Any], Any] = {
    ("string", "date-time"): "2026-11-23T03:30:00Z",
    ("integer", None): 1,
    ("number", None): 1.5,
    ("boolean", None): True,
}


def _value(name: str, declared: Mapping[str, Any]) -> Any:
    if "anyOf" in declared:
        return _value(name, next(option for option in declared["anyOf"] if option.get("type") != "null"))
    kind, form = declared.get("type"), declared.get("format")
    if kind == "array":
        return [_value(name, declared["items"])]
    if kind == "object":
        return {name: _value(name, declared.get("additionalProperties", {"type": "string"}))}
    if form == "uuid":
        return str(UUID(int=int.from_bytes(name.encode(), "big") % 2**128))
    return _VALUES.get((kind, form), f"example of {name}")
