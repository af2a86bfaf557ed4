"""`flask events new`: the class of a new event, written at the end of its producer's module."""

import inspect
import keyword
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from karokar.events import base
from karokar.events.base import LATEST, SUBJECT_TYPES, Event

PACKAGE = Path(base.__file__).parent
TYPES = {
    "str": "Code", "code": "Code", "name": "Name", "moment": "Moment", "int": "int", "bool": "bool", "id": "UUID",
    **{f"{kind.lower()}id": f"{kind}Id" for kind in ("Organization", "User", "Verification", "Vehicle", "Window",
                                                     "Booking", "Assignment", "Conflict", "Role", "Membership")},
}  # fmt: skip
"""What a field may be, as it is typed (in any case) and as it is written. There is none for text that people type:
that is kept beside the event (`kernel.text.notes`)."""


class Refused(ValueError):
    """The event can't be made as asked; the sentence says why."""


@dataclass(frozen=True)
class Field:
    """A field of a new event: `cleaned_at`, `Moment`, and whether it may be left out."""

    name: str
    type: str
    is_optional: bool


def parse_field(text: str) -> Field:
    """Read `name:type` or `name:type?`. Raises Refused."""
    match = re.fullmatch(r"([a-z][a-z0-9_]*):([A-Za-z]+)(\??)", text)
    if match is None:
        raise Refused(
            f"“{text}” is no field: write name:type, such as cleaned_at:Moment, or name:type? if it may be absent."
        )
    if keyword.iskeyword(match[1]):
        raise Refused(f"“{match[1]}” is a word of Python: choose another name for the field.")
    if match[2].lower() not in TYPES:
        raise Refused(f"“{match[2]}” is no type of a field: choose one of {', '.join(sorted(set(TYPES.values())))}.")
    return Field(match[1], TYPES[match[2].lower()], bool(match[3]))


def add_event(producer: str, name: str, aggregate: str, sentence: str, fields: Sequence[Field]) -> Path:
    """Write the class of a new event into its producer's module, and return that file.

    The class extends what other events of the same aggregate in that module extend, and keeps its order with what they
    keep theirs with. Raises Refused where the producer, the aggregate or the name can't be used.
    """
    path = PACKAGE / f"{producer}.py"
    modules = {class_.producer: inspect.getmodule(class_) for class_ in LATEST.values()}
    module = modules.get(producer)
    if module is None:
        raise Refused(f"No context publishes as “{producer}”.")
    if re.fullmatch(r"[A-Z][A-Za-z]+", name) is None:
        raise Refused(f"“{name}” is no name of an event: write a fact in the past tense, such as VehicleCleaned.")
    if name in LATEST:
        raise Refused(f"There is {name} already: a name is used once. A change needs a new version (docs/tutorial.md).")
    if aggregate not in SUBJECT_TYPES:
        raise Refused(f"“{aggregate}” is no aggregate: choose one of {', '.join(SUBJECT_TYPES)}.")
    if re.fullmatch(r'[^"\\\n]+', sentence) is None:
        raise Refused("A sentence is one line without quotation marks: it follows the name of who did it.")
    twice = [each for each, count in Counter(field.name for field in fields).items() if count > 1]
    if twice:
        raise Refused(f"“{twice[0]}” is there twice.")
    text = path.read_text(encoding="utf-8").rstrip("\n")
    text = _with_imports(text, {field.type for field in fields} | {"fact", "Event"})
    path.write_text(f"{text}\n\n\n{_class(module, name, aggregate, sentence, fields)}", encoding="utf-8")
    return path


def _class(module: ModuleType, name: str, aggregate: str, sentence: str, fields: Sequence[Field]) -> str:
    parent = _parent(module, aggregate)
    stream = _stream(module, aggregate)
    options = f', stream="{stream}"' if stream else ""
    lines = [
        f'@fact("{name}", "{sentence}"{options})',
        f"class {name}({parent.__name__ if parent else 'Event'}, frozen=True, kw_only=True):",
        f'    """Sent when somebody {sentence}."""',
        "",
    ]
    if parent is None:
        own = f"{re.sub(r'(?<!^)(?=[A-Z])', '_', aggregate).lower()}_id"
        lines += [
            f'    aggregate_type: ClassVar[str] = "{aggregate}"',
            f'    aggregate_field: ClassVar[str | None] = "{own}"',
            f"    {own}: UUID",
        ]
    needed = [field for field in fields if not field.is_optional]
    lines += [f"    {field.name}: {field.type}" for field in needed]
    lines += [f"    {field.name}: {field.type} | None = None" for field in fields if field.is_optional]
    return "\n".join(lines).rstrip() + "\n"


def _parent(module: ModuleType, aggregate: str) -> type[Event] | None:
    """Return what the module's events of this aggregate have in common, where it has written that down."""
    found: list[Any] = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Event)
        and value.__module__ == module.__name__
        and Event in value.__bases__
        and not hasattr(value, "event_type")
        and getattr(value, "aggregate_type", None) == aggregate
    ]
    return found[0] if found else None


def _stream(module: ModuleType, aggregate: str) -> str | None:
    streams = {
        class_.stream_field
        for class_ in LATEST.values()
        if class_.__module__ == module.__name__ and class_.aggregate_type == aggregate
    }
    return streams.pop() if len(streams) == 1 else None


def _with_imports(text: str, wanted: set[str]) -> str:
    match = re.search(r"^from karokar\.events\.base import (?:\(([^)]*)\)|(.+))$", text, re.MULTILINE)
    if match is None:
        raise Refused("The module imports nothing from karokar.events.base: add the class by hand.")
    names = {name.strip() for name in (match[1] or match[2]).split(",") if name.strip()}
    names |= {name for name in wanted if name != "UUID" and hasattr(base, name)}
    line = f"from karokar.events.base import {', '.join(sorted(names, key=lambda one: (one.islower(), one)))}"
    text = text.replace(match[0], line, 1)
    if "UUID" in wanted and "from uuid import UUID" not in text:
        text = text.replace(line, f"from uuid import UUID\n\n{line}", 1)
    return text
