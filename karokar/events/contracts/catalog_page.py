"""The catalog of events as a page for people: docs/event-catalog.md, written by `flask events catalog --write`."""

from itertools import groupby
from pathlib import Path

from karokar.events.contracts.schema import Contract, contracts

CATALOG_PAGE = Path(__file__).resolve().parents[3] / "docs" / "event-catalog.md"

_HEAD = """# The catalog of events

Written by `flask events catalog --write` from the classes in `karokar/events`; a test keeps it current. Every event has
the same envelope (`eventId`, `eventType`, `aggregateType`, `aggregateId`, `occurredAt`, `version`, `payload`,
`metadata`); what follows is the payload. Ids are UUIDs, times carry a zone. The machine-readable contract of every
version ever published is `karokar/events/contract.json`.
"""


def catalog_page() -> str:
    """Return the whole catalog as Markdown: each producer's events with their fields, order and audience."""
    parts = [_HEAD]
    for producer, events in groupby(sorted(contracts(), key=lambda one: one.producer), key=lambda one: one.producer):
        parts.append(f"## {producer}\n")
        parts += [_event(contract) for contract in events]
    return "\n".join(parts)


def _event(contract: Contract) -> str:
    lines = [f"### {contract.name}", "", contract.sent, "", *_notes(contract), ""]
    if contract.fields:
        lines += ["| Field | Type | Seen by |", "|---|---|---|"]
        lines += [
            f"| `{name}`{'' if is_required else ' (optional)'} | {kind} | {seen_by(contract, name)} |"
            for name, kind, is_required in contract.fields
        ]
        lines.append("")
    return "\n".join(lines)


def _notes(contract: Contract) -> list[str]:
    notes = [
        f"- Version {contract.version}; aggregate `{contract.aggregate_type}`; in words: “… {contract.sentence}”.",
        f"- Seen by {audience_in_words(contract)}.",
    ]
    if contract.stream:
        notes.append(f"- Keeps its order with everything of the same `{camel(contract.stream)}`.")
    return notes


def audience_in_words(contract: Contract) -> str:
    """Return who sees the event at all, besides the platform."""
    if contract.audience == ():
        return "the platform only"
    if contract.audience is not None:
        return "the organization of " + " and ".join(f"`{camel(name)}`" for name in contract.audience)
    if contract.producer == "identity":
        return "the organization acted for, and the person"
    return "every organization that it names, and the person whom it is about"


def seen_by(contract: Contract, stored_name: str) -> str:
    """Return who sees one field of the payload, besides the platform."""
    for name, side in contract.side_of.items():
        if camel(name) == stored_name:
            sides = " and of ".join(f"`{camel(one)}`" for one in side.split())
            return f"the side of {sides}" if side else "the platform only"
    return "all who see the event"


def camel(name: str) -> str:
    """Return a field's name as it is stored: `vehicle_id` as `vehicleId`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
