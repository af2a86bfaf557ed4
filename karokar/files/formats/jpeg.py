"""What of a JPEG is the picture: its segments without notes, places and serial numbers, and nothing behind its end."""

import struct
from typing import Final

MARK = b"\xff\xd8\xff"
_START, _END = b"\xff\xd8", 0xD9
_SCAN = 0xDA
_RESTARTS = range(0xD0, 0xD8)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF})
_JFIF, _NOTES, _PROFILE, _ADOBE = 0xE0, 0xE1, 0xE2, 0xEE
_ORIENTATION: Final = 0x0112
PROFILE_NAME = b"ICC_PROFILE\0"


class Damaged(Exception):
    """The picture ends before its end, or is none."""


def clean(content: bytes, *, is_forgiving: bool = False) -> bytes:
    """Return the picture with its orientation and colour profile, byte for byte as it was, and nothing else.

    What follows the picture (a phone's trailer, a film, a second picture) is dropped. Raises Damaged for one that is
    cut off; `is_forgiving` keeps as much of it as there is.
    """
    if not content.startswith(MARK):
        raise Damaged
    kept, at, is_framed = [], 2, False
    orientation = 1
    while True:
        at = _next_marker(content, at)
        marker = content[at + 1] if at >= 0 else -1
        if marker == _END and is_framed:
            break
        length = int.from_bytes(content[at + 2 : at + 4], "big") if at >= 0 else 0
        if length < 2 or at + 2 + length > len(content) or (marker < 0xC0 or marker in {0xD8, _END}):
            # The end is missing, or what stands there is no part of a picture.
            if not (is_forgiving and is_framed):
                raise Damaged
            break
        body = content[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == _NOTES:
            orientation = _orientation(body) or orientation
        elif marker in _FRAMES | _TABLES:
            kept.append(_segment(marker, body))
        elif marker == _JFIF and body.startswith(b"JFIF\0") and len(body) >= 12:
            # Without the small picture that may stand in it.
            kept.append(_segment(marker, body[:12] + b"\0\0"))
        elif (marker == _PROFILE and body.startswith(PROFILE_NAME)) or (marker == _ADOBE and body.startswith(b"Adobe")):
            kept.append(_segment(marker, body))
        elif marker == _SCAN:
            is_framed = True
            end = _end_of_scan(content, at)
            kept.append(_segment(marker, body) + content[at:end])
            at = end
    first = 1 if kept and kept[0][1] == _JFIF else 0
    kept[first:first] = _orientation_segment(orientation)
    return _START + b"".join(kept) + bytes((0xFF, _END))


def frame(content: bytes) -> tuple[int, int, int]:
    """Return the marker, width and height of the largest frame that is declared before the picture itself begins."""
    found, at = (0, 0, 0), 2
    while (at := _next_marker(content, at)) >= 0:
        marker = content[at + 1]
        if marker in {_SCAN, _END}:
            break
        if marker in _FRAMES:
            height = int.from_bytes(content[at + 5 : at + 7], "big")
            width = int.from_bytes(content[at + 7 : at + 9], "big")
            found = max(found, (marker, width, height), key=lambda one: one[1] * one[2])
        at += 2 + max(2, int.from_bytes(content[at + 2 : at + 4], "big"))
    return found


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def _next_marker(content: bytes, at: int) -> int:
    """Return where the next marker is, -1 for none. Stray bytes between segments are passed over, as decoders do."""
    while (at := content.find(b"\xff", at)) >= 0 and at + 1 < len(content):
        if content[at + 1] not in {0x00, 0x01, 0xFF, *_RESTARTS}:
            return at
        at += 1
    return -1


def _end_of_scan(content: bytes, at: int) -> int:
    """Return where the coded data that begins at `at` ends: at the next marker, or at the end of the file."""
    while (at := content.find(b"\xff", at)) >= 0 and at + 1 < len(content):
        following = content[at + 1]
        if following != 0 and following not in _RESTARTS and following != 0xFF:
            return at
        at += 1 if following == 0xFF else 2
    return len(content)


def _orientation(body: bytes) -> int | None:
    """Return how the picture is to be turned (2 to 8) by the notes of a camera; None where they do not say."""
    return orientation_of(body[6:]) if body.startswith(b"Exif\0") else None


def orientation_of(notes: bytes) -> int | None:
    """Return how a picture is to be turned (2 to 8) by its EXIF notes; None where they do not say."""
    order = {b"II": "<", b"MM": ">"}.get(notes[:2])
    if order is None or len(notes) < 8:
        return None
    (first,) = struct.unpack_from(f"{order}I", notes, 4)
    if first + 2 > len(notes):
        return None
    (count,) = struct.unpack_from(f"{order}H", notes, first)
    for number in range(count):
        entry = first + 2 + 12 * number
        if entry + 12 > len(notes):
            return None
        tag, kind, _count, value = struct.unpack_from(f"{order}HHIH", notes, entry)
        if tag == _ORIENTATION:
            return value if kind == 3 and 2 <= value <= 8 else None
    return None


def orientation_notes(orientation: int) -> bytes:
    """Return EXIF notes that say how the picture is to be turned and nothing else."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)


def _orientation_segment(orientation: int) -> list[bytes]:
    return [_segment(_NOTES, b"Exif\0\0" + orientation_notes(orientation))] if orientation != 1 else []
