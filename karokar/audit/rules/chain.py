"""What a record's content is, as bytes, and how records hang together."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from karokar.audit.rules.signatures import FIRST_LINK, Keys, next_link


def content_hash(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a row in its one form: sorted keys, no spaces, times in UTC to the microsecond."""
    text = json.dumps(
        dict(row), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_as_text
    )
    return sha256(text.encode()).hexdigest()


def summary(sentence: str, payload: Mapping[str, Any]) -> str:
    """Return a record's line in words: what was done, to what as people call it, and why. No personal data."""
    named = next((str(payload[key]) for key in ("reference", "licensePlate", "key", "handler") if payload.get(key)), "")
    reason = str(payload.get("reason") or "").replace("_", " ").lower()
    return sentence + (f": {named}" if named else "") + (f" ({reason})" if reason else "")


@dataclass(frozen=True)
class Finding:
    """What a check of the chain found first: at which position, and what is wrong there."""

    position: int
    problem: str


@dataclass(frozen=True)
class Evidence:
    """One position as the two tables hold it; None where a table has nothing there.

    `recorded` is the content hash that the record claims, `computed` the one that its content has, `key_id` the key
    that made the link.
    """

    position: int
    recorded: str | None
    computed: str | None
    link: str | None
    key_id: str | None = None


def first_fault(
    rows: Iterable[Evidence], keys: Keys, *, sealed_up_to: int, previous: str = FIRST_LINK
) -> Finding | None:
    """Return the first position at which records and chain contradict each other; None where there is none.

    Records beyond `sealed_up_to` wait for their seal: only their own content is checked. `previous` is the link before
    the first of the rows.
    """
    for row in rows:
        if row.recorded is None or row.computed is None:
            return Finding(row.position, "The record was removed: the chain has a link for it.")
        if row.recorded != row.computed:
            return Finding(row.position, "The record was changed: its content does not have its hash.")
        if row.link is None:
            if row.position <= sealed_up_to:
                return Finding(row.position, "The record was inserted, or its link removed: the chain skips it.")
            continue
        if row.key_id is None or row.key_id not in keys.by_id:
            return Finding(row.position, "The link was made with a key that is not among KAROKAR_AUDIT_KEYS.")
        if row.link != next_link(keys, row.key_id, previous, row.recorded):
            return Finding(row.position, "The chain breaks here: this link does not follow from the one before.")
        previous = row.link
    return None


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, UUID | date):
        return str(value)
    message = f"{type(value).__name__} cannot be evidence."
    raise TypeError(message)
