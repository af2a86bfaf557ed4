"""What a record's content is, as bytes, and how records hang together."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

FIRST_LINK = "0" * 64
"""What the first record is linked to."""


def content_hash(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a row in its one form: sorted keys, no spaces, times in UTC to the microsecond."""
    text = json.dumps(
        dict(row), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_as_text
    )
    return sha256(text.encode()).hexdigest()


def next_link(previous: str, content: str) -> str:
    """Return the chain's hash after a record: SHA-256 of the previous hash and the record's content hash."""
    return sha256(bytes.fromhex(previous) + bytes.fromhex(content)).hexdigest()


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, UUID | date):
        return str(value)
    message = f"{type(value).__name__} cannot be evidence."
    raise TypeError(message)
