"""What people call the codes that events and rows hold: each context says it of its own, once, in its rules."""

from collections.abc import Mapping

_WORDS: dict[tuple[str, str], dict[str, str]] = {}


def name_codes(aggregate_type: str, field: str, *words: Mapping[str, str]) -> None:
    """Say what the codes in a field of an aggregate, or of its events, are called."""
    found = _WORDS.setdefault((aggregate_type, field), {})
    for one in words:
        found.update(one)


def in_words(aggregate_type: str, field: str, code: str) -> str | None:
    """Return what people call a code; None for one that nobody named."""
    return _WORDS.get((aggregate_type, field), {}).get(code)
