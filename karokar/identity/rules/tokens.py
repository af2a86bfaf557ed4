"""Secrets that are shown once and stored as hashes, and links that are signed."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

from itsdangerous import BadSignature, URLSafeSerializer

TOKEN_PREFIX = "kk_"  # noqa: S105 - what every token begins with, so that a leaked one is recognised
_RECOVERY_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"


def new_token() -> str:
    """Return a secret of 256 bits, as text that is safe in headers and cookies."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def new_nonce() -> str:
    """Return a random value that makes one link differ from every other."""
    return secrets.token_urlsafe(12)


def fingerprint(secret: str) -> str:
    """Return what is stored of a random secret: its SHA-256 (it needs no salt: it cannot be guessed)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_recovery_codes(count: int = 10) -> list[str]:
    """Return codes that stand in for the authenticator app, such as `k7mq-2xw9-h4ts`."""
    return [
        "-".join("".join(secrets.choice(_RECOVERY_LETTERS) for _ in range(4)) for _ in range(3)) for _ in range(count)
    ]


def normal_recovery_code(code: str) -> str:
    """Return a typed recovery code as it was made: case, spaces and missing dashes do not matter."""
    letters = "".join(letter for letter in code.lower() if letter.isalnum())
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))


def sign_link(key: str, purpose: str, subject: str, nonce: str, at: datetime) -> str:
    """Return a signed token that says: whoever holds it may use `purpose` for `subject`, from this moment on."""
    return _serializer([key], purpose).dumps([subject, nonce, int(at.timestamp())])


def read_link(keys: Sequence[str], purpose: str, token: str, life: timedelta, at: datetime) -> tuple[str, str] | None:
    """Return subject and nonce of a token that one of the keys signed for this purpose, and that is no older than its
    life; None for any other.
    """
    try:
        subject, nonce, signed_at = _serializer(keys, purpose).loads(token)
        age = at.timestamp() - int(signed_at)
    except (BadSignature, ValueError, TypeError):
        return None
    # A clock that was set back a little makes a link younger than nothing.
    return (str(subject), str(nonce)) if -300 <= age <= life.total_seconds() else None


def sign_value(key: str, purpose: str, value: object) -> str:
    """Return a signed text that holds a plain value: readable by everybody, made only with the key."""
    return _serializer([key], purpose).dumps(value)


def read_value(keys: Sequence[str], purpose: str, text: str) -> object:
    """Return the value of a text that one of the keys signed for this purpose; None where it is forged."""
    try:
        return cast("object", _serializer(keys, purpose).loads(text))
    except (BadSignature, ValueError, TypeError):
        return None


def _serializer(keys: Sequence[str], purpose: str) -> URLSafeSerializer:
    # The last of a list is the one that signs.
    return URLSafeSerializer(list(reversed(keys)), salt=f"karokar.identity.{purpose}")
