"""A file of a few hundred kilobytes may unfold to gigabytes: its own header says so, before anything is unpacked."""

import io
import struct
import zlib

import pytest

from karokar.files.intake import FileRefused, accept


def refusal(content: bytes) -> str:
    with pytest.raises(FileRefused) as refused:
        accept("photo", io.BytesIO(content))
    return refused.value.reason


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
def test_a_picture_that_unfolds_to_gigabytes_is_refused_and_one_of_any_camera_is_looked_at(app, picture):
    assert refusal(picture(60_000, 60_000)) == "TOO_MANY_PIXELS"
    assert refusal(picture(9_000, 11_000)) == "DAMAGED"  # there is a header, and no picture


@pytest.mark.parametrize(
    "picture", [jpeg(60_000, 60_000, frame=0xC2), jpeg(60_000, 60_000, before=b"\xff\xff\xff\x01")]
)
def test_a_progressive_picture_and_filling_bytes_hide_no_size(app, picture):
    assert refusal(picture) == "TOO_MANY_PIXELS"


@pytest.mark.parametrize("content", [b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\x00\x00" * 9, png(1, 1)[:18]])
def test_what_is_cut_off_before_its_size_is_damaged(app, content):
    assert refusal(content) == "DAMAGED"
