"""Every version ever published, as it was locked: what was published never changes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from karokar import events
from karokar.events.base import CATALOG, LATEST, Event
from karokar.events.contracts.schema import schema_of
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
