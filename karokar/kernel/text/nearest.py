"""Names that people and programs type wrong: the nearest that exists."""

import difflib
from collections.abc import Iterable


class UnknownName(ValueError):
    """Nothing has this name. Its text is a sentence, with the nearest name where one is near."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        near = nearest(name, known)
        super().__init__(f"There is no {kind} called {name[:80]}." + (f" Did you mean {near}?" if near else ""))


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known name that is most like `name` in any case; None where less than `cutoff` (0 to 1) alike."""
    by_lower = {one.lower(): one for one in sorted(known)}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None
