"""Small pictures, made when they are asked for: of every kind, with the notes that cameras put into them."""

import io
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

MAKER, SERIAL = "Example Works", "SERIAL-4711"


def picture(width: int = 160, height: int = 120) -> Image.Image:
    """A picture whose every part differs from the others."""
    slope = Image.linear_gradient("L").resize((width, height))
    turned = slope.transpose(Image.Transpose.ROTATE_180)
    return Image.merge("RGB", (slope, turned, Image.radial_gradient("L").resize((width, height))))


def notes(orientation: int = 6) -> Image.Exif:
    """What a camera notes: how to turn the picture, who made the camera, its serial number and where it was."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, MAKER
    exif.get_ifd(0x8769)[0xA431] = SERIAL
    exif.get_ifd(0x8825)[1], exif.get_ifd(0x8825)[2] = "N", (48.0, 8.0, 14.0)
    return exif


def encoded(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    """A picture as a file of this kind ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")."""
    held = io.BytesIO()
    (image or picture()).save(held, kind, **options)
    return held.getvalue()


def jpeg(**options: Any) -> bytes:
    """A JPEG without any notes."""
    return encoded("JPEG", **options)


def png_with_texts() -> bytes:
    """A PNG with texts, a place and how to turn it."""
    texts = PngInfo()
    texts.add_text("Author", MAKER)
    texts.add_itxt("Serial", SERIAL, zip=True)
    return encoded("PNG", pnginfo=texts, exif=notes())
