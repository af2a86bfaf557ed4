"""Takes a picture in: whether it is whole, and what of it is kept. Runs in the process with limits only.

A JPEG or PNG keeps its pixels byte for byte, with its orientation and colour profile; the rest (place, serial number,
texts, thumbnails, what follows the picture) goes. HEIC, AVIF, WebP and TIFF become JPEGs, turned as they are shown.
"""

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any, Final

from karokar.files.formats import jpeg, kinds, png
from karokar.files.formats.jpeg import Damaged

MOST_PIXELS: Final = 100_000_000
"""More than any camera or scanner makes of a page or a car; browsers hold four bytes for each."""
QUALITY: Final = 92

DAMAGED, TOO_MANY_PIXELS, SEVERAL_PAGES, RAW, UNREADABLE = (
    "DAMAGED", "TOO_MANY_PIXELS", "SEVERAL_PAGES", "RAW", "UNREADABLE",
)  # fmt: skip
_DNG_VERSION, _SUBFILE_TYPE = 50706, 254
_REDUCED = 1
_FILLING = bytes(range(1, 200)) * 20
"""Coded data that no picture needs once it has all its own."""
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
"""Frames whose end only refines what is there, which shows at full size alone."""


def take_in(source: Path, target: Path, *, media_type: str) -> dict[str, Any]:
    """Write what is kept of the picture to `target` and return its `media_type`; or `refused`, why."""
    try:
        kept, kept_type = _kept(source, media_type)
    except Damaged:
        return {"refused": DAMAGED}
    except _Refused as refused:
        return {"refused": refused.reason}
    target.write_bytes(kept)
    return {"media_type": kept_type}


def clean_stored(source: Path, target: Path, *, media_type: str) -> dict[str, Any]:
    """Write what is kept of a picture that was accepted before pictures were cleaned, damaged or not.

    Returns `refused` where not even its parts can be told from each other.
    """
    content = source.read_bytes()
    try:
        target.write_bytes((png if media_type == kinds.PNG else jpeg).clean(content, is_forgiving=True))
    except Damaged:
        return {"refused": DAMAGED}
    return {"media_type": media_type}


class _Refused(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _kept(source: Path, media_type: str) -> tuple[bytes, str]:
    if media_type == kinds.JPEG:
        content = source.read_bytes()
        _marker, width, height = jpeg.frame(content)
        _check_size(width, height)
        content = jpeg.clean(content)
        _check_jpeg(content)
        return content, kinds.JPEG
    if media_type == kinds.PNG:
        content = source.read_bytes()
        _check_size(*png.size(content))
        content = png.clean(content)
        _decoded(content).close()
        return content, kinds.PNG
    return _converted(source, media_type), kinds.JPEG


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise _Refused(TOO_MANY_PIXELS)
    if width * height == 0:
        raise Damaged


def _check_jpeg(content: bytes) -> None:
    """Raise Damaged unless the coded data is all there.

    A decoder fills up with grey what is missing before an end that somebody put there. So the picture is decoded once
    more with other data in front of its end: a whole one does not need it, and stays the same.
    """
    marker, _width, _height = jpeg.frame(content)
    is_small = marker not in _PROGRESSIVE
    if _pixels(content, is_small=is_small) != _pixels(content[:-2] + _FILLING + content[-2:], is_small=is_small):
        raise Damaged


def _pixels(content: bytes, *, is_small: bool) -> str:
    with _decoded(content, is_small=is_small) as image:
        return hashlib.sha256(image.tobytes()).hexdigest()


def _decoded(content: bytes, *, is_small: bool = False) -> Any:
    """Return the decoded picture, an eighth of its size where `is_small`. Raises Damaged."""
    image = _open(io.BytesIO(content))
    try:
        if is_small:
            image.draft(None, (max(1, image.width // 8), max(1, image.height // 8)))
        image.load()
    except (OSError, ValueError, SyntaxError, IndexError, ZeroDivisionError) as error:
        raise Damaged from error
    return image


def _open(file: Any) -> Any:
    from PIL import Image, UnidentifiedImageError

    # The limit is ours, checked before anything is decoded; the library would only warn.
    Image.MAX_IMAGE_PIXELS = None
    warnings.simplefilter("ignore")
    try:
        return Image.open(file)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise Damaged from error


def _converted(source: Path, media_type: str) -> bytes:
    """Return the picture as a JPEG, turned as it is shown, with its colour profile."""
    from PIL import AvifImagePlugin, ImageOps

    if media_type == kinds.HEIC:
        import pi_heif

        pi_heif.options.DECODE_THREADS = 1
        pi_heif.register_heif_opener(thumbnails=False, hdr_to_8bit=True)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    try:
        image = _open(source)
    except Damaged:
        raise _Refused(UNREADABLE) from None
    _check_size(image.width, image.height)
    if media_type == kinds.TIFF:
        _check_tiff(image)
    try:
        image.load()
        profile = image.info.get("icc_profile")
        image = ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError, IndexError, KeyError, ZeroDivisionError) as error:
        raise Damaged from error
    made = io.BytesIO()
    flat, keeps_profile = _flat(image)
    flat.save(made, "JPEG", quality=QUALITY, optimize=False, icc_profile=profile if keeps_profile else None)
    # Through the same door: nothing that the library wrote beside the picture stays.
    return jpeg.clean(made.getvalue())


def _check_tiff(image: Any) -> None:
    tags = image.tag_v2
    if _DNG_VERSION in tags or tags.get(_SUBFILE_TYPE, 0) & _REDUCED:
        raise _Refused(RAW)
    if getattr(image, "n_frames", 1) > 1:
        raise _Refused(SEVERAL_PAGES)


def _flat(image: Any) -> tuple[Any, bool]:
    """Return the picture without transparency, in a mode that JPEG knows, and whether its profile still fits."""
    from PIL import Image

    if image.mode in {"L", "RGB", "CMYK"} and "transparency" not in image.info:
        return image, True
    if image.mode.startswith("I;16") or image.mode == "I":
        return image.convert("I").point(lambda value: value / 256).convert("L"), False
    if "A" in image.getbands() or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Image.new("RGB", layer.size, "white")
        paper.paste(layer, mask=layer.getchannel("A"))
        return paper, image.mode in {"RGBA", "RGB"}
    return image.convert("RGB"), False
