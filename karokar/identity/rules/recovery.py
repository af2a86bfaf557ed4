"""Recovery codes at rest: a hash that is slow to try out, salted with whose code it is."""

from uuid import UUID

from argon2.low_level import Type, hash_secret_raw

PREFIX = "argon2id$"
# The least that OWASP recommends: the codes themselves are random, with 59 bits each.
_TIMES, _KIB = 2, 19 * 1024


def slow_hash(fingerprint: str, user_id: UUID, *, cheap: bool = False) -> str:
    """Return what is stored for a code, from its quick fingerprint."""
    times, kib = (1, 8) if cheap else (_TIMES, _KIB)
    made = hash_secret_raw(fingerprint.encode(), user_id.bytes, times, kib, 1, 32, Type.ID)
    return PREFIX + made.hex()
