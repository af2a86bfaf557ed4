"""Passwords: what is accepted, and how they are kept (argon2id)."""

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

SHORTEST = 12
LONGEST = 200
PRODUCT = "karokar"
SHORTEST_WORD = 4
"""Shorter names and words turn up in other words by chance."""

_TIME_COST, _MEMORY_KIB, _LANES = 3, 65536, 4
_DISGUISES = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"})
_BREACHED = Path(__file__).parent.parent / "data" / "breached.bin"
_DIGEST_BYTES = 5


def normal(password: str) -> str:
    """Return a password in the form in which it is compared (NFKC): keyboards compose "ö" differently."""
    return normalize("NFKC", password)


def problem_of(password: str, *, words: Iterable[str] = ()) -> str | None:
    """Return why this password is not accepted, as a sentence; None where it is.

    `words` are names that somebody who attacks this person would try: theirs, their address's, their organizations'.
    Length is what makes a password strong; rules about digits and signs make people write it down.
    """
    password = normal(password)
    if len(password) < SHORTEST:
        return f"Use at least {SHORTEST} characters. A few words in a row are easy to remember."
    if len(password) > LONGEST:
        return f"Use at most {LONGEST} characters."
    if is_breached(password) or _is_one_thing_repeated(password.casefold()):
        return "This password is among those that are tried first. Choose another one."
    word = context_word_in(password, (PRODUCT, *words))
    if word:
        return f"This password contains “{word}”, which others know about you. Choose one without it."
    return None


def context_word_in(password: str, words: Iterable[str]) -> str | None:
    """Return the first word, or part of a name or address, that the password contains in any place, however it is
    capitalized or disguised ("k4r0k4r"); None where it contains none.
    """
    typed = normal(password).casefold()
    shapes = (typed, typed.translate(_DISGUISES), typed.translate(_DISGUISES | {ord("1"): "l", ord("!"): "l"}))
    for name in words:
        for word in re.split(r"[\W_]+", normal(name).casefold()):
            is_word = len(word) >= SHORTEST_WORD and not word.isdigit()
            if is_word and any(word in shape or word.translate(_DISGUISES) in shape for shape in shapes):
                return word
    return None


def is_breached(password: str) -> bool:
    """Whether the password is one of those that are used most or were published in breaches (data/README.md)."""
    wanted, known = digest(password), _breached()
    low, high = 0, len(known) // _DIGEST_BYTES
    while low < high:
        middle = (low + high) // 2
        found = known[middle * _DIGEST_BYTES : (middle + 1) * _DIGEST_BYTES]
        if found == wanted:
            return True
        low, high = (middle + 1, high) if found < wanted else (low, middle)
    return False


def digest(password: str) -> bytes:
    """Return what the file of breached passwords holds of one: the beginning of the SHA-256 of its folded form."""
    return hashlib.sha256(normal(password).casefold().encode()).digest()[:_DIGEST_BYTES]


@cache
def _breached() -> bytes:
    return _BREACHED.read_bytes()


def _is_one_thing_repeated(password: str) -> bool:
    """Whether it has hardly any different signs, is one part again and again, or counts up or down."""
    steps = {ord(after) - ord(before) for before, after in pairwise(password)}
    is_counting = password.isdigit() and any(password in run for run in _COUNTS)
    return len(set(password)) < 5 or password in (password + password)[1:-1] or steps in ({1}, {-1}) or is_counting


_COUNTS = (
    "".join(map(str, range(100))),
    "".join(map(str, range(1, 100))) * 2,
    "".join(map(str, range(99, -1, -1))),
    "1234567890" * 20,
    "0987654321" * 20,
)


@cache
def _hasher(cheap: bool) -> PasswordHasher:  # noqa: FBT001 - the cache's key
    # The cheap one is for tests only, where a thousand people sign in within a minute.
    if cheap:
        return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return PasswordHasher(time_cost=_TIME_COST, memory_cost=_MEMORY_KIB, parallelism=_LANES)


def hash_password(password: str, *, cheap: bool = False) -> str:
    """Return the argon2id hash of a password."""
    return _hasher(cheap).hash(normal(password))


@cache
def _dummy(cheap: bool) -> str:  # noqa: FBT001 - the cache's key
    return _hasher(cheap).hash("nobody's password")


def verify(password_hash: str | None, password: str, *, cheap: bool = False) -> bool:
    """Whether the password belongs to the hash, in whichever Unicode form it was hashed."""
    return form_hashed(password_hash, password, cheap=cheap) is not None


def form_hashed(password_hash: str | None, password: str, *, cheap: bool = False) -> str | None:
    """Return the Unicode form of the password to which the hash belongs, or None if the password is wrong.

    Hashes made before passwords were normalized hold whatever the keyboard sent. A wrong password takes the same time
    with and without a hash, so that the time does not reveal whether an account exists.
    """
    forms = dict.fromkeys((normal(password), password, normalize("NFC", password), normalize("NFD", password)))
    for form in forms:
        try:
            _hasher(cheap).verify(password_hash or _dummy(cheap), form[: LONGEST + 1])
        except (VerifyMismatchError, InvalidHashError):
            continue
        return form if password_hash is not None else None
    return None
