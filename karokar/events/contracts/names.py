"""Events chosen by name or pattern, in the console, the API and commands."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from karokar.events.base import LATEST
from karokar.kernel.text.nearest import UnknownName


def names_matching(types: str) -> list[str]:
    """Return the names of events that names and patterns, separated by commas, stand for, in any case.

    Raises UnknownName for a part that stands for none: a wrong name must not read like "nothing happened".
    """
    names: set[str] = set()
    for part in (part.strip() for part in types.split(",")):
        found = {name for name in LATEST if fnmatchcase(name.lower(), part.lower())}
        if not found:
            raise UnknownName("event", part or "(nothing)", _families() if "*" in part else LATEST)
        names |= found
    return sorted(names)


def _families() -> Iterable[str]:
    """Return the patterns that stand for all events whose names begin with the same words."""
    return {f"{name[: word.start()]}*" for name in LATEST for word in re.finditer("(?<!^)[A-Z]", name)}


def aggregate_types() -> list[str]:
    """Return the kinds of aggregates that events are about."""
    return sorted({class_.aggregate_type for class_ in LATEST.values()})


def check_aggregate_type(name: str) -> str:
    """Return the name. Raises UnknownName where no event is about anything of that kind."""
    if name not in aggregate_types():
        raise UnknownName("kind of thing", name or "(nothing)", aggregate_types())
    return name
