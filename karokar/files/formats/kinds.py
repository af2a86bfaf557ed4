"""What a file is by its first bytes. What its name or its sender say does not matter."""

from typing import Final

PDF, JPEG, PNG = "application/pdf", "image/jpeg", "image/png"
HEIC, AVIF, WEBP, TIFF = "image/heic", "image/avif", "image/webp", "image/tiff"
KEPT: Final = {PDF: "pdf", JPEG: "jpg", PNG: "png"}
"""What is kept, and how its files are named: what every browser shows."""
NOT_SHOWN: Final = "unknown"
"""What is kept and neither shown nor sent: nobody can tell what is in it."""
PICTURES: Final = frozenset({JPEG, PNG, HEIC, AVIF, WEBP, TIFF})
"""What can be handed in as a picture. What is neither JPEG nor PNG becomes a JPEG."""
DOCUMENTS: Final = PICTURES | {PDF}
ACCEPT_PICTURES: Final = "image/*,.heic,.heif,.avif,.webp,.tif,.tiff"
ACCEPT_DOCUMENTS: Final = f".pdf,application/pdf,{ACCEPT_PICTURES}"
"""What a browser offers to choose; what is accepted, the content decides."""

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif"}
_AVIF_BRANDS = {b"avif", b"avis"}


def sniff(head: bytes) -> str | None:
    """Return the media type of a file by its first bytes (64 of them do); None for what is not accepted anywhere.

    A PDF's mark must stand at the very beginning, as a file that is two things at once hides one of them further down.
    """
    if head.startswith((b"%PDF-1.", b"%PDF-2.")):
        return PDF
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
        return PNG
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WEBP
    if head.startswith((b"II*\0", b"MM\0*")):
        return TIFF
    if head[4:8] == b"ftyp":
        length = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[at : at + 4] for at in (8, *range(16, length, 4))}
        if brands & _AVIF_BRANDS:
            return AVIF
        if brands & _HEIC_BRANDS:
            return HEIC
    return None
