"""How large a picture becomes when it is shown: a file of a few hundred kilobytes may unfold to gigabytes."""

from typing import Final

MOST_PIXELS: Final = 100_000_000
"""More than any camera or scanner makes of a page or a car; browsers hold four bytes for each."""

_PNG_MARK = b"\x89PNG\r\n\x1a\n"
_JPEG_MARK = b"\xff\xd8"
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PICTURE_BEGINS = 0xDA
_END = 0xD9


def unfolds_too_far(content: bytes) -> bool:
    """Whether this PNG or JPEG says that it has more pixels than whoever looks at it can be asked to hold.

    Nothing is unpacked: its own header is what a browser goes by as well. False for anything else.
    """
    if content.startswith(_PNG_MARK):
        return int.from_bytes(content[16:20], "big") * int.from_bytes(content[20:24], "big") > MOST_PIXELS
    return content.startswith(_JPEG_MARK) and _jpeg_pixels(content) > MOST_PIXELS


def _jpeg_pixels(content: bytes) -> int:
    """The largest frame that the segments before the picture itself declare; 0 where there is none."""
    largest, at = 0, len(_JPEG_MARK)
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # a filling byte
            at += 1
            continue
        if marker in _WITHOUT_LENGTH:
            at += 2
            continue
        if marker in {_PICTURE_BEGINS, _END}:
            break
        if marker in _FRAMES:
            height = int.from_bytes(content[at + 5 : at + 7], "big")
            width = int.from_bytes(content[at + 7 : at + 9], "big")
            largest = max(largest, width * height)
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return largest
