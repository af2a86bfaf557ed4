"""Passwords: what is accepted, and how they are kept (argon2id)."""

from functools import cache
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

SHORTEST = 12
LONGEST = 200
_COMMON = frozenset(
    {
        "password1234", "123456789012", "qwertyuiop12", "passwordpassword", "letmein12345", "administrator",
        "welcome12345", "iloveyou1234", "111111111111", "000000000000", "abcdefghijkl", "karokarkarokar",
    }
)  # fmt: skip


def normal(password: str) -> str:
    """Return a password in the form in which it is compared (NFKC): keyboards compose "ö" differently."""
    return normalize("NFKC", password)


def problem_of(password: str, *, email: str, names: tuple[str, ...] = ()) -> str | None:
    """Return why this password is not accepted, as a sentence; None where it is.

    Length is what makes a password strong; rules about digits and signs make people write it down.
    """
    password = normal(password)
    if len(password) < SHORTEST:
        return f"Use at least {SHORTEST} characters. A few words in a row are easy to remember."
    if len(password) > LONGEST:
        return f"Use at most {LONGEST} characters."
    lowered = password.lower()
    if lowered in _COMMON or len(set(lowered)) < 5:
        return "This password is guessed first. Choose another one."
    own = [part for part in (email.split("@", maxsplit=1)[0], *names) if len(part) >= 4]
    if any(part.lower() in lowered and len(lowered) - len(part) < 6 for part in own):
        return "This password is close to your name or address. Choose another one."
    return None


@cache
def _hasher(cheap: bool) -> PasswordHasher:  # noqa: FBT001 - the cache's key
    # The cheap one is for tests only, where a thousand people sign in within a minute.
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1) if cheap else PasswordHasher()


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
