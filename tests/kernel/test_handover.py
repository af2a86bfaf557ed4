"""What is refused of a handover: readings that no gauge shows, and photos that nobody could see."""

import pytest

from karokar.kernel import handover
from karokar.kernel.errors import RuleBroken


@pytest.mark.parametrize(("odometer", "fuel"), [(-1, 50), (10_000_000, 50), (1, -1), (1, 101)])
def test_an_impossible_reading_is_refused(odometer: int, fuel: int) -> None:
    with pytest.raises(RuleBroken, match="READING_INVALID"):
        handover.check_reading(odometer, fuel)


def test_a_photo_is_told_by_its_bytes_and_its_size() -> None:
    assert handover.check_photo(b"\xff\xd8\xff" + bytes(9), 1) == "image/jpeg"
    for content in (b"", b"GIF89a", b"<svg>", b"\xff\xd8\xff" + bytes(handover.MEGABYTE)):
        with pytest.raises(RuleBroken, match="PHOTO_INVALID"):
            handover.check_photo(content, 1)


def test_a_photo_that_unfolds_to_gigabytes_is_refused() -> None:
    huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2
    with pytest.raises(RuleBroken, match="PHOTO_INVALID"):
        handover.check_photo(huge, 1)
