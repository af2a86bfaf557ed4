"""What was shown is what is done: a name for the set that a page showed, so that another set is noticed.

A number does not do: where one goes and another comes, it stays the same.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from karokar.kernel.db import primitive


def digest_of(things: Iterable[Any]) -> str:
    """Return what names this set of things, in whichever order: each made of what JSON can hold, ids and times."""
    lines = sorted(json.dumps(primitive(one), sort_keys=True, ensure_ascii=False) for one in things)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]
