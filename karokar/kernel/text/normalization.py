"""Text that people type: its one Unicode form, how it is found again, and what a name may hold."""

import re
import unicodedata
from typing import Any

from markupsafe import Markup

_JOINERS = {"\u200c", "\u200d"}
"""They join and part letters in Persian, Hindi and other scripts: part of the spelling, though nobody sees them."""
_FILLERS = {"\u115f", "\u1160", "\u3164", "\uffa0", "\u2800"}
"""Letters and signs without a picture."""
_LETTERS_OF_RIGHT_TO_LEFT = r"\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_RIGHT_TO_LEFT = re.compile(
    rf"([{_LETTERS_OF_RIGHT_TO_LEFT}](?:[{_LETTERS_OF_RIGHT_TO_LEFT}0-9 '’./&-]*[{_LETTERS_OF_RIGHT_TO_LEFT}])?)"
)
"""Words of scripts that run from right to left, with what may stand between the words of one name."""
_BIDI = {*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}
_INVISIBLE_MARKS = {"\u034f", "\u17b4", "\u17b5", *map(chr, range(0xFE00, 0xFE10))}
_ACCENTS = (
    (0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF),  # Latin, Greek, Cyrillic
    (0x0591, 0x05C7),  # Hebrew points
    (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06ED),  # Arabic vowels
)  # fmt: skip
"""Marks that people leave out when they search. The vowel signs of Hindi and its kin are letters, and stay."""
_PLAIN = str.maketrans(
    {
        "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th",
        "’": "'", "‘": "'", "ʼ": "'", "ʹ": "'", "´": "'", "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-",
        "ـ": "",
    }
)  # fmt: skip
"""Letters that no decomposition takes apart, and signs of which keyboards know one."""


def count_of(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun: "1 vehicle", "1,234 vehicles"; `many` where an s does not make the plural."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def normal(text: str) -> str:
    """Return text in the one Unicode form in which it is stored and compared (NFC)."""
    return unicodedata.normalize("NFC", text)


def search_key(text: str) -> str:
    """Return what text is searched and sorted by: without case, accents, invisible signs and spare spaces.

    The same function makes both sides of a comparison: the databases know ASCII letters only. Two texts that people
    would call the same have the same key; so may two that differ by an accent, so it proves nobody's identity.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = "".join(letter for letter in folded if not (_is_accent(letter) or _is_unseen(letter)))
    return " ".join(unicodedata.normalize("NFC", kept.translate(_PLAIN)).split())


def same_key(text: str) -> str:
    """Return what two spellings of one name have in common, accents included: for names of which there is one."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(letter for letter in folded if not _is_unseen(letter)).split())


def search_words(text: str | None) -> list[str]:
    """Return the words of a search as keys: each has to be part of the key of what is found."""
    return search_key(text or "").split()


def name_problem(text: str) -> str | None:
    """Return why this cannot be a name or title, as a sentence; None where it can."""
    if not any(_is_seen_letter(letter) for letter in text):
        return "Use at least one letter or digit that can be seen."
    return line_problem(text)


def line_problem(text: str) -> str | None:
    """Return why this cannot be one line of text, as a sentence; None where it can."""
    for letter in text:
        kind = unicodedata.category(letter)
        if (kind[0] == "C" and letter not in _JOINERS) or kind in {"Zl", "Zp"}:
            return _hidden(letter)
    return None


def note_problem(text: str) -> str | None:
    """Return why this cannot be a text of several lines, as a sentence; None where it can."""
    for letter in text:
        is_control = unicodedata.category(letter) in {"Cc", "Cs"} and letter not in "\r\n\t"
        if is_control or letter in _BIDI:
            return _hidden(letter)
    return None


def is_of_a_word(letter: str) -> bool:
    """Whether this is a letter, digit or vowel sign of any script."""
    return unicodedata.category(letter)[0] in "LNM"


def isolated(text: str) -> str:
    """Return a name for plain text, kept apart from its neighbours: a name in Arabic turns nothing around it."""
    if any(unicodedata.bidirectional(letter) in {"R", "AL", "AN"} for letter in text):
        return f"\u2068{text}\u2069"
    return text


def bdi(name: Any) -> Any:
    """Return a name, or other text that people typed, isolated for a page or an HTML mail.

    Plain ASCII turns nothing and stays as it is, like what is empty, markup, or no text.
    """
    if not isinstance(name, str) or isinstance(name, Markup) or name.isascii():
        return name
    return Markup("<bdi>{}</bdi>").format(name)


def names_apart(sentence: Any) -> Any:
    """Return an English sentence for a page, with every name in it that runs from right to left isolated.

    For sentences that are finished when they reach the page, such as refusals and flash messages. Names that the
    sentence parts by commas, dots or brackets stay apart from each other; markup, or no text, stays as it is.
    """
    if not isinstance(sentence, str) or isinstance(sentence, Markup) or sentence.isascii():
        return sentence
    parts = enumerate(_RIGHT_TO_LEFT.split(sentence))
    return Markup("").join(bdi(part) if number % 2 else part for number, part in parts)


def _hidden(letter: str) -> str:
    name = unicodedata.name(letter, "").lower()
    called = f"U+{ord(letter):04X}" + (f", {name}" if name else "")
    return f"There is a character in it that cannot be shown ({called}). Delete it, or type the text again."


def _is_seen_letter(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LN" and letter not in _FILLERS


def _is_accent(letter: str) -> bool:
    return any(first <= ord(letter) <= last for first, last in _ACCENTS)


def _is_unseen(letter: str) -> bool:
    return (
        letter in _FILLERS
        or letter in _INVISIBLE_MARKS
        or (unicodedata.category(letter)[0] == "C" and not letter.isspace())
    )
