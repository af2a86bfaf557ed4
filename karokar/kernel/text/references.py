"""How an event refers to a text that is kept beside it (`kernel.text.notes`)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

REFERENCE = "noteId"
"""The key under which a payload, and a recorded change, names a note."""

REMOVED = "removed"
"""What is shown in place of a text that was erased."""


def notes_in(payload: Mapping[str, Any], changes: Mapping[str, Any]) -> set[UUID]:
    """Return the ids of the notes that an event's payload and changes refer to, as far as somebody may see them."""
    found = {payload.get(REFERENCE)}
    for change in changes.values():
        if not isinstance(change, Mapping):
            found |= {one.get(REFERENCE) for one in change if isinstance(one, Mapping)}
    return {UUID(str(one)) for one in found if one is not None}
