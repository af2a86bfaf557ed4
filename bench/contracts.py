"""What it costs to write an event's payload and to read it: msgspec (chosen) beside pydantic and the bare json module.

    python bench/contracts.py [--events 20000]

pydantic is no dependency of KaroKar; install it beside the project to compare (`pip install pydantic`). The payload is
BookingApproved's golden example: five ids, three times, one text. Each figure is the best of five rounds.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

from karokar.app import PRODUCERS
from karokar.events.contracts import codec

EXAMPLE = Path(__file__).parents[1] / "tests" / "outbox" / "golden" / "BookingApproved.1.json"


def per_second(events: int, work: Callable[[], Any]) -> float:
    """The best of five rounds: what else the machine does can only make a round slower."""
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(events):
            work()
        best = min(best, time.perf_counter() - begin)
    return events / best


def with_pydantic(text: bytes, document: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """The same contract in pydantic: frozen, camelCase, times with a zone."""
    pydantic = import_module("pydantic")
    alias = import_module("pydantic.alias_generators").to_camel
    fields = {
        "booking_id": UUID, "reference": str, "vehicle_id": UUID, "vendor_organization_id": UUID,
        "corporate_organization_id": UUID, "requested_by": UUID, "start": pydantic.AwareDatetime,
        "end": pydantic.AwareDatetime, "held_until": pydantic.AwareDatetime,
    }  # fmt: skip
    configuration = pydantic.ConfigDict(frozen=True, alias_generator=alias, populate_by_name=True)
    model = pydantic.create_model(
        "BookingApproved", __config__=configuration, **{name: (kind, ...) for name, kind in fields.items()}
    )
    event = model.model_validate_json(text)
    assert json.loads(event.model_dump_json(by_alias=True)) == document
    return {
        "make": lambda: model(**{name: getattr(event, name) for name in fields}),
        "write": lambda: event.model_dump_json(by_alias=True),
        "read text": lambda: model.model_validate_json(text),
        "read document": lambda: model.model_validate(document),
    }


def with_msgspec(text: bytes, document: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """As the engine does it, through the catalog."""
    event = codec.decode("BookingApproved", 1, text)
    values = {name: getattr(event, name) for name in event.__struct_fields__}
    return {
        "make": lambda: type(event)(**values),
        "write": lambda: codec.encode(event),
        "read text": lambda: codec.decode("BookingApproved", 1, text),
        "read document": lambda: codec.decode("BookingApproved", 1, document),
    }


def with_json(text: bytes, document: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """What a hand-written class without any check would cost at least."""
    times = ("start", "end", "heldUntil")

    def read(found: dict[str, Any]) -> dict[str, Any]:
        return {
            name: datetime.fromisoformat(value) if name in times else UUID(value) if name.endswith("Id") else value
            for name, value in found.items()
        }

    event = read(document)
    return {
        "make": lambda: dict(event),
        "write": lambda: json.dumps(event, default=str),
        "read text": lambda: read(json.loads(text)),
        "read document": lambda: read(document),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    events = parser.parse_args().events
    for producer in PRODUCERS:
        import_module(f"karokar.events.{producer}")
    document = json.loads(EXAMPLE.read_text(encoding="utf-8"))["payload"]
    text = json.dumps(document).encode()
    columns = {"msgspec": with_msgspec(text, document), "json and hand": with_json(text, document)}
    try:
        columns["pydantic"] = with_pydantic(text, document)
    except ModuleNotFoundError:
        print("pydantic is not installed here, so its column is missing.")
    print(f"Python {platform.python_version()}, {platform.machine()}, {events} events per round, events per second:")
    print(f"{'':16}" + "".join(f"{name:>16}" for name in columns))
    for step in ("make", "write", "read text", "read document"):
        figures = [per_second(events, work[step]) for work in columns.values()]
        print(f"{step:16}" + "".join(f"{figure:16,.0f}" for figure in figures))


if __name__ == "__main__":
    main()
