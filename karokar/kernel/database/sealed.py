"""Columns whose content the database never sees: encrypted with a key that is kept elsewhere and can be changed."""

import base64
from collections.abc import Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Dialect, String
from sqlalchemy.types import TypeDecorator

from karokar.kernel.log import get_logger
from karokar.kernel.settings import settings

UNREADABLE = "\0unreadable"
"""What a sealed column reads as when none of the keys opens it: something is there, and it is worth nothing."""


@lru_cache(maxsize=8)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str) -> bytes:
    """Return a key of its own: one that signs and one that encrypts are never the same."""
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"karokar.sealed.1").derive(key.encode())
    return base64.urlsafe_b64encode(derived)


def seal(text: str, keys: Sequence[str]) -> str:
    """Encrypt and authenticate a text with the first of the keys."""
    return _box(tuple(keys)).encrypt(text.encode()).decode()


def unseal(sealed: str, keys: Sequence[str]) -> str:
    """Return the text that one of the keys sealed. Raises InvalidToken where none of them did."""
    return _box(tuple(keys)).decrypt(sealed.encode()).decode()


def is_sealed_with(sealed: str, key: str) -> bool:
    """Whether this key opens it."""
    try:
        unseal(sealed, (key,))
    except InvalidToken:
        return False
    return True


class Sealed(TypeDecorator[str]):
    """A text that is encrypted in the database, with the secret key; former keys still open what they sealed."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: D102, ARG002
        return None if value is None else seal(value, settings().secret_keys)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: D102, ARG002
        if value is None:
            return None
        try:
            return unseal(value, settings().secret_keys)
        except InvalidToken:
            get_logger(__name__).error(
                "sealed_value_unreadable", sentence="Add the former key to SECRET_KEY_FALLBACKS."
            )
            return UNREADABLE
