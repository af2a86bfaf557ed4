"""Places in the log of events that may be handed out.

A position counts the events of the whole marketplace: two of them would tell a tenant how busy everybody else is. So a
cursor is the position in disguise, by a key of its own for each organization: the same place reads the same for one
organization, says nothing to it, and is refused by any other.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence

from karokar.kernel.errors import RuleBroken

_HALF = 6
_ROUNDS = 4


def hide_place(position: int, secret: str, reader: str, *, reads_up: bool) -> str:
    """Return the cursor of the page that begins after a position (`reads_up`) or before it."""
    return hide(position * 2 + reads_up, secret, reader)


def reveal_place(cursor: str, secrets: Sequence[str], reader: str) -> tuple[int | None, int | None]:
    """Return the position to read after and the one to read before: one of them is None. Raises RuleBroken."""
    position, reads_up = divmod(reveal(cursor, secrets, reader), 2)
    return (position, None) if reads_up else (None, position)


def hide(position: int, secret: str, reader: str) -> str:
    """Return the cursor of a position for a reader (an organization's id)."""
    key = _key(secret, reader)
    left, right = position.to_bytes(2 * _HALF, "big")[:_HALF], position.to_bytes(2 * _HALF, "big")[_HALF:]
    for number in range(_ROUNDS):
        left, right = right, _mixed(left, right, key, number)
    return base64.urlsafe_b64encode(left + right).decode()


def reveal(cursor: str, secrets: Sequence[str], reader: str) -> int:
    """Return the position of a cursor that one of the secrets hid. Raises RuleBroken for one of another reader."""
    refusal = RuleBroken("INVALID_CURSOR", "This cursor was not given out here. Begin again without one.")
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise refusal from None
    if len(raw) != 2 * _HALF:
        raise refusal
    for secret in secrets:
        key = _key(secret, reader)
        left, right = raw[:_HALF], raw[_HALF:]
        for number in reversed(range(_ROUNDS)):
            left, right = _mixed(right, left, key, number), left
        position = int.from_bytes(left + right, "big")
        # Positions are far below this: what is above was made up, or for somebody else.
        if not position >> 56:
            return position
    raise refusal


def _key(secret: str, reader: str) -> bytes:
    return hmac.digest(secret.encode(), f"event cursor of {reader}".encode(), "sha256")


def _mixed(half: bytes, other: bytes, key: bytes, number: int) -> bytes:
    pad = hmac.digest(key, bytes([number]) + other, "sha256")[:_HALF]
    return bytes(a ^ b for a, b in zip(half, pad, strict=True))
