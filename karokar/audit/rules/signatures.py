"""Signatures made with keys that the database does not hold: links of the chain, and checkpoints of it.

Whoever can write to the database can compute every plain hash in it anew. Nobody can make a link or a checkpoint
without a key. The first key signs; the others are former ones and still verify.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

FIRST_LINK = "0" * 64
"""What the first record is linked to."""


@dataclass(frozen=True)
class Keys:
    """The keys of the audit chain, by their ids; the first one signs."""

    by_id: Mapping[str, bytes]

    @classmethod
    def of(cls, secrets: Sequence[str]) -> "Keys":
        """Return the keys of a setting, the newest first."""
        derived = [hmac.digest(secret.encode(), b"karokar audit chain", "sha256") for secret in secrets]
        return cls({sha256(key).hexdigest()[:12]: key for key in derived})

    @property
    def signing_id(self) -> str:
        """The id of the key that signs."""
        return next(iter(self.by_id))

    def sign(self, message: bytes, key_id: str) -> str:
        """Return the signature of a message. Raises LookupError for a key that is not there."""
        return hmac.digest(self.by_id[key_id], message, "sha256").hex()


def next_link(keys: Keys, key_id: str, previous: str, content: str) -> str:
    """Return the chain's link after a record: HMAC-SHA-256 of the link before and the record's content hash."""
    return keys.sign(b"link" + bytes.fromhex(previous) + bytes.fromhex(content), key_id)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """That the chain had this link at this position at this time (ISO 8601, UTC); signed."""

    position: int
    hash: str
    at: str
    key_id: str
    signature: str = ""

    @classmethod
    def signed(cls, keys: Keys, position: int, link: str, at: datetime) -> "Checkpoint":
        """Return a checkpoint with the signature of the newest key."""
        moment = at.astimezone(UTC).isoformat(timespec="seconds")
        plain = cls(position=position, hash=link, at=moment, key_id=keys.signing_id)
        return cls(**{**asdict(plain), "signature": keys.sign(plain._message(), keys.signing_id)})

    @classmethod
    def parse(cls, line: str) -> "Checkpoint":
        """Return the checkpoint that a line holds, also one of a log with other fields. Raises ValueError."""
        return msgspec.convert(json.loads(line), cls)

    def as_line(self) -> str:
        """Return the checkpoint as one line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    def is_signed_by(self, keys: Keys) -> bool:
        """Whether one of the keys made this checkpoint."""
        if self.key_id not in keys.by_id:
            return False
        return hmac.compare_digest(keys.sign(self._message(), self.key_id), self.signature)

    def _message(self) -> bytes:
        return f"checkpoint {self.position} {self.hash} {self.at} {self.key_id}".encode()


def stored_hash(
    *, event_id: Any, event_type: str, version: int, aggregate: tuple[str, Any, int], occurred_at: datetime,
    payload: Any, metadata: Mapping[str, Any],
) -> str:  # fmt: skip
    """Return the SHA-256 of an event as it is stored, all of it: sorted keys, times in UTC to the microsecond."""
    document = [
        str(event_id), event_type, version, aggregate[0], str(aggregate[1]), aggregate[2],
        occurred_at.astimezone(UTC).isoformat(timespec="microseconds"), payload, metadata,
    ]  # fmt: skip
    return sha256(msgspec.json.encode(document, order="sorted")).hexdigest()
