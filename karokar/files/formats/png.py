"""What of a PNG is the picture: its parts without texts, times and places, and nothing behind its end."""

import struct
import zlib

from karokar.files.formats.jpeg import Damaged, orientation_notes, orientation_of

MARK = b"\x89PNG\r\n\x1a\n"
_KEPT = frozenset(
    {
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS",
        b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV", b"cLLI",
    }
)  # fmt: skip
"""The picture, its transparency and what its colours mean. A moving picture becomes its first."""


def clean(content: bytes, *, is_forgiving: bool = False) -> bytes:
    """Return the picture with its orientation and colour profile, and nothing else. What follows its end is dropped.

    Raises Damaged for one that is cut off or changed on the way; `is_forgiving` keeps as much of it as there is.
    """
    if not content.startswith(MARK) or content[12:16] != b"IHDR":
        raise Damaged
    kept, at, has_pixels = [], len(MARK), False
    while True:
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        body, sum_ = content[at + 8 : at + 8 + length], content[at + 8 + length : at + 12 + length]
        at += 12 + length
        if len(sum_) < 4 or (kind in _KEPT and zlib.crc32(kind + body) != int.from_bytes(sum_, "big")):
            if not (is_forgiving and has_pixels):
                raise Damaged
            kept.append(_part(b"IEND", b""))
            break
        if kind in _KEPT:
            kept.append(_part(kind, body))
            has_pixels = has_pixels or kind == b"IDAT"
        elif kind == b"eXIf" and not has_pixels and (orientation := orientation_of(body)):
            kept.append(_part(kind, orientation_notes(orientation)))
        if kind == b"IEND":
            break
    if not has_pixels:
        raise Damaged
    return MARK + b"".join(kept)


def size(content: bytes) -> tuple[int, int]:
    """Return the width and height that the picture says it has."""
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


def _part(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
