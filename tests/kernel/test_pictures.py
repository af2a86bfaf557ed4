import struct
import zlib

import pytest

from karokar.kernel.pictures import unfolds_too_far


def png(width: int, height: int) -> bytes:
    """A PNG of one colour that says to be so large: its compressed rows are next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def jpeg(width: int, height: int, *, frame: int = 0xC0, before: bytes = b"") -> bytes:
    """A JPEG as far as its frame: the segments that cameras put before it, and its size."""
    camera = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + bytes(9)
    size = bytes([0xFF, frame]) + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + camera + before + size + b"\xff\xda" + bytes(20) + b"\xff\xd9"


@pytest.mark.parametrize("picture", [png, jpeg])
def test_a_picture_of_any_camera_may_be_kept_and_one_that_unfolds_to_gigabytes_may_not(picture):
    assert not unfolds_too_far(picture(9_000, 11_000))
    assert unfolds_too_far(picture(60_000, 60_000))


@pytest.mark.parametrize(
    "picture", [jpeg(60_000, 60_000, frame=0xC2), jpeg(60_000, 60_000, before=b"\xff\xff\xff\x01")]
)
def test_a_progressive_picture_and_filling_bytes_hide_no_size(picture):
    assert unfolds_too_far(picture)


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"\xff\xd8", b"\xff\xd8\xff\xe0\x00\x00" * 9, png(1, 1)[:18]])
def test_what_is_no_picture_or_cut_off_is_not_judged(content):
    assert not unfolds_too_far(content)
